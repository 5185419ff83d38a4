"""Features of a frozen network, computed once: what its output layer takes in."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn


@torch.no_grad()
def features(network: nn.Module, layer: nn.Module, inputs: torch.Tensor, *, batch_images: int = 32) -> torch.Tensor:
    """What reaches ``layer`` for inputs ``(N, C, H, W)``: ``(N, features)``. The network is put into eval mode,
    so that BatchNorm's statistics stay as they are."""
    network.eval()
    caught: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, arguments: caught.append(arguments[0].detach()))
    try:
        for batch in inputs.split(batch_images):
            network(batch)
    finally:
        handle.remove()
    return torch.cat(caught)


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
