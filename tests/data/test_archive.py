"""Archives that try to write elsewhere, or too much, leave nothing; sound ones arrive whole."""

import contextlib
import copy
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petiole.data.archive import extract_zip
from petiole.download import DownloadError
from petiole.errors import PetioleError


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


@pytest.mark.parametrize("name", ["\0name", "."])
def test_a_member_without_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match="has no name"):
        extract_zip(_zip(tmp_path / "a.zip", {name: b"1"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


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


def test_bytes_that_lie_twice_in_an_archive_count_twice(tmp_path: Path) -> None:
    """A bomb whose members share their bytes (Fifield 2019, "A better zip bomb"): each is declared, and counted."""
    archive = _zip(tmp_path / "a.zip", {"one": bytes(1_000_000)})
    with zipfile.ZipFile(archive, "a") as bundle:
        first = bundle.infolist()[0]
        for number in range(9):
            again = copy.copy(first)
            again.filename = f"one{number}"
            bundle.filelist.append(again)
        bundle._didModify = True  # type: ignore[attr-defined]  # so that the list is written again
    with pytest.raises(DownloadError, match="10 files, 10000000 bytes"):
        extract_zip(archive, tmp_path / "out", max_bytes=9_999_999)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(tmp_path: Path, how: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression=how) as bundle:
        bundle.writestr("photo", b"A" * 1000)
    with pytest.raises(DownloadError, match="'photo' is not packed by deflate"):
        extract_zip(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b/c", "a")])
def test_a_member_below_a_file(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = _zip(tmp_path / "a.zip", dict.fromkeys(names, b"1"))
    with pytest.raises(DownloadError, match="lies below a file"):
        extract_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["no zip", "cut", "changed", "encrypted", "declares more"])
def test_a_broken_archive(tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("photo", b"A" * 1000)
    content = archive.read_bytes()
    central = content.index(b"PK\x01\x02")  # in a header, flags lie at byte 6 or 8, the unpacked size at 22 or 24
    more = struct.pack("<I", 1001)
    archive.write_bytes(
        {
            "no zip": b"<html>sign in</html>",
            "cut": content[:500],
            "changed": content.replace(b"AAA", b"AAB", 1),
            "encrypted": content[:6] + b"\1" + content[7 : central + 8] + b"\1" + content[central + 9 :],
            "declares more": content[: central + 24] + more + content[central + 28 :],
        }[damage]
    )
    with pytest.raises(DownloadError, match=r"^a\.zip is not a sound zip archive"):
        extract_zip(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


members = st.lists(
    st.tuples(st.text("ab./\\:\0é", min_size=1, max_size=8), st.sampled_from([0, stat.S_IFREG, stat.S_IFLNK])),
    max_size=4,
)
changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(members=members, changes=changes)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_an_archive_says_nothing_is_written_elsewhere(
    members: list[tuple[str, int]], changes: list[tuple[int, int]]
) -> None:
    """Names of dots, slashes and colons, kinds of files, changed bytes: an error of ours, or plain files."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        with zipfile.ZipFile(top / "a.zip", "w") as bundle:
            for name, kind in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = kind << 16
                bundle.writestr(info, b"content")
        content = bytearray((top / "a.zip").read_bytes())
        for place, byte in changes:
            content[place % len(content)] = byte
        (top / "a.zip").write_bytes(content)
        with contextlib.suppress(PetioleError):
            extract_zip(top / "a.zip", top / "in" / "out", max_bytes=1000)
        assert {path.name for path in top.iterdir()} <= {"a.zip", "in"}
        assert {path.name for path in (top / "in").iterdir()} <= {"out"}
        assert not any(path.is_symlink() for path in top.rglob("*"))
