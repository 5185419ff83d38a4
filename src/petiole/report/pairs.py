"""The variants of two runs in pairs, compared picture by picture where both were judged on the same ones."""

from dataclasses import dataclass
from pathlib import Path

from petiole.called import right
from petiole.evidence import Group, groups, unpaired_difference
from petiole.paired import Flips, paired
from petiole.records import Results, Variant
from petiole.report.provenance import is_plain


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs: what it is called (not as the other one), where it lies, and its records."""

    name: str
    folder: Path
    results: Results


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One variant in both runs. Without ``flips`` it is not compared picture by picture, and ``why`` says why not."""

    before: Group
    after: Group
    flips: Flips | None
    why: str = ""

    @property
    def difference(self) -> float:
        """Accuracy in the second run less that in the first."""
        return self.after.accuracy - self.before.accuracy if self.flips is None else self.flips.difference

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95% interval."""
        return unpaired_difference(self.before, self.after) if self.flips is None else self.flips.interval

    @property
    def is_apart(self) -> bool:
        """Whether the pictures tell the two apart."""
        if self.flips is not None:
            return self.flips.change != "unclear"
        low, high = self.interval
        return not low <= 0 <= high


def pair_up(first: Side, second: Side) -> tuple[list[Pair], list[str]]:
    """The variants of both runs, and sentences for those of one only."""
    here = {(group.name, group.engine): group for group in groups(first.results.variants)}
    there = {(group.name, group.engine): group for group in groups(second.results.variants)}
    pairs = []
    for key in here:
        if key in there:
            flips, why = _paired_pictures(first, second, here[key], there[key])
            pairs.append(Pair(before=here[key], after=there[key], flips=flips, why=why))
    only = [
        f"Only {side.name} holds {', '.join(found[key].label for key in missing)}."
        for side, found, other in ((first, here, there), (second, there, here))
        if (missing := [key for key in found if key not in other])
    ]
    return pairs, only


def _paired_pictures(first: Side, second: Side, before: Group, after: Group) -> tuple[Flips | None, str]:
    """The comparison on the same pictures, of the seeds that both have; or why there is none."""
    digests = [
        data.digest if (data := getattr(side.results.data, before.first.dataset, None)) is not None else ""
        for side in (first, second)
    ]
    if before.total != after.total:
        return None, "other data"
    if not all(digests):
        return None, "pictures not recorded"
    if digests[0] != digests[1]:
        return None, "other data"
    there = {row.seed: row for row in after.rows}
    flips = []
    for row in before.rows:
        if row.seed in there:
            here, other = _right(first.folder, row), _right(second.folder, there[row.seed])
            if here is None or other is None or len(here) != len(other):
                return None, "predictions not there"
            both = list(zip(here, other, strict=True))
            flips.append((sum(a and not b for a, b in both), sum(b and not a for a, b in both)))
    return (paired(first.name, flips, before.total), "") if flips else (None, "no seed in common")


def _right(folder: Path, row: Variant) -> list[bool] | None:
    """Whether each test picture was called rightly; None where that was not kept.

    Raises:
        UserError: the file of predictions is damaged.
    """
    if row.predictions is None or not is_plain(row.predictions) or not (folder / row.predictions).is_file():
        return None
    return right(folder, row)
