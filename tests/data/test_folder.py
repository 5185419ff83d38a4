"""Photo folders: layouts, what is skipped and why, what is refused, splits, duplicates."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petiole import records
from petiole.data.folder import PhotoData, check, open_photos
from petiole.errors import UserError


def _photo(path: Path, number: int, size: tuple[int, int] = (12, 8)) -> Path:
    """A small PNG; each number gives other pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _photos(root: Path, counts: dict[str, int]) -> Path:
    """``counts`` photos in each folder below ``root``, all different."""
    number = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            _photo(root / folder / f"{index:02d}.png", number)
            number += 1
    return root


def _open(root: Path, *, seed: int = 0, split_file: Path | None = None) -> PhotoData:
    return open_photos(root, source="test", synthetic=False, seed=seed, split_file=split_file, short_side=8)


SPLIT = {"train/ants": 3, "train/bees": 2, "val/ants": 1, "val/bees": 2}


@pytest.mark.parametrize("first", ["train", "Training"])
@pytest.mark.parametrize("second", ["val", "valid", "validation", "test", "Test"])
def test_two_splits(tmp_path: Path, first: str, second: str) -> None:
    named = {name.replace("train", first).replace("val", second): n for name, n in SPLIT.items()}
    data = _open(_photos(tmp_path, named))
    assert data.train.paths == tuple(
        f"{first}/{p}" for p in ("ants/00.png", "ants/01.png", "ants/02.png", "bees/00.png", "bees/01.png")
    )
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test.paths == tuple(f"{second}/{p}" for p in ("ants/00.png", "bees/00.png", "bees/01.png"))
    assert data.test.labels.tolist() == [0, 1, 1]
    assert data.record == records.Photos(
        source="test", synthetic=False, train=5, test=3, classes=["ants", "bees"], digest=data.digest,
        train_by_class={"ants": 3, "bees": 2}, test_by_class={"ants": 1, "bees": 2},
    )  # fmt: skip


def test_pictures_lie_beside_their_own_labels(tmp_path: Path) -> None:
    data = _open(_photos(tmp_path, SPLIT))
    for split in (data.train, data.test):
        assert len(split.pixels) == len(split.labels) == len(split.paths)
        for index, path in enumerate(split.paths):
            with Image.open(tmp_path / path) as image:
                assert np.array_equal(split.pixels[index].permute(1, 2, 0).numpy(), np.asarray(image))
            assert data.record.classes[split.labels[index]] == path.split("/")[1]


def test_a_third_split_is_left_alone(tmp_path: Path) -> None:
    data = _open(_photos(tmp_path, SPLIT | {"test/ants": 4, "test/bees": 4}))
    assert (data.record.train, data.record.test) == (5, 8)
    assert data.record.note == "val not used: test is the test split"


def test_train_may_be_a_class(tmp_path: Path) -> None:
    data = _open(_photos(tmp_path, {"train": 5, "bus": 5}))
    assert data.record.classes == ["bus", "train"]
    assert (data.record.train, data.record.test) == (8, 2)


def test_class_folders_may_hold_folders(tmp_path: Path) -> None:
    data = _open(_photos(tmp_path, SPLIT | {"train/ants/red/wood": 2}))
    assert data.record.train_by_class == {"ants": 5, "bees": 2}
    assert "train/ants/red/wood/01.png" in data.train.paths


# --- flat folders

FLAT = {"ants": 10, "bees": 20, "wasps": 3}


def test_a_flat_folder_gets_a_stratified_split(tmp_path: Path) -> None:
    data = _open(_photos(tmp_path, FLAT))
    assert data.record.test_by_class == {"ants": 2, "bees": 4, "wasps": 1}
    assert data.record.train_by_class == {"ants": 8, "bees": 16, "wasps": 2}
    assert not set(data.train.paths) & set(data.test.paths)
    assert _open(tmp_path).test.paths == data.test.paths
    assert any(_open(tmp_path, seed=seed).test.paths != data.test.paths for seed in (1, 2, 3))


def test_the_split_is_stored_and_read_back(tmp_path: Path) -> None:
    root, split_file = _photos(tmp_path / "photos", FLAT), tmp_path / "run" / "split.json"
    first = _open(root, seed=1, split_file=split_file)
    stored = json.loads(split_file.read_text())
    assert stored["train"] == dict(sorted(zip(first.train.paths, first.train.sha256, strict=True)))
    assert stored["test"] == dict(sorted(zip(first.test.paths, first.test.sha256, strict=True)))
    moved = {"seed": 1, "train": stored["test"], "test": stored["train"]}
    split_file.write_text(json.dumps(moved))
    assert _open(root, seed=1, split_file=split_file).test.paths == first.train.paths


def test_a_stored_split_of_other_photos_is_refused(tmp_path: Path) -> None:
    root, split_file = _photos(tmp_path / "photos", FLAT), tmp_path / "split.json"
    _open(root, split_file=split_file)
    _photo(root / "ants" / "new.png", 999)
    with pytest.raises(UserError, match="are not those"):
        _open(root, split_file=split_file)
    split_file.write_text("{")
    with pytest.raises(UserError, match="not a stored split"):
        _open(root, split_file=split_file)


def test_a_folder_with_splits_stores_none(tmp_path: Path) -> None:
    _open(_photos(tmp_path / "photos", SPLIT), split_file=tmp_path / "split.json")
    assert not (tmp_path / "split.json").exists()


def test_copies_stay_on_one_side_of_a_flat_split(tmp_path: Path) -> None:
    for number in range(6):
        for copy in "abc":
            _photo(tmp_path / "ants" / f"{number}{copy}.png", number)
            _photo(tmp_path / "bees" / f"{number}{copy}.png", 100 + number)
    for seed in range(5):
        data = _open(tmp_path, seed=seed)
        assert data.record.duplicates == []
        assert set(Counter(path[:6] for path in data.test.paths).values()) == {3}
        assert data.record.test == 12, "a fifth of 18 is 4: two groups of three in each class"


def test_copies_of_one_picture_cannot_be_split(tmp_path: Path) -> None:
    for copy in "abcd":
        _photo(tmp_path / "ants" / f"{copy}.png", 1)
    _photos(tmp_path, {"bees": 4})
    with pytest.raises(UserError, match="all pictures of class ants are the same"):
        _open(tmp_path)


def test_copies_across_splits_or_labels_are_reported(tmp_path: Path) -> None:
    _photos(tmp_path, SPLIT)
    _photo(tmp_path / "val/ants/copy.png", 0)  # train/ants/00.png
    _photo(tmp_path / "train/bees/copy.png", 1)  # train/ants/01.png
    _photo(tmp_path / "train/ants/twice.png", 2)  # a copy within one class of one split is none of ours
    assert (record := _open(tmp_path).record).duplicates == [["train/ants/00.png", "val/ants/copy.png"]]
    assert record.contradictions == [["train/ants/01.png", "train/bees/copy.png"]]


# --- what is skipped


def test_skipped_files_are_listed_with_the_reason(tmp_path: Path) -> None:
    _photos(tmp_path, SPLIT)
    ants = tmp_path / "train/ants"
    (ants / "notes.txt").write_text("seen on Monday")
    (ants / "empty.jpg").write_bytes(b"")
    (ants / "cut.png").write_bytes((ants / "00.png").read_bytes()[:-60])
    _photo(ants / "photo_unavailable.png", 77)
    (tmp_path / "README.md").write_text("ants and bees")
    (tmp_path / "val" / "list.csv").write_text("1,2")
    (ants / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (ants / "round").symlink_to(tmp_path)
    os.mkfifo(ants / "pipe.png")
    found = {skip.path: skip.why for skip in _open(tmp_path).record.skipped}
    assert found.pop("train/ants/photo_unavailable.png").startswith("a placeholder, not a photo: its name")
    assert found.pop("train/ants/cut.png").startswith("broken picture (")
    assert found == {
        "train/ants/empty.jpg": "empty file",
        "train/ants/notes.txt": "not a picture that can be read",
        "train/ants/lost.png": "not a file (a broken link, or a device)",
        "train/ants/pipe.png": "not a file (a broken link, or a device)",
        "train/ants/round": "a link to a folder",
        "val/list.csv": "not in a class folder",
    }


def test_what_systems_leave_behind_is_ignored(tmp_path: Path) -> None:
    _photos(tmp_path, SPLIT)
    for name in (
        "train/ants/Thumbs.db",
        "train/.DS_Store",
        "train/ants/.hidden.png",
        "__MACOSX/train/x",
        "val/.ipynb_checkpoints/y",
        "train/bees/desktop.ini",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"x")
    record = _open(tmp_path).record
    assert record.skipped == []
    assert record.classes == ["ants", "bees"]


def test_names_that_are_not_text_can_be_recorded(tmp_path: Path) -> None:
    _photos(tmp_path, SPLIT)
    name = os.fsencode(tmp_path / "train/ants") + b"/\xff.txt"
    with open(name, "wb") as file:
        file.write(b"x")
    record = _open(tmp_path).record
    assert [skip.path for skip in record.skipped] == ["train/ants/\\xff.txt"]
    assert r"\\xff.txt" in records.to_json(record)


# --- what is refused


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({"ants": 5}, "only one class (ants)"),
        ({"hymenoptera/train/ants": 5, "hymenoptera/val/ants": 5}, "did you mean"),
        ({"train/ants": 5, "val/ants": 5}, "only one class (ants)"),
        (
            {"train/ants": 5, "train/bees": 5, "val/ants": 5, "val/wasps": 5},
            "only in train: bees; only in val: wasps",
        ),
        ({"train/ants": 5, "train/bees": 5, "val/ants": 5}, "(only in train: bees)"),
        ({"train/ants": 5, "train/bees": 5}, "has train but no val or test folder"),
        ({"val/ants": 5, "val/bees": 5}, "has val but no train folder"),
        ({"train": 5, "val": 5}, "train, val in"),
        ({"": 5}, "no class folders"),
        ({"ants": 0, "bees": 0}, "no usable pictures in"),
        ({"ants": 5, "bees": 0}, "class bees in"),
        ({"ants": 5, "bees": 2}, "only 2 usable pictures: at least 3 are needed"),
        (
            {"train/ants": 5, "train/bees": 1, "val/ants": 1, "val/bees": 1},
            "class bees of the train split in",
        ),
        ({"train/ants": 5, "train/bees": 2, "val/ants": 1, "val/bees": 0}, "class bees of the test split in"),
    ],
)
def test_folders_that_nothing_can_be_learned_from(tmp_path: Path, counts: dict[str, int], why: str) -> None:
    with pytest.raises(UserError) as caught:
        _open(_photos(tmp_path, counts))
    assert why in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_class_of_broken_pictures_says_how_many_and_why(tmp_path: Path) -> None:
    _photos(tmp_path, {"ants": 5, "bees": 1})
    for index in range(4):
        (tmp_path / "bees" / f"x{index}.jpg").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        _open(tmp_path)
    assert "only 1 usable pictures (4 files skipped, first bees/x0.jpg: empty file; " in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        _open(tmp_path / "none")
    with pytest.raises(UserError, match="is not a folder"):
        _open(_photo(tmp_path / "a.png", 0))


# --- checking, and the real photos


def test_check_finds_the_same_and_writes_nothing(tmp_path: Path) -> None:
    _photos(tmp_path / "garden", FLAT)
    before = sorted(tmp_path.rglob("*"))
    record = check(tmp_path / "garden", seed=0)
    assert record == _open(tmp_path / "garden").record.model_copy(update={"source": "garden"})
    assert sorted(tmp_path.rglob("*")) == before


def test_progress_is_shown_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _photos(tmp_path, FLAT)
    check(tmp_path, seed=0, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "checking the photos" in shown.err
    check(tmp_path, seed=0)
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_hymenoptera(real_photos: Path) -> None:
    data = open_photos(real_photos, source="hymenoptera", synthetic=False, seed=0)
    assert (data.record.train, data.record.test) == (244, 153)
    assert data.record.train_by_class == {"ants": 123, "bees": 121}
    assert data.record.test_by_class == {"ants": 70, "bees": 83}
    assert [skip.path for skip in data.record.skipped] == ["train/ants/imageNotFound.gif"]
    assert "placeholder" in data.record.skipped[0].why
    assert data.record.duplicates == []
    assert {min(size) for split in (data.train, data.test) for size in split.pixels.sizes} == {256}
