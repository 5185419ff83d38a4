"""Small copies of some pictures for the report: samples of each class, and those that a variant called otherwise."""

from collections.abc import Iterator, Sequence

import torch

from petiole.data.thumbnail import encode
from petiole.figure_records import Thumbnail
from petiole.lab.bench import Bench
from petiole.records import Variant
from petiole.rundir import write_atomic

SAMPLES = 6
"""Training photos of each class that are shown."""
SAMPLE_CLASSES = 8
FLIPPED = 12
"""Pictures of each variant that are shown of those that it called otherwise than its parent."""


def write(bench: Bench, variants: Sequence[Variant]) -> list[Thumbnail]:
    """Write ``thumbnails/`` into the run directory; gives what lies there."""
    made = [*_samples(bench), *_flipped(bench, variants)]
    for record, picture in made:
        write_atomic(bench.line.rundir.path / record.file, encode(picture))
    return [record for record, _ in made]


def _samples(bench: Bench) -> Iterator[tuple[Thumbnail, torch.Tensor]]:
    """Training photos, spread evenly over each of the first classes."""
    if bench.photos is None:
        return
    train = bench.photos.train
    for number, label in enumerate(bench.photos.record.classes[:SAMPLE_CLASSES]):
        of_class = (train.labels == number).nonzero().flatten().tolist()
        for at in of_class[:: max(1, len(of_class) // SAMPLES)][:SAMPLES]:
            name = f"thumbnails/train-{at}.jpg"
            yield (
                Thumbnail(split="train", number=at, path=train.paths[at], label=label, file=name, sample=True),
                train.pixels[at],
            )


def _flipped(bench: Bench, variants: Sequence[Variant]) -> Iterator[tuple[Thumbnail, torch.Tensor]]:
    """The test pictures that variants lost and gained, each once."""
    wanted = {(each.dataset, flip.picture): flip.truth for each in variants for flip in each.flips[:FLIPPED]}
    for (dataset, at), label in sorted(wanted.items()):
        if dataset == "photos":
            test, file = bench.photo_data().test, f"thumbnails/test-{at}.jpg"
            yield Thumbnail(split="test", number=at, path=test.paths[at], label=label, file=file), test.pixels[at]
        else:
            digit, file = bench.digit_data().test_images[at], f"thumbnails/digit-{at}.jpg"
            yield Thumbnail(split="digits", number=at, path=f"test digit {at}", label=label, file=file), digit[None]
