"""The layers of the code, and the house rules that a machine can check; sources are parsed, not imported."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "petiole"

LAYERS = [
    ["errors", "units", "processes"],
    [
        "record",
        "accuracy_records",
        "latency_records",
        "contradictions",
        "records",
        "figure_records",
        "stats",
        "writing",
        "rundir",
        "cache",
        "download",
        "preprocessing",
        "paired",
        "called",
        "evidence",
        "caveats",
        "progress",
        "inference_records",
        "mapped",
        "search_records",
    ],
    ["data", "models", "training", "pruning", "quantization", "deploy", "bench"],
    ["variants", "predictions", "deployed"],
    ["chain"],
    ["lab", "search", "inference", "report"],
    ["recipes", "api"],
    ["cli", "cli_compress", "cli_predict", "cli_report", "cli_stop", "__main__"],
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
WITHOUT_TORCH = {*LAYERS[0], *LAYERS[1], "report"}
HEAVY = {"torch", "torchvision", "torchao", "timm", "onnx", "onnxruntime", "openvino", "scipy", "altair"}

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50

SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_PYTHON = sorted(path for top in ("src", "tests", "benchmarks", "docs") for path in (ROOT / top).rglob("*.py"))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """``src/petiole/data/pixels.py`` -> ``petiole.data.pixels``; a package's ``__init__`` has its name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in SOURCES}


def imports(path: Path) -> Iterator[str]:
    """All modules that a file imports, at the top or inside functions, relative imports resolved.

    ``from a import b`` gives ``a`` where b is a name in our module a, else ``a.b``.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in FILES or not source.startswith("petiole") else source


def part(module: str) -> str:
    """The package or file right below ``petiole`` that a module belongs to; empty for ``petiole`` itself."""
    return [*module.split("."), ""][1]


def own_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name == "petiole" or name.startswith("petiole.")}


def layer_faults(importer: str, imported: str) -> str | None:
    """Why one part of the package may not import another, or None if it may."""
    if importer == imported or imported == "":
        return None
    if importer == "report" and LEVEL[imported] > 1:
        return "the report reads records and nothing else"
    if LEVEL[imported] > LEVEL[importer]:
        return "imports go down only"
    is_package = any((PACKAGE / name).is_dir() for name in (importer, imported))
    if LEVEL[imported] == LEVEL[importer] and is_package:
        return "packages of one layer never import each other"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_every_file_belongs_to_a_layer(path: Path) -> None:
    name = part(module_name(path))
    assert name == "" or name in LEVEL, f"{name} is in no layer: put it into LAYERS and CONTRIBUTING.md, or elsewhere"


def test_contributors_read_the_same_layers() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d \| (.*) \|$", text, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)/?`", row)) for row in rows] == [set(layer) for layer in LAYERS]


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_imports_go_down_the_layers(path: Path) -> None:
    importer = part(module_name(path))
    if importer == "":
        assert not own_imports(path), "`import petiole` stays light"
        return
    faults = [f"{name}: {fault}" for name in own_imports(path) if (fault := layer_faults(importer, part(name)))]
    assert not faults, f"{short(path)} imports {faults}"


def test_the_rule_of_layers_itself() -> None:
    assert layer_faults("lab", "variants") is None
    assert layer_faults("records", "errors") is None
    assert layer_faults("rundir", "records") is None
    assert layer_faults("data", "data") is None
    assert layer_faults("data", "models") == "packages of one layer never import each other"
    assert layer_faults("records", "data") == "imports go down only"
    assert layer_faults("report", "variants") == "the report reads records and nothing else"
    assert layer_faults("report", "stats") is None


def test_no_import_cycles() -> None:
    assert len(FILES) > 10
    graph = {name: own_imports(path) - {name} for name, path in FILES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"an import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_each_quantization_library_has_one_adapter(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    used = set(imports(path))
    for node in ast.walk(tree(path)):  # torch.ao... without an import of its own
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.add(f"{node.value.id}.{node.attr}")
    if name != "quantization/eager.py":
        eager = [used_name for used_name in used if re.match(r"torch\.(ao|quantization)\b", used_name)]
        assert not eager, f"only quantization/eager.py may use {eager}"
    if not re.fullmatch(r"quantization/pt2e\w*\.py", name):
        pt2e = [used_name for used_name in used if re.match(r"torchao\b", used_name)]
        assert not pt2e, f"only quantization/pt2e*.py may use {pt2e}"


@pytest.mark.parametrize("path", [path for path in SOURCES if part(module_name(path)) in WITHOUT_TORCH], ids=short)
def test_lower_layers_and_the_report_know_no_torch(path: Path) -> None:
    heavy = [name for name in imports(path) if name.split(".")[0] in {"torch", "torchvision", "timm"}]
    assert not heavy, f"{short(path)} imports {heavy}"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", ALL_PYTHON, ids=short)
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {function.name: lines for function in functions if (lines := body_lines(function)) > MAX_FUNCTION_LINES}
    assert not long, f"{short(path)} has long functions: {long}"


@pytest.mark.parametrize("path", ALL_PYTHON, ids=short)
def test_no_grab_bags(path: Path) -> None:
    assert path.stem not in {"utils", "util", "utilities", "helpers", "common", "misc"}


@pytest.mark.parametrize("path", ALL_PYTHON, ids=short)
def test_nothing_is_caught_broadly(path: Path) -> None:
    """No bare ``except`` or ``except Exception``; ``except BaseException`` only if it raises at its end."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"{short(path)}:{node.lineno} catches everything"
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
        raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
        broad = "Exception" in caught or ("BaseException" in caught and not raises_again)
        assert not broad, f"{short(path)}:{node.lineno} catches {caught}"


IMPORT = "import petiole"
HELP = """
import runpy
sys.argv = ["petiole", "--help"]
try:
    runpy.run_module("petiole", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import petiole", "petiole --help"])
def test_the_start_is_light(code: str) -> None:
    program = f"import sys\n{code}\nprint('loaded:', *(m for m in {sorted(HEAVY)} if m in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_readme_maps_the_files() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"src/petiole/[\w/]+\.py", readme))
    there = {short(path) for path in SOURCES}
    modules = {name for name in there if not name.endswith("__init__.py")}
    assert not listed - there, f"the README names files that do not exist: {sorted(listed - there)}"
    assert not modules - listed, f"the README's map lacks {sorted(modules - listed)}"


FOREIGN = re.compile(
    r"""(?<![\w.~}])/(?:root|work|workspace|Users|home/\w+)/  # a path of one machine
    |\bpypi\.org|python[h]osted|--(?:extra-)?index-url  # registries: pip knows its own
    |deb\.debian\.org|archive\.ubuntu\.com""",
    re.VERBOSE,
)


def tracked_files() -> list[Path]:
    """What git tracks or would add; where this is no checkout, every file of the project's own folders."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (FileNotFoundError, subprocess.CalledProcessError):
        tops = ("src", "tests", "benchmarks", "docs", "examples")
        paths = [*ROOT.glob("*.*"), *(path for top in tops for path in (ROOT / top).rglob("*"))]
    return [path for path in paths if path.is_file() and path.suffix != ".pyc"]


def test_no_file_speaks_of_one_machine_or_a_registry() -> None:
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # not text
        found += [f"{short(path)}:{at}: {line}" for at, line in enumerate(lines, 1) if FOREIGN.search(line)]
    assert len(tracked_files()) > 20
    assert not found, "\n".join(found)


def test_the_search_for_machine_paths_itself() -> None:
    slash = "/"
    assert FOREIGN.search(f"{slash}home{slash}ann{slash}data")
    assert FOREIGN.search(f"open('{slash}root{slash}x')")
    assert not FOREIGN.search(f"the network{slash}work{slash}latency of src{slash}home{slash}x")
