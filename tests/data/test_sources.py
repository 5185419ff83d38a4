"""Where the photos come from: each source is taken in its turn, and says why."""

import hashlib
import io
import os
import re
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from petiole.cache import cache_dir
from petiole.data import sources, synthetic
from petiole.data.archive import extract_zip
from petiole.data.folder import check
from petiole.data.sources import PhotoSource, draw, hymenoptera
from petiole.download import new_folder
from petiole.errors import UserError


def _archive() -> bytes:
    """A little archive with the layout of the official one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for split, label, number in ((s, c, n) for s in ("train", "val") for c in ("ants", "bees") for n in range(2)):
            photo = io.BytesIO()
            Image.new("RGB", (8, 8), (number * 50, 100, 200)).save(photo, "PNG")
            bundle.writestr(f"hymenoptera_data/{split}/{label}/{number}.png", photo.getvalue())
    return buffer.getvalue()


ARCHIVE = _archive()
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture
def url(serve: Callable[[dict[str, bytes]], str]) -> str:
    return serve({"photos.zip": ARCHIVE}) + "/photos.zip"


class Drawing:
    """Stands in for the generator: notes what was asked for, writes one file."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []

    def generate(self, root: Path, *, seed: int, train_images: int, test_images: int, progress: bool = False) -> None:
        self.asked.append((seed, train_images, test_images))
        (root / "train").mkdir()


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    stand_in = Drawing()
    monkeypatch.setattr(synthetic, "generate", stand_in.generate)
    return stand_in


def test_the_users_folder_comes_first(tmp_path: Path, drawing: Drawing) -> None:
    folder = tmp_path / "garden"
    found = hymenoptera(data=folder, offline=True, fallback=tmp_path)
    assert found == PhotoSource(root=folder, source="garden", synthetic=False, note="")
    named = hymenoptera(data=tmp_path / "hymenoptera_data", offline=True, fallback=tmp_path)
    assert named.source == "hymenoptera"
    assert drawing.asked == []


def test_two_processes_may_download_at_once(
    url: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is about to unpack its archive, another one downloads, unpacks and ends."""
    archives: list[Path] = []

    def another_first(archive: Path, target: Path) -> None:
        archives.append(archive)
        if len(archives) == 1:
            assert hymenoptera(data=None, offline=False, fallback=tmp_path, url=url, sha256=SHA256).note == "downloaded"
        extract_zip(archive, target)

    monkeypatch.setattr(sources, "extract_zip", another_first)
    found = hymenoptera(data=None, offline=False, fallback=tmp_path, url=url, sha256=SHA256)
    assert (found.note, found.synthetic) == ("downloaded", False)
    assert archives[0] != archives[1]
    assert [path.name for path in cache.iterdir()] == ["hymenoptera"]


def test_what_killed_processes_left_in_the_cache_is_cleared_away_after_a_day(cache: Path) -> None:
    """Only what ends as Petiole's unfinished files do."""
    stale = [".hymenoptera.abcd1234.unfinished", ".resnet18.pth.abcd1234.unfinished"]
    young, theirs = ".download.abcd1234.unfinished", [".notes.unfinished", ".git", "a.abcd1234.unfinished"]
    for name in (*stale, young, *theirs):
        (cache / name).mkdir(parents=True)
        (cache / name / "half.jpg").touch()
        os.utime(cache / name, (0, time.time() - (3600 if name == young else 25 * 3600)))
    file = cache / ".list.json.abcd1234.unfinished"
    file.touch()
    os.utime(file, (0, 0))
    assert cache_dir() == cache
    assert {path.name for path in cache.iterdir()} == {young, *theirs}


def test_a_download_clears_what_was_to_get_its_name(tmp_path: Path) -> None:
    """Wherever it goes, such as among torch's weights."""
    left, others = tmp_path / ".made[1].abcd1234.unfinished", tmp_path / ".other.abcd1234.unfinished"
    for path in (left, others):
        path.touch()
        os.utime(path, (0, 0))
    with new_folder(tmp_path / "made[1]") as fresh:
        assert re.fullmatch(r"\.made\[1\]\..{8}\.unfinished", fresh.name)
    assert {path.name for path in tmp_path.iterdir()} == {"made[1]", others.name}


def test_the_archive_is_downloaded_once(url: str, cache: Path, tmp_path: Path, drawing: Drawing) -> None:
    found = hymenoptera(data=None, offline=False, fallback=tmp_path, url=url, sha256=SHA256)
    root = cache / "hymenoptera" / "hymenoptera_data"
    assert found == PhotoSource(root=root, source="hymenoptera", synthetic=False, note="downloaded")
    assert (check(root, seed=0).train, check(root, seed=0).test) == (4, 4)
    assert [path.name for path in cache.iterdir()] == ["hymenoptera"]
    again = hymenoptera(data=None, offline=True, fallback=tmp_path)
    assert again == PhotoSource(root=root, source="hymenoptera", synthetic=False, note="from the cache")
    assert drawing.asked == []


def test_a_wrong_archive_is_not_used(url: str, cache: Path, tmp_path: Path, drawing: Drawing) -> None:
    found = hymenoptera(data=None, offline=False, fallback=tmp_path, url=url, sha256="0" * 64)
    assert found.synthetic
    assert found.source == "synthetic"
    assert "has sha256" in found.note
    assert list(cache.iterdir()) == [found.root]


def test_without_a_server_the_photos_are_drawn(closed_url: str, cache: Path, tmp_path: Path, drawing: Drawing) -> None:
    found = hymenoptera(data=None, offline=False, fallback=tmp_path, url=f"{closed_url}/a.zip")
    assert found.synthetic
    assert "cannot be reached" in found.note
    assert found.root.parent == cache
    assert drawing.asked == [(0, 245, 153)]


def test_offline_draws_and_reuses(tmp_path: Path, drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)  # any use of it would fail
    first = hymenoptera(data=None, offline=True, seed=3, fallback=tmp_path)
    assert "--offline" in first.note
    assert hymenoptera(data=None, offline=True, seed=3, fallback=tmp_path) == first
    assert drawing.asked == [(3, 245, 153)]
    other = hymenoptera(data=None, offline=True, seed=4, fallback=tmp_path)
    assert other.root != first.root
    assert drawing.asked == [(3, 245, 153), (4, 245, 153)]


@pytest.mark.parametrize(("count", "train", "test"), [(398, 245, 153), (8, 5, 3), (1000, 616, 384)])
def test_the_number_of_drawn_photos(tmp_path: Path, drawing: Drawing, count: int, train: int, test: int) -> None:
    hymenoptera(data=Path("synthetic"), offline=False, synthetic_count=count, fallback=tmp_path)
    assert drawing.asked == [(0, train, test)]
    assert train + test == count


def test_the_word_synthetic_passes_over_the_real_photos(
    url: str, cache: Path, tmp_path: Path, drawing: Drawing
) -> None:
    hymenoptera(data=None, offline=False, fallback=tmp_path, url=url, sha256=SHA256)
    found = hymenoptera(data=Path("synthetic"), offline=False, fallback=tmp_path)
    assert found.synthetic
    assert "as asked for" in found.note


def test_another_generator_draws_anew(tmp_path: Path, drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hymenoptera(data=None, offline=True, fallback=tmp_path)
    monkeypatch.setattr(sources, "GENERATOR", (synthetic,))
    second = hymenoptera(data=None, offline=True, fallback=tmp_path)
    assert first.root != second.root
    assert len(drawing.asked) == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path / "file" / "cache"))
    found = hymenoptera(data=None, offline=True, fallback=tmp_path / "run")
    assert found.root.parent == tmp_path / "run"
    with pytest.raises(UserError, match=r"download .*: name another folder"):
        hymenoptera(data=None, offline=True, seed=1, fallback=tmp_path / "file" / "run")


def test_drawing_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: Path, **_: object) -> None:
        (root / "half").write_bytes(b"")
        raise InterruptedError

    monkeypatch.setattr(synthetic, "generate", fail)
    with pytest.raises(InterruptedError):
        draw(tmp_path / "drawn")
    assert not list(tmp_path.iterdir())


def test_drawn_photos_are_synthetic_wherever_they_are_opened(tmp_path: Path) -> None:
    draw(tmp_path / "innocent", count=8)
    record = check(tmp_path / "innocent", seed=0)
    assert (record.synthetic, record.source) == (True, "synthetic")
    assert (record.train, record.test, record.skipped) == (5, 3, [])
    found = hymenoptera(data=tmp_path / "innocent", offline=True, fallback=tmp_path)
    assert found.synthetic


@pytest.mark.parametrize(("count", "why"), [(7, "ask for 8 or more"), (8, "already there")])
def test_photos_that_cannot_be_drawn(tmp_path: Path, count: int, why: str) -> None:
    target = tmp_path if count == 8 else tmp_path / "new"
    with pytest.raises(UserError, match=why):
        draw(target, count=count)
    assert not list(tmp_path.iterdir())
