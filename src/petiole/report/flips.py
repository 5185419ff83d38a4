"""Photos in the report: samples of the training photos, and the test pictures that a variant lost and gained."""

from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group
from petiole.figure_records import Flip, Thumbnail, shown
from petiole.records import Results
from petiole.report.blocks import Block, Photo, Strip
from petiole.report.provenance import is_plain

SPLITS = {"photos": "test", "digits": "digits"}


def samples(results: Results) -> list[Block]:
    """A strip of training photos for each class."""
    found: dict[str, list[Thumbnail]] = {}
    for each in results.thumbnails:
        if each.sample and is_plain(each.file):
            found.setdefault(each.label, []).append(each)
    return [
        Strip(
            caption=f"Training photos of class {label}.",
            photos=tuple(Photo(file=each.file, alt=f"training photo {each.path} of class {label}") for each in rows),
        )
        for label, rows in found.items()
    ]


def flips(results: Results, groups: Sequence[Group]) -> list[Block]:
    """For each variant (first seed) the pictures that it lost and gained against its parent, the surest first."""
    pictures = {
        (each.split, each.number): each for each in results.thumbnails if not each.sample and is_plain(each.file)
    }
    found: list[Block] = []
    for group in groups:
        row = group.first
        split = SPLITS.get(row.dataset, "")
        drawn = [(flip, pictures.get((split, flip.picture))) for flip in shown(row.flips)]
        photos = tuple(_photo(flip, picture) for flip, picture in drawn if picture is not None)
        versus = row.versus_parent
        if not photos or versus is None:
            continue
        count = versus.lost + versus.gained
        lost = sum(photo.mark == "lost" for photo in photos)
        these = f" {len(photos)} of {count} are shown ({lost} lost), of each kind those with the surest mistakes."
        rest = these if len(photos) < count else ""
        seed = f" (seed {row.seed})" if len(group.rows) > 1 else ""
        found.append(
            Strip(
                caption=f"{group.label}{seed} lost {versus.lost} and gained {versus.gained} test pictures against "
                f"{row.parent}. In per cent: the probability (exact) that each gave to what it called the "
                f"picture.{rest}",
                photos=photos,
            )
        )
    return found


def _photo(flip: Flip, picture: Thumbnail) -> Photo:
    before = f"{flip.before} ({units.percent(flip.before_p, 0)})"
    after = f"{flip.after} ({units.percent(flip.after_p, 0)})"
    mark = "gained" if flip.is_gain else "lost"
    return Photo(
        file=picture.file, alt=f"{picture.path}, truly {flip.truth}: {before} became {after}", mark=mark,
        lines=(f"truly {flip.truth}", f"{before} → {after}"),
    )  # fmt: skip
