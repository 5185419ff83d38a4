"""Folders of small photos, each photo another one."""

from pathlib import Path

from PIL import Image

from bad_photos import encoded


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
