"""Parts of the training photos: what a trial learns from, and what it is judged on. The test split is never in it."""

from collections.abc import Sequence

import torch

from petiole.data.folder import PhotoData
from petiole.data.pixels import Split

FOLDS = 3


def folds(
    labels: torch.Tensor, sha256: Sequence[str], *, seed: int, count: int = FOLDS
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """``count`` pairs of indices, what is learned from and what is held out: each photo is held out once.

    Seeded and stratified: the photos of each class are dealt out in turn, so that each fold has its share of all
    classes (Kohavi 1995, "A study of cross-validation and bootstrap"). Exact copies, told by ``sha256``, go into one
    fold, whatever their labels: none is judged on a photo that was learned. What then follows goes where the class has
    fewest.
    """
    generator = torch.Generator().manual_seed(seed)
    dealt = torch.empty(len(labels), dtype=torch.int64)
    fold_of: dict[str, int] = {}
    at = 0
    for label in labels.unique().tolist():
        photos = (labels == label).nonzero().flatten()
        photos = photos[torch.randperm(len(photos), generator=generator)]
        sizes = [0] * count  # of this class's photos in each fold
        for photo in photos.tolist():
            emptiest = min(range(count), key=lambda fold: (sizes[fold], (fold - at) % count))
            fold = fold_of.setdefault(sha256[photo], emptiest)
            sizes[fold] += 1
            dealt[photo] = fold
        at += len(photos)  # the next class goes on where this one ended: folds are of about one size
    return [((dealt != fold).nonzero().flatten(), (dealt == fold).nonzero().flatten()) for fold in range(count)]


def of_training(photos: PhotoData, learned: torch.Tensor, held_out: torch.Tensor) -> PhotoData:
    """The same photos as data whose test split is ``held_out`` of the training split."""
    sides = {"train": photos.train.subset(learned), "test": photos.train.subset(held_out)}
    return PhotoData(
        record=photos.record.model_copy(
            update={
                **{name: len(split.labels) for name, split in sides.items()},
                **{f"{name}_by_class": _counts(split, photos.record.classes) for name, split in sides.items()},
            }
        ),
        digest=photos.digest,
        **sides,
    )


def _counts(split: Split, classes: list[str]) -> dict[str, int]:
    return {name: int((split.labels == number).sum()) for number, name in enumerate(classes)}
