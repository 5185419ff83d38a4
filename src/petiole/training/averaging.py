"""Weights half-way between a network before and after it was retrained."""

from collections.abc import Mapping

import torch
from torch import nn

SHARE = 0.5
"""Share of the retrained weights, fixed beforehand as the paper proposes."""


@torch.no_grad()
def average_with(network: nn.Module, before: Mapping[str, torch.Tensor], *, share: float = SHARE) -> None:
    """Set every weight, in place, to ``share * after + (1 - share) * before``; what is no float stays as it is.

    Some hundred photos pull a large network towards themselves; the average holds better on others, at no cost when
    it runs (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3). Weights that are zero before
    and after stay zero.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(3.0)
    >>> average_with(layer, {"weight": torch.tensor([[1.0]])})
    >>> layer.weight.item()
    2.0
    """
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(before[name].to(tensor), 1 - share)
