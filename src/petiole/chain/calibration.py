"""Training photos that int8 is calibrated on, and others by which it is judged what int8 costs."""

from collections.abc import Sequence

import torch

from petiole.chain.bench import PhotoBench

HELD_OUT_IMAGES = 256


def calibration(bench: PhotoBench, seed: int) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """A seeded choice of training photos ``(n, C, H, W)``, and the others with their labels: what calibration did not
    see, for deciding whether int8 costs too much. Where there are no others, the same ones."""
    (shown, _), held_out = photos_apart(bench, seed)
    return shown, held_out


def photos_apart(
    bench: PhotoBench, seed: int
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Two parts of the training photos, each inputs ``(n, C, H, W)`` and labels: one to look at, one to judge on. No
    photo to judge on is an exact copy of one that is looked at, unless all are."""
    inputs, labels = bench.train_inputs(), bench.photo_data().train.labels
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    count = min(bench.config.effort.calibration_images, max(1, len(inputs) // 2))
    shown = order[:count]
    rest = without_copies(order[count:], shown, bench.photo_data().train.sha256)[:HELD_OUT_IMAGES]
    return (inputs[shown], labels[shown]), (inputs[rest], labels[rest])


def without_copies(indices: torch.Tensor, seen: torch.Tensor, sha256: Sequence[str]) -> torch.Tensor:
    """Those of the ``indices`` whose photos are no exact copies of ``seen`` ones; if there are none, ``seen``.

    >>> without_copies(torch.tensor([1, 3]), torch.tensor([2, 0]), ["a", "b", "c", "a"])
    tensor([1])
    """
    digests = {sha256[index] for index in seen.tolist()}
    others = [index for index in indices.tolist() if sha256[index] not in digests]
    return torch.tensor(others) if others else seen
