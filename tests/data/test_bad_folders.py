"""Folders of all kinds: what systems leave behind, links, permissions, classes that do not fit."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from bad_photos import encoded
from petiole import api
from petiole.data.folder import open_photos
from petiole.errors import UserError

NOBODY = 65534


def photo(path: Path, number: int = 0) -> None:
    """A small photo; each number gives another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.new("RGB", (8, 8), (number // 65536, number // 256 % 256, number % 256))))


def garden(root: Path, *classes: str, count: int = 3) -> None:
    """Classes of different photos."""
    for at, label in enumerate(classes or ("ants", "bees")):
        for number in range(count):
            photo(root / label / f"{number}.png", at * count + number)


def two_splits(root: Path) -> None:
    """Train and val with ants and bees."""
    garden(root, "train/ants", "train/bees", "val/ants", "val/bees")


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
