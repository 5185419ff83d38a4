"""The inputs that an artifact is checked with wherever it is opened: drawn from numbers, the same on every machine."""

from collections.abc import Sequence

import numpy as np
import torch

from petiole.deploy.runtime import Array
from petiole.preprocessing import Preprocessing

IMAGES = 8
CANDIDATES = 64
"""Inputs of which the check's are chosen."""
CELLS = (7, 1, 2, 3, 5, 14, 28, 4)
"""Patches along each side, from one to fine grain: to a network of photographs, pictures of one grain are nearly one
picture."""


def draw(preprocessing: Preprocessing, seeds: Sequence[int]) -> Array:
    """Inputs ``(len(seeds), C, H, W)``: patches of random brightness, coarse and fine (:data:`CELLS` in turn).

    They come from the raw 64-bit stream of PCG64, which NumPy promises never to change.
    """
    channels, height, width = preprocessing.input_shape
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    inputs = np.empty((len(seeds), channels, height, width), dtype=np.float32)
    for index, seed in enumerate(seeds):
        cells = CELLS[seed % len(CELLS)]
        raw = np.random.PCG64(seed).random_raw(channels * cells * cells)
        coarse = (raw >> np.uint64(56)).astype(np.float32).reshape(channels, cells, cells) / 255
        rows, columns = (np.arange(side) * cells // side for side in (height, width))
        inputs[index] = (coarse[:, rows][:, :, columns] - mean) / std
    return inputs


def choose(answers: Sequence[torch.Tensor]) -> list[int]:
    """The ``IMAGES`` inputs that tell most, by the logits ``(CANDIDATES, classes)`` that each runtime gave.

    Of the half on which the runtimes agree best (there, rounding decides least), those whose answers are farthest from
    each other (the first runtime's; Gonzalez 1985, "Clustering to minimize the maximum intercluster distance").
    """
    first = answers[0]
    apart = torch.stack([(first - other).norm(dim=1) for other in answers]).max(0).values
    calm = apart.argsort(stable=True)[: len(first) // 2]
    distances = torch.cdist(first[calm], first[calm])
    chosen = [int((first[calm] - first[calm].mean(0)).norm(dim=1).argmax())]
    while len(chosen) < IMAGES:
        nearest = distances[chosen].min(0).values
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
    return [int(calm[each]) for each in chosen]
