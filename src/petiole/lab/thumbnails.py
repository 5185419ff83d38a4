"""Small copies of photos and digits for the lab's report."""

from collections.abc import Iterator, Sequence

from petiole.chain import thumbnails
from petiole.figure_records import Thumbnail
from petiole.lab.bench import Bench
from petiole.records import Variant


def write(bench: Bench, variants: Sequence[Variant]) -> list[Thumbnail]:
    """Write ``thumbnails/`` into the run directory; gives what lies there."""
    return thumbnails.write(bench.line.rundir, _made(bench, variants))


def _made(bench: Bench, variants: Sequence[Variant]) -> Iterator[thumbnails.Made]:
    if bench.photos is not None:
        yield from thumbnails.of_photos(bench.photos, variants)
    for at, label in thumbnails.flipped(variants, "digits"):
        file = f"thumbnails/digit-{at}.jpg"
        record = Thumbnail(split="digits", number=at, path=f"test digit {at}", label=label, file=file)
        yield record, bench.digit_data().test_images[at][None]
