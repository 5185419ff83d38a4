"""Switches gates off, one at a time, and says which of the tests that claim them still pass.

Run as a program, in a process of its own: ``python switch_off.py RESULT``. Each test of the table runs once as the
sources are, and once for each of its gates with that ``raise`` taken out of the function that holds it: its code is
compiled again without it and put into the living function, wherever that has been imported.
"""

import ast
import inspect
import json
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType

import pytest
from _pytest.runner import runtestprotocol

from gates import GATES, SOURCES, Found, Gate, found


@contextmanager
def switched_off(gate: Found) -> Iterator[None]:
    """In this block the sources have no such gate."""
    module = sys.modules[gate.module]
    path = SOURCES / Path(*gate.module.split(".")).with_suffix(".py")
    tree = _Without(gate.line).visit(ast.parse(path.read_text(encoding="utf-8")))
    function = inspect.unwrap(operator.attrgetter(gate.function)(module))
    original = function.__code__
    compiled = compile(ast.fix_missing_locations(tree), original.co_filename, "exec", dont_inherit=True)
    function.__code__ = next(code for code in _codes(compiled) if code.co_qualname == gate.function)
    try:
        yield
    finally:
        function.__code__ = original


CONTROL = Gate(
    where="models.weights.read_state",
    says="give a .pth",
    test="tests/models/test_weights.py::test_files_that_are_no_weights[code]",
)
"""A gate with a test that does not look at it: it passes all the same. It has parameters and a fixture, as most have:
where they are not set up again for the second run, it fails."""


class _Without(ast.NodeTransformer):
    """The ``raise`` of a line stays where it is, so that all names keep their scope, but is never reached."""

    def __init__(self, line: int) -> None:
        self.line = line

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        return ast.While(test=ast.Constant(False), body=[node], orelse=[]) if node.lineno == self.line else node


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class Switching:
    """A plugin of pytest: each test as it is, then without each of its gates.

    ``failed`` has, by test and by gate, what failed of each of its runs: "setup", "call", "teardown", or nothing.
    """

    def __init__(self, gates: list[tuple[Gate, Found]]) -> None:
        self.gates = gates
        self.failed: dict[str, list[list[str]]] = {}

    def pytest_runtest_protocol(self, item: pytest.Function, nextitem: pytest.Item | None) -> bool:
        """Instead of pytest's own."""
        mine = [each for each in self.gates if f"{item.nodeid}[".startswith(f"{each[0].test}[")]
        for gate, place in [(None, None), *mine]:
            with nullcontext() if place is None else switched_off(place):
                # What its file shares stays; the test itself is set up anew each time.
                reports = runtestprotocol(item, log=False, nextitem=item.parent)  # type: ignore[arg-type]
            key = item.nodeid if gate is None else key_of(gate)
            self.failed.setdefault(key, []).append([report.when for report in reports if not report.passed])
        item.session._setupstate.teardown_exact(nextitem)
        return True


def key_of(gate: Gate) -> str:
    """A name for a row of the table."""
    return f"{gate.where}: {gate.says}"


def main(result: Path, gates: list[Gate]) -> None:
    """Run it all; ``{"gate or test": [what failed, for each run]}`` goes to ``result``."""
    there = list(found())
    switching = Switching([(gate, next(one for one in there if gate.is_of(one))) for gate in gates])
    tests = sorted({gate.test for gate in gates})
    try:
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[switching])
    finally:  # what pytest minds when it ends (something that nobody closed) changes no row
        result.write_text(json.dumps(switching.failed), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [*GATES, CONTROL])
