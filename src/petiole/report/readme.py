"""``Readme.txt``: how the run was made, where each file lies, and how to get each number and graph again."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from petiole import units
from petiole.evidence import REFUSED, groups
from petiole.records import Results, Variant
from petiole.report import compress, summary
from petiole.report.keys import GRAPHS, NUMBERS, SEARCH_NUMBERS
from petiole.report.tables import accuracy
from petiole.search_records import SearchResults
from petiole.writing import write_atomic

README = "Readme.txt"
WIDTH = 100
STATE = "state/"
There = Callable[[str], bool]
"""Whether a file or folder, by its path from ``Readme.txt``, is there."""
NO_CHAPTERS = ("set-up", "timing")
"""Stages that are timed, but cannot be asked for."""

ARTIFACTS = "artifacts/"
FILES = (
    ("report.html", "the whole report; it opens in any browser, without a network"),
    ("report.md", "the same report as text"),
    ("charts/", "its graphs"),
    ("thumbnails/", "its photos"),
    (
        "results.json",
        "every number of the report, or the counts that it comes from; key variants[] has a row for each name, seed "
        "and engine",
    ),
    ("predictions/", "what each variant called each test picture: the paired tests come from these"),
    ("latency/", "the raw timings in ms: batch1.json of one picture, batch32.json of 32"),
    ("latency/lstm.json", "those of the LSTM"),
    (
        ARTIFACTS,
        "a directory for each variant: model.onnx is what was deployed (state.pth, too, of the eager engine), "
        "weights.safetensors the weights in float (training goes on from them, but for networks of quantization-aware "
        "training, whose observers lie there too), weights.sparse a masked network's nonzeros "
        "with a bitmask, artifact.json what its network is",
    ),
    ("split.json", "which photos were for training and which for testing"),
    (STATE, "one file for each finished stage, with which a stopped run goes on, and what it needs to know for that"),
    ("source/", "the source of Petiole that made all this"),
)
DESCRIBED = "a directory for each variant: artifact.json says what its network is; the network itself is not here"
"""Of ``ARTIFACTS`` where they hold no networks."""

SEARCH_FILES = (
    ("chosen.toml", "the recipe of the chosen network"),
    ("recipes/", "the recipe of each candidate; petiole compress DATA --recipe FILE makes its network"),
    ("study.db", "what was tried, for a search that goes on (SQLite)"),
    ("search/", "networks and artifacts of candidates; may be deleted when the search is over"),
    ("networks/", "float networks that the finalists come from"),
)


def write_readme(run_dir: Path, results: Results) -> Path:
    """Write ``Readme.txt`` into the run directory; paths in it are relative to that directory.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    path = run_dir / README
    write_atomic(path, render(run_dir, results))
    return path


def write_search_readme(run_dir: Path, results: SearchResults) -> Path:
    """The same for a search.

    Raises:
        UserError: ``run_dir`` cannot be written.
    """
    sections = [
        _wrapped(compress.title(results)),
        *(_wrapped(f"!!! {banner}") for banner in summary.banners(results)),
        _section("FAILURES", [f"{name}: {why}" for name, why in summary.failures(results)]),
        _section("What was found", compress.findings(results)),
        _section("Data, weights and machine", [f"{name}: {text}" for name, text in summary.facts(results)]),
        _section("How to make it again", compress.again(results)),
        _section("Where each file lies", _files((*SEARCH_FILES, *FILES), results, _beside(run_dir))),
        _section("Each number: its key in results.json", SEARCH_NUMBERS),
        _section("Each graph", _graphs(run_dir)),
    ]
    path = run_dir / README
    write_atomic(path, "\n\n".join(section for section in sections if section) + "\n")
    return path


def render(run_dir: Path, results: Results, there: There | None = None) -> str:
    """The text of ``Readme.txt``; ``there`` tells what lies beside it, where that is not the run directory."""
    there = there or _beside(run_dir)
    sections = [
        _wrapped(summary.TITLE),
        _wrapped(f"Team: {summary.authors(results)}"),
        *(_wrapped(f"!!! {banner}") for banner in summary.banners(results)),
        _section("Data, weights and machine", [f"{name}: {text}" for name, text in summary.facts(results)]),
        _section("How to install it", _installation(there)),
        _section("How to run it again", _commands(results, there)),
        _section("Where each file lies", _files(FILES, results, there)),
        _section("What is not here", _absent(results, there)),
        _section("The networks", _networks(results)),
        _section(
            "Each number: its key in results.json, and what it comes from",
            [f"{what}: {key} (from {source})" for what, key, source in NUMBERS if getattr(results, key, True)],
        ),
        _section("Each graph", _graphs(run_dir)),
    ]
    if results.failures:
        rows = [f"{name}: {why}" for name, why in summary.failures(results)]
        sections.insert(2, _section("FAILURES", rows))
    return "\n\n".join(section for section in sections if section) + "\n"


def _beside(run_dir: Path) -> There:
    return lambda name: (run_dir / name).exists()


def _files(files: Iterable[tuple[str, str]], results: Results, there: There) -> list[str]:
    """Those that are there, with what each is."""
    described = {} if _network(results, there) else {ARTIFACTS: DESCRIBED}
    return [f"{name} - {described.get(name, what)}" for name, what in files if there(name)]


def _network(results: Results, there: There = lambda _: True) -> str | None:
    """The artifact of a network that a person would try: of int8 photo networks that run everywhere the most accurate
    one, as far as there is one."""
    stored = [row for row in results.variants if row.artifact and there(f"{row.artifact}/model.onnx")]
    best = max(stored, key=_appeal, default=None)
    return best.artifact if best else None


def _appeal(row: Variant) -> tuple[bool, bool, bool, float, int]:
    refused = any(gate.startswith(REFUSED) for gate in row.gates)
    return row.dataset == "photos", row.engine == "pt2e", not refused, row.accuracy.value, -row.file_bytes


def _installation(there: There) -> list[str]:
    """How the source that lies beside it becomes the command."""
    if there("source/pyproject.toml"):
        return [
            "The source needs Python 3.11 or newer. With make: cd source; make lab installs it into source/.venv and "
            "runs the whole lab, make test its tests, make docs its documentation (make alone lists them all).",
            "Without make: cd source; python3 -m venv .venv; .venv/bin/pip install .",
            "Afterwards source/.venv/bin/petiole is the command, which is petiole below.",
        ]
    if there("source/"):
        return [
            "source/src/petiole is the package as it was installed, to be read. No copy of the project lay beside it: "
            "its tests, its documentation and pyproject.toml are not here."
        ]
    return []


def _commands(results: Results, there: There) -> list[str]:
    goes_on = "With the same --out a stopped run goes on; with a new one it starts afresh."
    elsewhere = "Folders in it are those of the machine that it was run on."
    lines = [
        f"Everything, as it was run: {results.run.command}",
        "The command petiole is that of .venv/bin, which make lab installs in a copy of the project.",
        f"{goes_on if there(STATE) else elsewhere} The same seed on the same machine gives the same accuracies; times "
        "differ from run to run.",
        "The report from its records, in this directory: petiole report .",
    ]
    if deployed := _network(results, there):
        lines.append(f"What a network says of a photo: petiole predict {deployed} PHOTO")
        lines.append(f"How fast a network is on this machine: petiole bench {deployed}")
    if there(STATE):
        lines.append(
            "To hand in: the same command with --bundle writes hand-in.zip (report, records, this file, the source), "
            "all as it is then. The networks are in it only with --bundle-weights: without them links to model.onnx "
            "lead nowhere in the archive."
        )
    stages = [name for name in dict.fromkeys(stage.name for stage in results.run.stages) if name not in NO_CHAPTERS]
    if stages:
        lines.append(
            f"One part only: the same command with --stages and one or more of {','.join(stages)}, and another --out: "
            "a part does not take the place of the whole."
        )
    versions = ", ".join(f"{name} {version}" for name, version in results.run.machine.versions.items())
    lines.append(f"Made with Petiole {results.run.petiole or '(version not recorded)'}; {versions}.")
    return lines


def _absent(results: Results, there: There) -> list[str]:
    """What a run makes and is not there, with how to get it."""
    lines = []
    network = _network(results)
    if network and not _network(results, there):
        lines = [
            "The networks (model.onnx, weights.safetensors): links to them in report.html lead nowhere. The command "
            "above makes them again. On the finished run itself it only packs them, with --bundle-weights.",
            f"With them, petiole predict {network} PHOTO says what a network calls a photo, and petiole bench "
            f"{network} how fast it is.",
        ]
    if not there(STATE):
        lines.append("What a stopped run goes on with: it stays in the run's own directory.")
    return lines


def _networks(results: Results) -> list[str]:
    rows = []
    for group in groups(results.variants):
        folders = [row.artifact for row in group.rows if row.artifact]
        where = ", ".join(f"{folder}/" for folder in folders) or "no deployable file"
        rows.append(f"{group.label}: {accuracy(group)}, {units.bytes(group.file_bytes)}, {where}")
    return rows


def _graphs(run_dir: Path) -> list[str]:
    """Each graph: what it shows, and the key that it is drawn from."""
    names = sorted(path.name for path in (run_dir / "charts").glob("*.svg"))
    lines = [f"charts/{name} - {_graph(name)}" for name in names]
    return [*lines, "All of them are drawn again from results.json by: petiole report ."] if lines else []


def _graph(name: str) -> str:
    found = next(((what, key) for part, what, key in GRAPHS if part in name), None)
    return f"{found[0]} (from {found[1]})" if found else "drawn from results.json"


def _section(title: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    body = "\n".join(_wrapped(row, "  ") for row in rows)
    return f"{title}\n{'-' * len(title)}\n{body}"


def _wrapped(text: str, indent: str = "") -> str:
    """Lines of at most ``WIDTH`` characters; words are never broken, so that commands and paths stay whole."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  " if indent else "",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
