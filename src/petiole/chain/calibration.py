"""Training photos that int8 is calibrated on, and others by which it is judged what int8 costs."""

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
    """Two parts of the training photos, each inputs ``(n, C, H, W)`` and labels: one to look at, one to judge on."""
    inputs, labels = bench.train_inputs(), bench.photo_data().train.labels
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    count = min(bench.config.effort.calibration_images, max(1, len(inputs) // 2))
    shown, rest = order[:count], order[count : count + HELD_OUT_IMAGES]
    return (inputs[shown], labels[shown]), (inputs[rest], labels[rest])
