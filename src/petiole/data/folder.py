"""A folder of photos, checked before anything is trained on it: classes, broken files, duplicates, splits.

The second split is the one whose accuracy is reported. A flat folder of classes gets a seeded split.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from petiole import records
from petiole.data.layout import LAYOUTS, PhotoFile, class_names, scan, split_folders
from petiole.data.pixels import (
    Array,
    Pixels,
    Split,
    UnusableError,
    decode,
    harmless_warnings,
    is_placeholder_name,
    read_file,
)
from petiole.data.sources import from_folder
from petiole.data.split import Item, stored_or_new
from petiole.errors import UserError
from petiole.preprocessing import DECODED_PX
from petiole.processes import cores, pool

MIN_TRAIN_PER_CLASS = 2
CHECKED_PX = 8
"""Photos that are only checked are kept this small: what is found out about them is the same."""
AT_ONCE = 64
"""Files that are decoded ahead of what is done with them."""


@dataclass(frozen=True, kw_only=True)
class PhotoData:
    """Checked and decoded photos, and the record of what was found.

    ``digest`` is one of every usable file's name, side of the split, and content.
    """

    record: records.Photos
    digest: str
    train: Split
    test: Split


@dataclass(frozen=True, kw_only=True)
class _Photo:
    """A usable picture of the folder."""

    file: PhotoFile
    sha256: str


def check(root: Path, *, seed: int, progress: bool = False) -> records.Photos:
    """What ``petiole check`` prints: every file decoded, nothing trained, nothing written.

    Raises:
        UserError: as :func:`open_photos`.
    """
    source = from_folder(root)
    return open_photos(
        root, source=source.source, synthetic=source.synthetic, note=source.note, seed=seed, short_side=CHECKED_PX,
        progress=progress,
    ).record  # fmt: skip


def open_photos(
    root: Path,
    *,
    source: str,
    synthetic: bool,
    note: str = "",
    seed: int,
    split_file: Path | None = None,
    short_side: int = DECODED_PX,
    progress: bool = False,
) -> PhotoData:
    """Check the photos under ``root`` and decode each file once, its shorter side made ``short_side`` pixels.

    The split of a flat folder is drawn with ``seed``, stored in ``split_file``, and read back from there by
    a run that goes on; exact duplicates never fall on both sides of it.

    Raises:
        UserError: no such folder, no pictures, one class, classes that differ between the splits, a class
            with too few usable pictures, or a stored split of other photos.
    """
    folders, unused = split_folders(root)
    classes = class_names(root, folders)
    files, skipped = scan(root, folders, classes)
    photos: list[_Photo] = []

    def usable() -> Iterator[Array]:
        for result in _load_all(files, short_side=short_side, progress=progress):
            if isinstance(result, records.Skipped):
                skipped.append(result)
            else:
                photo, picture = result
                photos.append(photo)
                yield picture

    pixels = Pixels.pack(usable())
    splits = ("train", "test") if "train" in folders else ("",)
    _check_counts(root, photos, skipped, classes, splits)
    if "" in folders:
        items = [Item(photo.file.name, photo.file.label, photo.sha256) for photo in photos]
        sides = stored_or_new(items, seed=seed, split_file=split_file)
    else:
        sides = {photo.file.name: photo.file.split for photo in photos}
    numbers = {label: number for number, label in enumerate(classes)}
    every = Split(
        pixels=pixels,
        labels=torch.tensor([numbers[photo.file.label] for photo in photos], dtype=torch.int64),
        paths=tuple(photo.file.name for photo in photos),
        sha256=tuple(photo.sha256 for photo in photos),
    )
    train, test = (
        [at for at, photo in enumerate(photos) if sides[photo.file.name] == side] for side in ("train", "test")
    )
    record = records.Photos(
        source=source,
        synthetic=synthetic,
        train=len(train),
        test=len(test),
        classes=classes,
        skipped=sorted(skipped, key=lambda skip: skip.path),
        train_by_class=_count([photos[at] for at in train], classes),
        test_by_class=_count([photos[at] for at in test], classes),
        duplicates=_copies(photos, lambda photo: sides[photo.file.name]),
        contradictions=_copies(photos, lambda photo: photo.file.label),
        note="; ".join(part for part in (note, unused) if part),
    )
    content = sorted((photo.file.name, sides[photo.file.name], photo.sha256) for photo in photos)
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    sets = {"train": every.subset(torch.tensor(train)), "test": every.subset(torch.tensor(test))}
    return PhotoData(record=record.model_copy(update={"digest": digest}), digest=digest, **sets)


def _load_all(
    files: Sequence[PhotoFile], *, short_side: int, progress: bool
) -> Iterator[tuple[_Photo, Array] | records.Skipped]:
    """Read and decode every file once, in order, on all cores (Pillow lets threads run while it decodes)."""
    with harmless_warnings(), pool(cores()) as threads:
        some = (files[at : at + AT_ONCE] for at in range(0, len(files), AT_ONCE))  # no more wait in memory
        loaded = chain.from_iterable(threads.map(lambda file: _load(file, short_side), each) for each in some)
        console = Console(stderr=True)
        yield from track(loaded, "checking the photos", total=len(files), console=console, disable=not progress)


def _load(file: PhotoFile, short_side: int) -> tuple[_Photo, Array] | records.Skipped:
    """Read and decode one file, or say why it is skipped."""
    try:
        content = read_file(file.path)
        pixels = decode(content, short_side=short_side)
        if is_placeholder_name(file.path.stem):
            raise UnusableError("a placeholder, not a photo: its name says that the image was not found")
    except UnusableError as error:
        return records.Skipped(path=file.name, why=str(error))
    return _Photo(file=file, sha256=hashlib.sha256(content).hexdigest()), pixels


def _check_counts(
    root: Path,
    photos: Sequence[_Photo],
    skipped: Sequence[records.Skipped],
    classes: Sequence[str],
    splits: Sequence[str],
) -> None:
    """Refuse photos that nothing can be learned from, with the counts and the first reasons."""
    reasons = "; ".join(f"{skip.path}: {skip.why}" for skip in skipped[:3])
    skips = f" ({len(skipped)} files skipped, first {reasons})" if skipped else ""
    if not photos:
        raise UserError(f"no usable pictures in {root}{skips}: {LAYOUTS}")
    counts = Counter((photo.file.split, photo.file.label) for photo in photos)
    for split in splits:
        least = {"train": MIN_TRAIN_PER_CLASS, "test": 1, "": MIN_TRAIN_PER_CLASS + 1}[split]
        for label in classes:
            count = counts[split, label]
            where = f"class {label}" + (f" of the {split} split" if split else "")
            if count < least:
                found = f"only {count} usable" if count else "no usable"
                raise UserError(f"{where} in {root} has {found} pictures{skips}: at least {least} are needed")


def _copies(photos: Sequence[_Photo], differ: Callable[[_Photo], str]) -> list[list[str]]:
    """Groups of files with the same bytes that are not all of one kind: of one split, or of one label."""
    groups: dict[str, list[_Photo]] = defaultdict(list)
    for photo in photos:
        groups[photo.sha256].append(photo)
    return sorted(
        sorted(photo.file.name for photo in group) for group in groups.values() if len(set(map(differ, group))) > 1
    )


def _count(photos: Iterable[_Photo], classes: Sequence[str]) -> dict[str, int]:
    counts = Counter(photo.file.label for photo in photos)
    return {label: counts[label] for label in classes}
