"""How a folder of photos is laid out: which folders are splits, which are classes, which files are in them.

Three layouts: ``train/<class>/`` with ``val/<class>/`` (also ``valid`` or ``validation``), ``train/<class>/``
with ``test/<class>/``, or ``<class>/`` alone.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petiole import records
from petiole.errors import UserError

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
LAYOUTS = "expected train/<class>/ and val/<class>/ (or test/<class>/), or one folder for each class"
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """A file in a class folder. ``split`` is "train", "test", or "" where there is no split yet."""

    path: Path
    name: str  # relative to the photo folder, for people and records
    split: str
    label: str


def _visible(folder: Path) -> list[Path]:
    """What a person sees in a folder, sorted by name: nothing hidden, none of the systems' own files."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except PermissionError as error:
        raise UserError(f"{folder} cannot be read: give yourself the permission to") from error
    return sorted(entry for entry in entries if entry.name.lower() not in _IGNORED)


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def split_folders(root: Path) -> tuple[dict[str, Path], str]:
    """The folders that hold the class folders, by split ("train", "test", or "" for a flat one), and a note.

    A folder is a split by its name only if it holds folders: "train" may also be a class, of vehicles.
    """
    if not root.exists():
        raise UserError(f"no such folder: {root}; {LAYOUTS}")
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; {LAYOUTS}")
    named = {folder.name.lower(): folder for folder in _subfolders(root) if _subfolders(folder)}
    trains = [named[name] for name in TRAIN_NAMES if name in named]
    tests = [named[name] for name in TEST_NAMES if name in named]
    if trains and tests:
        rest = [folder.name for folder in trains[1:] + tests[1:]]
        note = f"{', '.join(rest)} not used: {tests[0].name} is the test split" if rest else ""
        return {"train": trains[0], "test": tests[0]}, note
    if trains or tests:
        there, missing = (trains[0], "val or test") if trains else (tests[0], "train")
        raise UserError(f"{root} has {there.name} but no {missing} folder; {LAYOUTS}")
    return {"": root}, ""


def class_names(root: Path, folders: dict[str, Path]) -> list[str]:
    """The class names in order, the same in every split."""
    by_split = {folder.name: {entry.name for entry in _subfolders(folder)} for folder in folders.values()}
    (first, classes), *others = by_split.items()
    for other, names in others:
        if names != classes:
            only = [f"only in {first}: {', '.join(sorted(classes - names))}"] if classes - names else []
            only += [f"only in {other}: {', '.join(sorted(names - classes))}"] if names - classes else []
            raise UserError(f"the classes of {root} differ ({'; '.join(only)}): give both splits the same ones")
    if {name.lower() for name in classes} <= {*TRAIN_NAMES, *TEST_NAMES} and classes:
        raise UserError(f"{', '.join(sorted(classes))} in {root} hold no class folders: {LAYOUTS}")
    if not classes:
        raise UserError(f"no class folders in {root}: {LAYOUTS}")
    if len(classes) == 1:
        (name,) = classes
        inner = root / name
        deeper = [entry.name.lower() for entry in _subfolders(inner)] if inner.is_dir() else []
        hint = f"did you mean {inner}?" if set(deeper) & set(TRAIN_NAMES) else "a classifier needs two or more"
        raise UserError(f"only one class ({name}) in {root}: {hint}")
    return sorted(classes)


def scan(root: Path, folders: dict[str, Path]) -> tuple[list[PhotoFile], list[records.Skipped]]:
    """All files of the class folders, in a fixed order, and what lies outside of them or behind links."""
    files, skipped = [], []
    for split, folder in folders.items():
        for entry in _visible(folder):
            if not entry.is_dir():
                skipped.append(records.Skipped(path=_name(root, entry), why="not in a class folder"))
                continue
            for path in _walk(entry):
                if path.is_dir():
                    skipped.append(records.Skipped(path=_name(root, path), why="a link to a folder"))
                else:
                    files.append(PhotoFile(path=path, name=_name(root, path), split=split, label=entry.name))
    return files, skipped


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder; links to folders are given, not followed (they may lead round in a circle)."""
    for entry in _visible(folder):
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry


def _name(root: Path, path: Path) -> str:
    """The path relative to the photo folder, as text that JSON can hold."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")


def is_picture_name(path: Path) -> bool:
    """Whether a file's name ends as those of pictures do."""
    return path.suffix.lower() in PICTURE_SUFFIXES
