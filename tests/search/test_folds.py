"""Folds of the training photos."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from petiole import api
from petiole.data.folder import PhotoData, open_photos
from petiole.errors import UserError
from petiole.search.config import SearchConfig
from petiole.search.folds import folds, of_training
from petiole.search.setup import _dealt


def different(count: int) -> list[str]:
    """Digests of so many photos, no two the same."""
    return [str(number) for number in range(count)]


def test_each_photo_is_held_out_once_and_classes_keep_their_share() -> None:
    labels = torch.tensor([0] * 12 + [1] * 6)
    parts = folds(labels, different(18), seed=3)
    assert len(parts) == 3
    assert sorted(torch.cat([held for _, held in parts]).tolist()) == list(range(18))
    for learned, held in parts:
        assert sorted([*learned.tolist(), *held.tolist()]) == list(range(18))
        assert labels[held].bincount().tolist() == [4, 2]


def test_a_class_of_two_photos_is_learned_in_every_fold() -> None:
    labels = torch.tensor([0] * 9 + [1] * 2)
    for learned, _ in folds(labels, different(11), seed=0):
        assert set(labels[learned].tolist()) == {0, 1}


def test_the_seed_decides() -> None:
    labels = torch.tensor([0, 1] * 20)
    held = [folds(labels, different(40), seed=seed)[0][1].tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_a_fold_is_data_like_any_other_and_holds_no_test_photo(tmp_path: Path) -> None:
    root = api.draw(tmp_path / "drawn", count=24)
    photos = open_photos(root, source="synthetic", synthetic=True, seed=0)
    learned, held = folds(photos.train.labels, photos.train.sha256, seed=0)[0]
    part = of_training(photos, learned, held)
    assert part.train.paths == tuple(photos.train.paths[i] for i in learned.tolist())
    assert set(part.test.paths) <= set(photos.train.paths)
    assert torch.equal(part.test.pixels[0], photos.train.pixels[int(held[0])])
    assert sum(part.record.test_by_class.values()) == part.record.test == len(held)


def test_without_copies_the_photos_of_a_class_are_dealt_in_turn() -> None:
    """Told by a second method: position in the shuffled class, classes one after another, modulo the folds."""
    labels = torch.tensor([0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 1, 2, 0, 2])
    generator = torch.Generator().manual_seed(5)
    order = []
    for label in range(3):
        photos = (labels == label).nonzero().flatten()
        order += photos[torch.randperm(len(photos), generator=generator)].tolist()
    held = [held.tolist() for _, held in folds(labels, different(14), seed=5)]
    assert held == [sorted(order[fold::3]) for fold in range(3)]


def test_copies_go_into_one_fold_whatever_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked by hand, photos in their own order. First class: a to fold 0, b to 1, the other a to 0, c to 2. The second
    class begins at fold 4 modulo 3: d to 1; a lies in 0; e to 2, which has none of this class; the other d to 1."""
    monkeypatch.setattr(torch, "randperm", lambda count, generator: torch.arange(count))
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    parts = folds(labels, ["a", "b", "a", "c", "d", "a", "e", "d"], seed=0)
    assert [held.tolist() for _, held in parts] == [[0, 2, 5], [1, 4, 7], [3, 6]]
    assert [learned.tolist() for learned, _ in parts] == [[1, 3, 4, 6, 7], [0, 2, 3, 5, 6], [0, 1, 2, 4, 5, 7]]


@pytest.mark.parametrize("few_photos", [150, 1], ids=["cross-validated", "held out once"])
def test_no_photo_is_judged_on_that_was_learned_as_a_copy(
    few_photos: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the search deals out a folder in which each photo lies one to four times, in two classes even."""
    monkeypatch.setattr("petiole.search.setup.FEW_PHOTOS", few_photos)
    for at in range(10):
        for copy in range(at % 4 + 1):
            for split, shift in (("train", 0), ("val", 50)):
                for label in ("ants", "bees"):
                    path = tmp_path / split / label / f"{at}-{copy}.ppm"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    number = shift + at + (20 if label == "bees" and at > 1 else 0)
                    path.write_bytes(b"P6 1 1 255\n" + bytes([number, 0, 0]))
    photos = open_photos(tmp_path, source="", synthetic=False, seed=0, short_side=8)
    for seed in range(6):
        config = cast(SearchConfig, SimpleNamespace(seed=seed, most_photos=30))
        for learned, held in _dealt(config, photos):
            part = of_training(photos, learned, held)
            assert part.train.sha256
            assert part.test.sha256
            assert not set(part.train.sha256) & set(part.test.sha256)


def test_copies_of_one_photo_cannot_be_held_out(tmp_path: Path) -> None:
    config = cast(SearchConfig, SimpleNamespace(seed=0, most_photos=30))
    train = SimpleNamespace(labels=torch.tensor([0, 0, 1, 1]), sha256=("a", "a", "b", "b"))
    with pytest.raises(UserError, match=r"4 training photos are too few .* give 3 or more different ones"):
        _dealt(config, cast(PhotoData, SimpleNamespace(train=train)))
