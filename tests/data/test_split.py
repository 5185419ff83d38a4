"""The stored split of a flat folder: read back for the same photos and the same seed, else refused in one sentence."""

import json
from pathlib import Path

import pytest

from petiole.data.split import Item, stored_or_new
from petiole.errors import UserError

ITEMS = [Item(f"{label}/{at}.jpg", label, f"{label}{at}") for label in ("ants", "bees") for at in range(5)]


@pytest.fixture
def split_file(tmp_path: Path) -> Path:
    """A fifth of each class is for testing: one ant and one bee."""
    path = tmp_path / "split.json"
    sides = stored_or_new(ITEMS, seed=0, split_file=path)
    assert sorted(name[:4] for name, side in sides.items() if side == "test") == ["ants", "bees"]
    return path


def test_the_same_photos_and_seed_give_the_same_split(split_file: Path) -> None:
    stored = json.loads(split_file.read_text())
    assert stored["seed"] == 0
    assert stored["train"] | stored["test"] == {item.name: item.sha256 for item in ITEMS}
    assert stored_or_new(ITEMS, seed=0, split_file=split_file) == {
        item.name: "test" if item.name in stored["test"] else "train" for item in ITEMS
    }


def test_another_seed_is_refused(split_file: Path) -> None:
    with pytest.raises(UserError) as refused:
        stored_or_new(ITEMS, seed=1, split_file=split_file)
    assert str(refused.value) == (
        f"{split_file} was drawn with --seed 0, and --seed 1 would draw another split: give --seed 0, or choose "
        "another --out"
    )


def test_a_photo_with_other_bytes_is_noticed(split_file: Path) -> None:
    replaced = [*ITEMS[:3], ITEMS[3]._replace(sha256="other"), *ITEMS[4:]]
    with pytest.raises(UserError, match=r"^ants/3\.jpg is not the photo of that name that .*split\.json splits: start"):
        stored_or_new(replaced, seed=0, split_file=split_file)


def test_a_split_of_an_older_run_has_names_only(split_file: Path) -> None:
    sides = stored_or_new(ITEMS, seed=0, split_file=split_file)
    by_side = {side: [name for name in sides if sides[name] == side] for side in ("train", "test")}
    split_file.write_text(json.dumps({"seed": 0} | by_side))
    assert stored_or_new(ITEMS, seed=0, split_file=split_file) == sides


NAMES = {item.name: item.sha256 for item in ITEMS}
DAMAGED = {
    "deep": "[" * 100_000, "cut": '{"seed": 0, "train": {', "list": "[]", "no side": '{"seed": 0, "train": {}}',
    "empty test": json.dumps({"seed": 0, "train": NAMES, "test": {}}),
    "empty test of names": json.dumps({"seed": 0, "train": [*NAMES], "test": []}),
    "empty train": json.dumps({"seed": 0, "train": {}, "test": NAMES}),
    "two kinds": json.dumps({"seed": 0, "train": NAMES, "test": [*NAMES]}),
    "nested": json.dumps({"seed": 0, "train": [["a"]], "test": ["b"]}),
    "no seed": json.dumps({"seed": None, "train": NAMES, "test": NAMES}),
    "endless seed": '{"seed": Infinity, "train": {"a": ""}, "test": {"b": ""}}',
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_split_is_refused(content: str, split_file: Path) -> None:
    split_file.write_text(content)
    with pytest.raises(UserError, match="is not a stored split: start in a new --out, or remove that file"):
        stored_or_new(ITEMS, seed=0, split_file=split_file)
