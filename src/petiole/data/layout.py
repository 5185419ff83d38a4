"""How a folder of photos is laid out: which folders are splits, which are classes, which files are in them.

Three layouts: ``train/<class>/`` with ``val/<class>/`` (also ``valid`` or ``validation``), ``train/<class>/``
with ``test/<class>/``, or ``<class>/`` alone.
"""

import os
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from petiole import records
from petiole.errors import UserError

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
LAYOUTS = "expected train/<class>/ and val/<class>/ (or test/<class>/), or one folder for each class"
PICTURE_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif",
    ".heic", ".heif",
}  # fmt: skip
"""How names of pictures end, those included of which people should learn that they cannot be read."""
MOST_NAMED = 5
_IGNORED = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found", "$recycle.bin",
    "system volume information",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """A file in a class folder. ``split`` is "train", "test", or "" where there is no split yet."""

    path: Path
    name: str  # relative to the photo folder, for people and records
    split: str
    label: str


def is_visible(name: str) -> bool:
    """Whether a person would say that this file or folder is there: not hidden, none of the systems' own.

    >>> is_visible("ant.jpg"), is_visible(".ipynb_checkpoints"), is_visible("Thumbs.db")
    (True, False, False)
    """
    return not name.startswith(".") and name.lower() not in _IGNORED


def text_of(path: Path | str) -> str:
    r"""A path as text that terminals and JSON can hold: bytes that are no UTF-8 are written as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def visible(folder: Path) -> list[Path]:
    """What a person sees in a folder, sorted by name.

    Raises:
        UserError: it cannot be listed, or what is in it cannot be opened.
    """
    try:
        os.stat(os.path.join(folder, "."))  # refused too where names may be listed, and nothing opened
        names = os.listdir(folder)
    except OSError as error:
        raise UserError(f"{text_of(folder)} {_cannot(error)}: mend that, or move it away") from error
    return sorted(folder / name for name in names if is_visible(name))


def below(folder: Path, *, classes: Collection[str] = ()) -> Iterator[tuple[Path, str]]:
    """Files in a folder and in the folders within, sorted, each with ""; and folders that are not entered, with why.

    Those are links (they may lead round in a circle), what cannot be read, and other ``classes`` than this folder's.

    Raises:
        UserError: ``folder`` itself cannot be read.
    """
    levels = [iter(visible(folder))]
    while levels:
        for entry in levels[-1]:
            if not os.path.isdir(entry):
                yield entry, ""
            elif entry.is_symlink():
                yield entry, "a link to a folder"
            elif label_of(entry) in classes and label_of(entry) != label_of(folder):
                yield entry, "a class folder inside of another class: which of the two its photos show is unclear"
            else:
                try:
                    levels.append(iter(visible(entry)))
                    break
                except UserError as error:
                    yield entry, f"a folder that {_cannot(error.__cause__)}"
        else:
            levels.pop()


def _cannot(error: BaseException | None) -> str:
    assert isinstance(error, OSError)
    return f"cannot be read ({error.strerror})"


def _leads_round(entry: Path) -> bool:
    """Whether a link leads to a folder that it lies in."""
    return entry.is_symlink() and Path(os.path.realpath(entry.parent)).is_relative_to(os.path.realpath(entry))


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in visible(folder) if os.path.isdir(entry) and not _leads_round(entry)]


def label_of(folder: Path) -> str:
    """The class that a folder's name says: "é" is one letter, however the system that made the folder writes it."""
    return unicodedata.normalize("NFC", text_of(folder.name))


def split_folders(root: Path) -> tuple[dict[str, Path], str]:
    """The folders that hold the class folders, by split ("train", "test", or "" for a flat one), and a note.

    A folder is a split by its name only if it holds folders: "train" may also be a class, of vehicles.
    """
    try:
        is_folder = stat.S_ISDIR(os.stat(root).st_mode)
    except FileNotFoundError as error:
        raise UserError(f"no such folder: {text_of(root)}; {LAYOUTS}") from error
    except OSError as error:
        raise UserError(f"{text_of(root)} {_cannot(error)}; {LAYOUTS}") from error
    if not is_folder:
        raise UserError(f"{text_of(root)} is not a folder; {LAYOUTS}")
    split_names = {*TRAIN_NAMES, *TEST_NAMES}
    maybe = [folder for folder in _subfolders(root) if folder.name.lower() in split_names]
    named = {folder.name.lower(): folder for folder in maybe if _subfolders(folder)}
    trains = [named[name] for name in TRAIN_NAMES if name in named]
    tests = [named[name] for name in TEST_NAMES if name in named]
    if trains and tests:
        rest = [folder.name for folder in trains[1:] + tests[1:]]
        note = f"{', '.join(rest)} not used: {tests[0].name} is the test split" if rest else ""
        return {"train": trains[0], "test": tests[0]}, note
    if trains or tests:
        there, missing = (trains[0], "val or test") if trains else (tests[0], "train")
        raise UserError(f"{text_of(root)} has {there.name} but no {missing} folder; {LAYOUTS}")
    return {"": root}, ""


def class_names(root: Path, folders: dict[str, Path]) -> list[str]:
    """The class names in order, the same in every split."""
    where = text_of(root)
    by_split = {folder.name: {label_of(entry) for entry in _subfolders(folder)} for folder in folders.values()}
    (first, classes), *others = by_split.items()
    for other, names in others:
        if names != classes:
            only = [f"only in {first}: {_some(classes - names)}"] if classes - names else []
            only += [f"only in {other}: {_some(names - classes)}"] if names - classes else []
            raise UserError(f"the classes of {where} differ ({'; '.join(only)}): give both splits the same ones")
    if {name.lower() for name in classes} <= {*TRAIN_NAMES, *TEST_NAMES} and classes:
        raise UserError(f"{', '.join(sorted(classes))} in {where} hold no class folders: {LAYOUTS}")
    if not classes:
        raise UserError(f"no class folders in {where}: {LAYOUTS}")
    if len(classes) == 1:
        (name,) = classes
        inner = root / name
        deeper = [entry.name.lower() for entry in _subfolders(inner)] if inner.is_dir() else []
        hint = f"did you mean {inner}?" if set(deeper) & set(TRAIN_NAMES) else "a classifier needs two or more"
        raise UserError(f"only one class ({name}) in {where}: {hint}")
    return sorted(classes)


def _some(names: Iterable[str]) -> str:
    """The first names of many, and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - MOST_NAMED
    return ", ".join(ordered[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def scan(
    root: Path, folders: dict[str, Path], classes: Collection[str]
) -> tuple[list[PhotoFile], list[records.Skipped]]:
    """All files of the class folders, in a fixed order; and what lies outside of them, or is not entered."""
    files, skipped = [], []
    known = frozenset(classes)
    for split, folder in folders.items():
        for entry in visible(folder):
            if not os.path.isdir(entry):
                skipped.append(records.Skipped(path=_name(root, entry), why="not in a class folder"))
                continue
            if _leads_round(entry):
                skipped.append(records.Skipped(path=_name(root, entry), why="a link to a folder that it lies in"))
                continue
            label = label_of(entry)
            for path, why in below(entry, classes=known):
                if why:
                    skipped.append(records.Skipped(path=_name(root, path), why=why))
                else:
                    files.append(PhotoFile(path=path, name=_name(root, path), split=split, label=label))
    return files, skipped


def _name(root: Path, path: Path) -> str:
    """The path relative to the photo folder, as text that JSON can hold."""
    return text_of(path.relative_to(root).as_posix())


def is_picture_name(path: Path) -> bool:
    """Whether a file's name ends as those of pictures do."""
    return path.suffix.lower() in PICTURE_SUFFIXES
