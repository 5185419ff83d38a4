"""Folders of all kinds: what systems leave behind, links, names, classes that do not fit."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from gardens import garden, photo, two_splits
from petiole import api
from petiole.errors import UserError


def left_behind(*names: str) -> Callable[[Path], None]:
    """A folder with photos where systems leave things."""

    def make(root: Path) -> None:
        garden(root)
        for number, name in enumerate(names):
            photo(root / name, 1000 + number)

    return make


def nested(root: Path) -> None:
    """Bees in the folder of ants; ants in ants, which is clear; and a folder that is no class."""
    garden(root)
    photo(root / "ants/bees/a.png", 100)
    photo(root / "ants/bees/b.png", 101)
    photo(root / "ants/ants/c.png", 102)
    photo(root / "ants/red/d.png", 103)


def link_round(root: Path) -> None:
    """A class that is a link to the whole."""
    garden(root)
    (root / "all").symlink_to(root)


def links_within(root: Path) -> None:
    """Links round in a circle inside of a class, and one out of it."""
    garden(root)
    (root / "ants/again").symlink_to(".")
    (root / "ants/up").symlink_to("..")
    (root / "ants/others").symlink_to("../bees")


def linked_class(root: Path) -> None:
    """A class whose photos lie elsewhere."""
    garden(root, "ants", ".elsewhere/bees")
    (root / "bees").symlink_to(".elsewhere/bees")


def beside_classes(root: Path) -> None:
    garden(root)
    (root / "labels.csv").write_text("1,2")
    (root / "gone").symlink_to("nowhere")
    (root / "self").symlink_to("self")


def two_writings(root: Path) -> None:
    """The same two words, as Linux and as a Macintosh write them."""
    garden(root, "train/bees", "train/" + unicodedata.normalize("NFC", "abeille_mellifère"))
    garden(root, "val/bees", "val/" + unicodedata.normalize("NFD", "abeille_mellifère"))


def not_text(root: Path) -> None:
    garden(root, "ants", os.fsdecode(b"bees\xff"))


def deep(root: Path) -> None:
    """A photo 500 folders down."""
    garden(root)
    photo(root / "ants" / Path(*["d"] * 500) / "deep.png", 100)


USABLE: list[tuple[str, Callable[[Path], None], int, dict[str, str]]] = [
    ("hidden", left_behind(".ipynb_checkpoints/a.png", "ants/.ipynb_checkpoints/a.png", "ants/.a.png"), 6, {}),
    ("of a Macintosh", left_behind("__MACOSX/ants/a.png", "ants/__MACOSX/b.png", "ants/._a.png", ".DS_Store"), 6, {}),
    ("of Windows", left_behind("Thumbs.db", "ants/Thumbs.db", "$RECYCLE.BIN/a.png", "ants/desktop.ini"), 6, {}),
    ("of a file server", left_behind("@eaDir/a.png", "ants/@eaDir/a.png", "lost+found/a.png"), 6, {}),
    ("class inside of a class", nested, 8, {"ants/bees": "a class folder inside of another class: which"}),
    ("link to the whole", link_round, 6, {"all": "a link to a folder that it lies in"}),
    (
        "links in a circle",
        links_within,
        6,
        dict.fromkeys(["ants/again", "ants/others", "ants/up"], "a link to a folder"),
    ),
    ("class that is a link", linked_class, 6, {}),
    ("files beside classes", beside_classes, 6, dict.fromkeys(["gone", "labels.csv", "self"], "not in a class folder")),
    ("one word, written in two ways", two_writings, 12, {}),
    ("class that is no UTF-8", not_text, 6, {}),
    ("spaces and signs", lambda root: garden(root, " ants ", "bees & [wasps]*", "🐜"), 9, {}),
    ("500 levels", deep, 7, {}),
]


@pytest.mark.parametrize(("make", "photos", "skipped"), [row[1:] for row in USABLE], ids=[row[0] for row in USABLE])
def test_a_folder_that_can_be_used(
    make: Callable[[Path], None], photos: int, skipped: dict[str, str], tmp_path: Path
) -> None:
    make(tmp_path / "photos")
    record = api.check(tmp_path / "photos")
    assert record.train + record.test == photos
    assert [skip.path for skip in record.skipped] == list(skipped)
    assert all(skip.why.startswith(skipped[skip.path]) for skip in record.skipped)
    record.model_dump_json()


def test_a_class_that_is_no_text_has_a_name_that_can_be_recorded(tmp_path: Path) -> None:
    not_text(tmp_path)
    assert api.check(tmp_path).classes == ["ants", r"bees\xff"]


def with_empty(make: Callable[[Path], None], *names: str) -> Callable[[Path], None]:
    """The same with folders in which there is nothing."""

    def made(root: Path) -> None:
        make(root)
        for name in names:
            (root / name).mkdir()

    return made


def missing_in_one_split(root: Path) -> None:
    two_splits(root)
    photo(root / "val/wasps/a.png")


def broken_ones(root: Path) -> None:
    for label in ("ants", "bees"):
        (root / label).mkdir(parents=True)
        (root / label / "a.png").write_bytes(b"")


def copies(*numbers: int) -> Callable[[Path], None]:
    """Photos of these numbers in each class."""

    def make(root: Path) -> None:
        for label in ("ants", "bees"):
            for at, number in enumerate(numbers):
                photo(root / label / f"{at}.png", number)

    return make


REFUSED: list[tuple[str, Callable[[Path], None], str]] = [
    ("empty", lambda root: root.mkdir(), "no class folders in {root}"),
    ("nothing", lambda root: None, "no such folder: {root}"),
    ("a file", photo, "{root} is not a folder"),
    ("dangling link", lambda root: root.symlink_to("nowhere"), "no such folder: {root}"),
    ("link to itself", lambda root: root.symlink_to(root), "{root} cannot be read (Too many levels of symbolic links)"),
    ("photos without classes", lambda root: garden(root, ""), "no class folders in {root}"),
    ("one class", lambda root: garden(root, "ants"), "only one class (ants) in {root}"),
    ("empty class", with_empty(garden, "wasps"), "class wasps in {root} has no usable pictures"),
    ("one split", lambda root: garden(root, "train/a", "train/b"), "{root} has train but no val or test folder"),
    (
        "class missing in one split",
        missing_in_one_split,
        "the classes of {root} differ (only in val: wasps): give both",
    ),
    (
        "class empty in both splits",
        with_empty(two_splits, "train/wasps", "val/wasps"),
        "class wasps of the train split in {root} has no usable pictures",
    ),
    (
        "capitals differ",
        lambda root: garden(root, "train/ants", "train/bees", "val/Ants", "val/bees"),
        "(only in train: ants; only in val: Ants)",
    ),
    (
        "only broken photos",
        broken_ones,
        "no usable pictures in {root} (2 files skipped, first ants/a.png: empty file; bees/a.png: empty file)",
    ),
    ("the same photo again and again", copies(1, 1, 1), "all pictures of class ants are the same (ants/0.png)"),
    (
        "two classes of the same photos",
        copies(1, 2, 3),
        "all pictures of class ants lie in other classes too (ants/0.png): keep each in one",
    ),
]


@pytest.mark.parametrize(("make", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_folder_that_is_refused_in_a_sentence(make: Callable[[Path], None], sentence: str, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    make(root)
    with pytest.raises(UserError) as caught:
        api.check(root)
    assert sentence.format(root=root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_too_long_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(File name too long\)"):
        api.check(tmp_path / ("a" * 300))
