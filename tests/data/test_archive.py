"""Archives that try to write elsewhere, or too much, leave nothing; sound ones arrive whole."""

import stat
import zipfile
from pathlib import Path

import pytest

from petiole.data.archive import extract_zip
from petiole.download import DownloadError


def _zip(path: Path, members: dict[str, bytes], *, link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK if link else stat.S_IFREG) << 16
            bundle.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)
    return path


def test_a_sound_archive(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"top/": b"", "top/ants/1.jpg": b"one", "top/2.jpg": b"two"})
    extract_zip(archive, tmp_path / "out")
    assert (tmp_path / "out/top/ants/1.jpg").read_bytes() == b"one"
    assert (tmp_path / "out/top/2.jpg").read_bytes() == b"two"
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "out"}


@pytest.mark.parametrize("name", ["../evil", "top/../../evil", "/evil", "..\\evil", "C:\\evil", "top\\..\\..\\evil"])
def test_a_member_that_leads_outside(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    archive = _zip(tmp_path / "a.zip", {"good": b"1", name: b"2"})
    with pytest.raises(DownloadError, match="leads outside"):
        extract_zip(archive, inside / "out")
    assert not list(inside.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "inside"}


def test_a_link(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"link": b"../elsewhere"}, link=True)
    with pytest.raises(DownloadError, match="is a link"):
        extract_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bombs(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"zeros": bytes(1_000_000), "more": b"1"})
    assert archive.stat().st_size < 10_000
    with pytest.raises(DownloadError, match="2 files, 1000001 bytes"):
        extract_zip(archive, tmp_path / "out", max_bytes=1_000_000)
    with pytest.raises(DownloadError, match="too large"):
        extract_zip(archive, tmp_path / "out", max_files=1)
    extract_zip(archive, tmp_path / "out", max_bytes=1_000_001, max_files=2)


@pytest.mark.parametrize("damage", ["no zip", "cut", "changed"])
def test_a_broken_archive(tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("photo", b"A" * 1000)
    content = archive.read_bytes()
    archive.write_bytes(
        {
            "no zip": b"<html>sign in</html>",
            "cut": content[:500],
            "changed": content.replace(b"AAA", b"AAB", 1),
        }[damage]
    )
    with pytest.raises(DownloadError, match="not a sound zip archive"):
        extract_zip(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
