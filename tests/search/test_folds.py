"""Folds of the training photos."""

from pathlib import Path

import torch

from petiole import api
from petiole.data.folder import open_photos
from petiole.search.folds import folds, of_training


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
