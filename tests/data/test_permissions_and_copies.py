"""Folders that not all of may be read, photos that lie in several places, and very many classes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gardens import garden, photo, two_splits
from petiole import api
from petiole.data.folder import open_photos
from petiole.errors import UserError

NOBODY = 65534

# --- permissions


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A folder ``photos`` to work in by its relative path; who calls this loses root's power to read everything."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    garden(Path("photos"))
    is_root = os.geteuid() == 0

    yield lambda: os.seteuid(NOBODY) if is_root else None

    if is_root:
        os.seteuid(0)
    for path in tmp_path.rglob("*"):
        path.chmod(0o755)


def test_a_photo_without_permission_is_skipped(person: Callable[[], None]) -> None:
    photo(Path("photos/ants/secret.png"), 100)
    Path("photos/ants/secret.png").chmod(0)
    person()
    record = api.check(Path("photos"))
    assert [(skip.path, skip.why) for skip in record.skipped] == [
        ("ants/secret.png", "cannot be read (Permission denied)")
    ]
    assert record.train + record.test == 6


def test_a_folder_without_permission_inside_of_a_class_is_skipped(person: Callable[[], None]) -> None:
    photo(Path("photos/ants/red/a.png"), 100)
    Path("photos/ants/red").chmod(0)
    person()
    (skip,) = api.check(Path("photos")).skipped
    assert (skip.path, skip.why) == ("ants/red", "a folder that cannot be read (Permission denied)")


@pytest.mark.parametrize("folder", ["photos", "photos/ants"])
@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["closed", "names only"])
def test_a_class_without_permission_is_told(folder: str, mode: int, person: Callable[[], None]) -> None:
    """A class that nobody sees would be a silent gap."""
    Path(folder).chmod(mode)
    person()
    with pytest.raises(UserError, match=rf"^{folder} cannot be read \(Permission denied\): mend that, or move it away"):
        api.check(Path("photos"))


# --- copies


def test_a_photo_under_two_labels_is_named_and_never_judges(tmp_path: Path) -> None:
    """Of 5 photos of each class one is shared: of the 4 others one is for testing (a fifth of 5), in every split."""
    for seed in range(8):
        root = tmp_path / str(seed)
        garden(root, count=4)
        photo(root / "ants/same.png", 500)
        photo(root / "bees/other.png", 500)
        data = open_photos(root, source="", synthetic=False, seed=seed, short_side=8)
        assert data.record.contradictions == [["ants/same.png", "bees/other.png"]]
        assert data.record.duplicates == []
        assert {"ants/same.png", "bees/other.png"} <= set(data.train.paths)
        assert data.record.test_by_class == {"ants": 1, "bees": 1}


def test_a_photo_in_both_splits_is_named(tmp_path: Path) -> None:
    two_splits(tmp_path)
    photo(tmp_path / "train/ants/same.png", 500)
    photo(tmp_path / "val/bees/same.png", 500)
    record = api.check(tmp_path)
    assert record.duplicates == record.contradictions == [["train/ants/same.png", "val/bees/same.png"]]


# --- many classes


def test_ten_thousand_classes(tmp_path: Path) -> None:
    """Three photos each: two for training, one for testing."""
    for label in range(10_000):
        folder = tmp_path / f"{label:05}"
        folder.mkdir()
        for at in range(3):
            content = b"P6 1 1 255\n" + (3 * label + at).to_bytes(3, "big")
            (folder / f"{at}.ppm").write_bytes(content)
    record = api.check(tmp_path)
    assert (record.train, record.test, len(record.classes)) == (20_000, 10_000, 10_000)
    assert set(record.test_by_class.values()) == {1}


def test_a_sentence_about_many_classes_is_short(tmp_path: Path) -> None:
    for split, count in (("train", 1000), ("val", 10)):
        for label in range(count):
            (tmp_path / split / f"{label:04}").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        api.check(tmp_path)
    assert "(only in train: 0010, 0011, 0012, 0013, 0014 and 985 more)" in str(caught.value)
