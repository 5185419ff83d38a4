"""Small copies of some photos for the report: samples of each class, and those that a variant called otherwise."""

import shutil
from collections.abc import Iterable, Iterator, Sequence

import torch

from petiole.data.folder import PhotoData
from petiole.data.thumbnail import encode
from petiole.figure_records import Thumbnail, shown
from petiole.records import Variant
from petiole.rundir import RunDir
from petiole.writing import write_atomic

SAMPLES = 6
"""Training photos of each class that are shown."""
SAMPLE_CLASSES = 8

Made = tuple[Thumbnail, torch.Tensor]
"""What is recorded of a picture, and its pixels ``(C, H, W)``, uint8."""


def write(rundir: RunDir, made: Iterable[Made]) -> list[Thumbnail]:
    """Write ``thumbnails/`` into the run directory, which holds no others then; gives what lies there."""
    folder = rundir.path / "thumbnails"
    if folder.exists():
        shutil.rmtree(folder)
    records = []
    for record, picture in made:
        write_atomic(rundir.path / record.file, encode(picture))
        records.append(record)
    return records


def of_photos(photos: PhotoData, variants: Sequence[Variant]) -> Iterator[Made]:
    """Training photos, spread evenly over each of the first classes; then the test photos that variants flipped."""
    train, test = photos.train, photos.test
    for number, label in enumerate(photos.record.classes[:SAMPLE_CLASSES]):
        of_class = (train.labels == number).nonzero().flatten().tolist()
        shown = min(SAMPLES, len(of_class))
        for at in (of_class[place * len(of_class) // shown] for place in range(shown)):
            file = f"thumbnails/train-{at}.jpg"
            record = Thumbnail(split="train", number=at, path=train.paths[at], label=label, file=file, sample=True)
            yield record, train.pixels[at]
    for at, label in flipped(variants, "photos"):
        file = f"thumbnails/test-{at}.jpg"
        yield Thumbnail(split="test", number=at, path=test.paths[at], label=label, file=file), test.pixels[at]


def flipped(variants: Sequence[Variant], dataset: str) -> list[tuple[int, str]]:
    """Number and true class of the test pictures that are shown of all variants, each once."""
    rows = (variant for variant in variants if variant.dataset == dataset)
    return sorted({flip.picture: flip.truth for row in rows for flip in shown(row.flips)}.items())
