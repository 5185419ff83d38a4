"""The split of a flat folder into training and test pictures: seeded, stratified, stored with the run."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from petiole.errors import UserError
from petiole.writing import write_atomic

TEST_SHARE = 0.2
SIDES = ("train", "test")


class Item(NamedTuple):
    """A picture to put on one side: its name, its class, and the digest of its bytes."""

    name: str
    label: str
    sha256: str


def stratified(items: Iterable[Item], *, seed: int) -> dict[str, str]:
    """Side ("train" or "test") of each picture, by name: a fifth of each class, at least one, is for testing.

    Exact copies stay on one side, so that no test picture has been trained on; those under several labels, which judge
    nothing, are for training.

    Raises:
        UserError: all pictures of a class are copies of one, or lie in other classes too.
    """
    sides: dict[str, str] = {}
    by_class: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in sorted(items):
        by_class[item.label][item.sha256].append(item.name)
    labels_of = Counter(sha256 for copies in by_class.values() for sha256 in copies)
    for label, copies in by_class.items():
        if len(copies) == 1:
            same = next(iter(copies.values()))[0]
            raise UserError(f"all pictures of class {label} are the same ({same}): give different ones")
        groups = [group for sha256, group in copies.items() if labels_of[sha256] == 1]
        ambiguous = [name for sha256, group in copies.items() if labels_of[sha256] > 1 for name in group]
        if not groups:
            raise UserError(
                f"all pictures of class {label} lie in other classes too ({ambiguous[0]}): keep each in one"
            )
        sides.update(dict.fromkeys(ambiguous, "train"))
        random.Random(f"{seed} {label}").shuffle(groups)
        wanted = max(1, round(TEST_SHARE * sum(len(group) for group in copies.values())))
        taken = 0
        for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
            side = "test" if taken < wanted and (left > 1 or ambiguous) else "train"
            taken += len(group) if side == "test" else 0
            sides.update(dict.fromkeys(group, side))
    return sides


def stored_or_new(items: list[Item], *, seed: int, split_file: Path | None) -> dict[str, str]:
    """The split in ``split_file`` if it is there, else a new one, which is stored there.

    Raises:
        UserError: the stored split is of other pictures, was drawn with another seed, or cannot be read; or as
            :func:`stratified`.
    """
    if split_file is not None and split_file.exists():
        return _stored(items, seed, split_file)
    sides = stratified(items, seed=seed)
    if split_file is not None:
        by_side = {side: {i.name: i.sha256 for i in sorted(items) if sides[i.name] == side} for side in SIDES}
        write_atomic(split_file, json.dumps({"seed": seed} | by_side, indent=1))
    return sides


def _stored(items: list[Item], seed: int, split_file: Path) -> dict[str, str]:
    """What :func:`stored_or_new` wrote. Older runs wrote lists of names, without the pictures' digests."""
    again = "start in a new --out, or remove that file to draw a new split"
    try:
        stored = json.loads(split_file.read_text(encoding="utf-8"))
        train, test, drawn_with = stored["train"], stored["test"], int(stored["seed"])
        sides = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
        digests = {} if isinstance(train, list) else train | test
        if not train or not test:
            raise ValueError("one side of it is empty")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{split_file} is not a stored split: {again}") from error
    if set(sides) != {item.name for item in items}:
        raise UserError(f"the photos are not those that {split_file} splits: {again}")
    changed = [item.name for item in sorted(items) if digests.get(item.name, item.sha256) != item.sha256]
    if changed:
        raise UserError(f"{changed[0]} is not the photo of that name that {split_file} splits: {again}")
    if drawn_with != seed:
        raise UserError(
            f"{split_file} was drawn with --seed {drawn_with}, and --seed {seed} would draw another split: give --seed "
            f"{drawn_with}, or choose another --out"
        )
    return sides
