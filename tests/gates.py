"""Every gate of the sources, and the test that claims it: what :mod:`test_gates` switches off, one at a time."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"
KINDS = {"GateError", "AccuracyError", "TrainingError"}
"""Errors that a gate raises, wherever it stands."""
GUARDS = {
    "petiole.deploy.artifact",
    "petiole.data.archive",
    "petiole.download.fetch",
    "petiole.models.weights.read_state",
    "petiole.pruning.storage.load_sparse",
    "petiole.quantization.eager.load_state",
}
"""Modules and functions that let in files from elsewhere: all that they raise is a gate too."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A ``raise`` in the sources: its module, the function around it, its place and its text."""

    module: str
    function: str
    line: int
    text: str

    @property
    def where(self) -> str:
        """``petiole.deploy.parity.require_parity``."""
        return f"{self.module}.{self.function}"


def found() -> Iterator[Found]:
    """All gates of the sources, read and not imported."""
    for path in sorted(SOURCES.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        for function, node in _raises(ast.parse(path.read_text(encoding="utf-8")), ""):
            name = node.exc.func.id if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) else ""
            if name in KINDS or module in GUARDS or f"{module}.{function}" in GUARDS:
                yield Found(module=module, function=function, line=node.lineno, text=ast.unparse(node))


def _raises(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.Raise]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{scope}.{child.name}".lstrip(".")
        if isinstance(child, ast.Raise) and child.exc is not None:
            yield scope, child
        yield from _raises(child, inner)
