"""``hand-in.zip``: what of a checkout is in it, and a Readme that names what is there and nothing else."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

import petiole
from fabricated import results, variant
from petiole.records import Results
from petiole.report.bundle import write_bundle
from petiole.report.readme import WIDTH, write_readme

ROOT = Path(__file__).parents[2]
CHECKOUT = (
    "pyproject.toml", "README.md", "Makefile", "CONTRIBUTING.md", "src/petiole/__init__.py", "src/petiole/lab/run.py",
    "tests/test_a.py", "docs/conf.py", "docs/tutorial/index.md", "docs/_static/report.png", "benchmarks/scale.py",
)  # fmt: skip
UNWANTED = (
    "docs/runs/lab/report.md", "docs/build/index.html", "tests/__pycache__/a.py", "tests/.pytest_cache/README.md",
    "benchmarks/net.onnx", "docs/talk.pptx", "notes.md", "runs/lab/report.md", "src/petiole.egg-info/a.py",
)  # fmt: skip


def written(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name, encoding="utf-8")


def run_in(top: Path) -> Path:
    written(top / "mine", "report.html", "report.md", "results.json", "state/s.json", "charts/c3-1-training.svg",
            "artifacts/CNNScratch/artifact.json", "artifacts/CNNScratch/model.onnx")  # fmt: skip
    return top / "mine"


def packed(run: Path, *, of: Results | None = None, weights: bool = False) -> dict[str, str]:
    """What lies in the archive of a run, by its path within the run; of texts what they say."""
    path = write_bundle(run, of or results([variant("CNNScratch", 70)]), weights=weights)
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    assert {name.split("/")[0] for name in texts} == {run.name}
    return {name.partition("/")[2]: text for name, text in texts.items()}


def section(readme: str, title: str) -> str:
    """What stands below a title of a Readme, on one line."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?:\n\n|\Z)", readme, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def source_of(archive: dict[str, str]) -> set[str]:
    return {name.removeprefix("source/") for name in archive if name.startswith("source/")}


def test_a_checkout_is_in_it_without_what_git_ignores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    written(checkout, *CHECKOUT, *UNWANTED)
    (checkout / ".gitignore").write_text("__pycache__/\n.pytest_cache/\nbuild/\nruns/\n*.onnx\n", encoding="utf-8")
    monkeypatch.setattr(petiole, "__file__", str(checkout / "src/petiole/__init__.py"))
    archive = packed(run_in(tmp_path))
    assert source_of(archive) == {*CHECKOUT, ".gitignore"}
    install = section(archive["Readme.txt"], "How to install it")
    assert "cd source; make lab installs it" in install
    assert "cd source; python3 -m venv .venv; .venv/bin/pip install ." in install


@pytest.mark.parametrize("place", ["lib/python/site-packages", "elsewhere/src"])
def test_an_installed_package_is_in_it_alone(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / place, "petiole/__init__.py", "petiole/report/report.css", "petiole/a.so", "other/b.py")
    written(tmp_path / place, "../docs/index.md", "../tests/a.py", "../README.md")
    monkeypatch.setattr(petiole, "__file__", str(tmp_path / place / "petiole/__init__.py"))
    archive = packed(run_in(tmp_path))
    assert source_of(archive) == {"src/petiole/__init__.py", "src/petiole/report/report.css"}
    install = section(archive["Readme.txt"], "How to install it")
    assert "its tests, its documentation and pyproject.toml are not here" in install
    assert "make" not in install


def test_every_file_of_this_project_is_in_it(tmp_path: Path) -> None:
    """By git's own word: all that it tracks, and nothing that it ignores."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    tracked = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")
    ignored = subprocess.run(
        [*git, "--others", "--ignored", "--exclude-standard", "src", "tests", "docs", "benchmarks"],
        capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    names = source_of(packed(run_in(tmp_path)))
    assert {name for name in tracked if name and (ROOT / name).is_file()} <= names
    assert not names & set(ignored)


def test_the_links_of_its_readme_lead_somewhere(tmp_path: Path) -> None:
    archive = packed(run_in(tmp_path))
    names, readme = source_of(archive), archive["source/README.md"]
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link]
    assert {"CONTRIBUTING.md", "CHANGELOG.md", "docs/log.md", "docs/_static/report.png"} <= set(links)
    assert set(links) <= names


def test_the_readme_in_it_names_only_what_is_there(tmp_path: Path) -> None:
    archive = packed(run_in(tmp_path))
    readme = archive["Readme.txt"]
    assert max(map(len, readme.splitlines())) <= WIDTH
    listed = re.findall(r"(\S+) - ", section(readme, "Where each file lies"))
    assert listed == ["report.html", "report.md", "charts/", "results.json", "artifacts/", "source/"]
    assert all(any(name.startswith(each) for name in archive) for each in listed)
    absent = section(readme, "What is not here")
    rest = readme.replace(re.findall(r"^What is not here\n(?:.+\n)+", readme, re.MULTILINE)[0], "")
    for told in ("petiole predict", "petiole bench", "model.onnx", "weights.safetensors", "--bundle-weights"):
        assert told in absent
        assert told not in rest
    assert "stopped run goes on" not in rest
    assert "thumbnails/" not in readme


def test_with_the_networks_its_readme_says_what_to_do_with_them(tmp_path: Path) -> None:
    archive = packed(run_in(tmp_path), weights=True)
    readme = archive["Readme.txt"]
    assert archive["artifacts/CNNScratch/model.onnx"] == "artifacts/CNNScratch/model.onnx"
    assert "petiole predict artifacts/CNNScratch PHOTO" in section(readme, "How to run it again")
    assert "model.onnx is what was deployed" in section(readme, "Where each file lies")
    absent = section(readme, "What is not here")
    assert absent == "What a stopped run goes on with: it stays in the run's own directory."


def test_the_readme_of_the_run_itself_stays_as_it_is(tmp_path: Path) -> None:
    """In the run directory everything is there: what was left out of the archive does not concern it."""
    run = run_in(tmp_path)
    before = write_readme(run, results([variant("CNNScratch", 70)])).read_text(encoding="utf-8")
    assert packed(run)["Readme.txt"] != before
    assert (run / "Readme.txt").read_text(encoding="utf-8") == before
    assert "What is not here" not in before
    assert "state/ - " in before
    assert "source/" not in before
    assert "petiole lab --out runs/madeup" in before
    assert "with --bundle writes hand-in.zip" in section(before, "How to run it again")
