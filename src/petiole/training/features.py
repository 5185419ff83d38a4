"""Features of a frozen network, computed once: what its output layer takes in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from petiole.mapped import mapped

MEMORY_BYTES = 1 << 27
"""Features of more bytes lie in a file of the cache."""


@torch.no_grad()
def features(
    network: nn.Module, layer: nn.Module, batches: Iterable[torch.Tensor], *, after: int = 0
) -> Iterator[torch.Tensor]:
    """What reaches ``layer`` for batches of inputs ``(n, C, H, W)``: ``(n, features)`` each, but for those batches that
    hold the first ``after`` inputs. The network is put into eval mode, so that BatchNorm's statistics stay as they
    are."""
    network.eval()
    caught: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, arguments: caught.append(arguments[0].detach()))
    try:
        for batch in batches:
            if after > 0:
                after -= len(batch)
                continue
            network(batch)
            yield caught.pop()
    finally:
        handle.remove()


def gathered(parts: Iterable[torch.Tensor], rows: int) -> torch.Tensor:
    """Features of ``rows`` pictures as one tensor ``(rows, features)`` float32, filled as they come; in a file of the
    cache, if they are many."""
    filled, at = torch.empty(0), 0
    for part in parts:
        if at == 0:
            shape = (rows, part.shape[1])
            is_large = 4 * rows * part.shape[1] > MEMORY_BYTES
            filled = torch.from_numpy(mapped(shape, np.float32)) if is_large else torch.empty(shape)
        filled[at : at + len(part)] = part
        at += len(part)
    assert at == rows
    return filled


@dataclass(frozen=True, kw_only=True)
class FeatureBatches:
    """Training batches of features ``(N, F)`` with labels ``(N,)``."""

    features: torch.Tensor
    labels: torch.Tensor
    batch_images: int = 64

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All features in a random order."""
        for indices in torch.randperm(len(self), generator=generator).split(self.batch_images):
            yield self.features[indices], self.labels[indices]
