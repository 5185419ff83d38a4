"""The hand-in: one archive of a run's report, records, Readme and of the source that made them."""

import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import petiole
from petiole.records import Results
from petiole.report.provenance import is_plain, is_within
from petiole.report.readme import README, render
from petiole.writing import atomic_file

NAME = "hand-in.zip"
FILES = ("report.html", "report.md", "results.json", "split.json")
FOLDERS = ("charts", "thumbnails")
PROJECT = (
    "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "Makefile", ".gitignore", ".ci/run",
)  # fmt: skip
PARTS = ("tests", "benchmarks", "docs")
SOURCES = (".py", ".html", ".css", ".js", ".typed", ".md", ".svg", ".png")
CARD = "artifact.json"
MADE = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive, so that the same run gives the same archive."""


def write_bundle(run_dir: Path, results: Results, *, weights: bool) -> Path:
    """Write ``hand-in.zip`` into the run directory; with ``weights`` the artifacts are in it as a whole, without them
    only their descriptions.

    Raises:
        UserError: the directory cannot be written, or has too little space.
    """
    path = run_dir / NAME
    sources = dict((*_run(run_dir, results, weights=weights), *_source()))
    folders = {f"{folder}/" for name in sources for folder in PurePosixPath(name).parents}
    readme = render(run_dir, results, (sources.keys() | folders).__contains__)
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside in sorted({README, *sources}):
            info = zipfile.ZipInfo(f"{run_dir.resolve().name}/{inside}", MADE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, readme if inside == README else sources[inside].read_bytes())
    return path


def _run(run_dir: Path, results: Results, *, weights: bool) -> Iterator[tuple[str, Path]]:
    """What the records name, and what was made of them: names in the archive, and files. What an earlier run with
    other data or stages has left in the directory stays out."""
    found = {run_dir / name for name in FILES}
    found |= {path for folder in FOLDERS for path in (run_dir / folder).glob("*")}
    raw = results.demos.get("lstm", {}).get("raw_file")
    found |= {run_dir / raw} if raw and is_plain(raw) else set()
    for row in results.variants:
        named = (row.predictions, *(time.raw_file for time in row.latency))
        found |= {run_dir / name for name in named if name and is_plain(name)}
        if row.artifact and is_plain(row.artifact):
            found |= set((run_dir / row.artifact).rglob("*" if weights else CARD))
    for path in found:
        name = path.relative_to(run_dir)
        if is_within(run_dir, path) and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path


def _source() -> Iterator[tuple[str, Path]]:
    """The package as it is installed and, where it is a checkout, what lies beside it: all that its README.md and its
    Makefile name, and nothing that git ignores."""
    package = Path(petiole.__file__).parent
    root = package.parents[1]
    for path in _texts(package):
        yield f"source/src/petiole/{path.relative_to(package).as_posix()}", path
    if not ((root / "pyproject.toml").is_file() and package.parent.name == "src"):
        return
    ignored = (root / ".gitignore").read_text(encoding="utf-8").split() if (root / ".gitignore").is_file() else ()
    beside = [path for part in PARTS for path in _texts(root / part, ignored)]
    for path in (*beside, *(root / name for name in PROJECT)):
        if path.is_file():
            yield f"source/{path.relative_to(root).as_posix()}", path


def _texts(folder: Path, ignored: Sequence[str] = ()) -> Iterator[Path]:
    """The sources below a folder, without those of which git ignores the file or a folder, by its plain name."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        is_ignored = any(fnmatch(part, name.rstrip("/")) for part in parts for name in ignored)
        if path.suffix in SOURCES and path.is_file() and not is_ignored:
            yield path
