"""Networks that the answers compare though neither was made from the other: picture by picture, as all are."""

from collections.abc import Sequence
from pathlib import Path

from petiole.called import right
from petiole.records import Comparison, Variant
from petiole.stats import mcnemar_exact

PAIRS = (
    ("CNNScratch", "CNNAdapted"),
    ("CNNScratch", "CNNOptimized"),
    ("CNNPrunedFO", "CNNPrunedFO-magnitude"),
    ("CNNPrunedGO", "CNNPrunedGO-magnitude"),
    ("CNNOptimized-static-int8", "CNNOptimized-qat-int8"),
)
"""Each second one is compared with the first one, of the same engine and seed."""


def compare(run_dir: Path, variants: Sequence[Variant]) -> list[Comparison]:
    """The comparisons of :data:`PAIRS` that a run holds both networks of, from their files of predictions."""
    rows = {(row.name, row.engine, row.seed): row for row in variants}
    found = []
    for (name, engine, seed), row in rows.items():
        for before in (rows.get((first, engine, seed)) for first, second in PAIRS if second == name):
            if before is None or before.predictions is None or row.predictions is None:
                continue
            both = list(zip(right(run_dir, before), right(run_dir, row), strict=True))
            lost, gained = sum(a and not b for a, b in both), sum(b and not a for a, b in both)
            found.append(
                Comparison(
                    variant=name, against=before.name, engine=engine, seed=seed, lost=lost, gained=gained,
                    mcnemar_p=mcnemar_exact(lost, gained),
                )
            )  # fmt: skip
    return found
