"""What each channel contributes to the layers that use it: the importance that fits refitting.

A channel that is replaced by its mean (whose effect a constant then makes up for) changes what its user answers by its
variance times the squared weights there. So does a channel that leaves before its users are refitted (He et al. 2017,
"Channel Pruning for Accelerating Very Deep Neural Networks", chooses channels by what they contribute to such a fit).
"""

from collections.abc import Sequence

import torch
from torch import nn

from petiole.errors import GateError
from petiole.pruning.grouped import powers
from petiole.pruning.structured import ChannelGroup


@torch.no_grad()
def contributions(
    network: nn.Module, groups: Sequence[ChannelGroup], inputs: torch.Tensor, *, batch_images: int = 16
) -> dict[str, torch.Tensor]:
    """Variance of each channel times the squared weights behind it, ``(channels,)`` for each group, over training
    pictures ``(N, C, H, W)``; each user's answers count alike, and the mean of each group is 1.

    A user that takes in several numbers of a channel (a linear layer after flattening) counts their sum.

    Raises:
        GateError: a user takes in other numbers than the group says.
    """
    network.eval()
    users = {name for group in groups for name in group.users}
    moments = {name: _Moments() for name in users}
    hooks = [network.get_submodule(name).register_forward_pre_hook(moments[name].see) for name in users]
    try:
        for batch in inputs.split(batch_images):
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {group.name: _score(network, group, moments) for group in groups}


class _Moments:
    """Sums over what reaches a layer, by channel."""

    def __init__(self) -> None:
        self.seen: int = 0
        self.total: torch.Tensor | float = 0.0
        self.squares: torch.Tensor | float = 0.0

    def see(self, layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        """A forward pre-hook."""
        channels = -1 if isinstance(layer, nn.Linear) else 1
        values = arguments[0].float().movedim(channels, 0).flatten(1)  # (channels, all else)
        self.seen += values.shape[1]
        self.total = self.total + values.sum(1)
        self.squares = self.squares + values.square().sum(1)

    def variance(self) -> torch.Tensor:
        """Of each channel."""
        variance = torch.as_tensor(self.squares) / self.seen - (torch.as_tensor(self.total) / self.seen).square()
        return variance.clamp_min(0.0)


def _score(network: nn.Module, group: ChannelGroup, moments: dict[str, _Moments]) -> torch.Tensor:
    score = torch.zeros(group.channels)
    for name in group.users:
        power = moments[name].variance() * powers(network.get_submodule(name))  # of each input
        inputs, channels = _places(group, name, len(power))
        each = torch.zeros(group.channels).index_add_(0, channels, power[inputs])
        score += each / each.sum().clamp_min(1e-30)
    return score / score.mean().clamp_min(1e-30)


def _places(group: ChannelGroup, user: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The inputs of a ``user`` that are of the group, and the channel of each; where the group does not say, each
    channel has equally many, one after the other."""
    if user in group.places:
        inputs, channels = map(torch.tensor, group.places[user])
        return inputs, channels
    if size % group.channels:
        raise GateError(
            f"{user} takes in {size} numbers, not a multiple of the {group.channels} channels of {group.name}"
        )
    return torch.arange(size), torch.arange(size) // (size // group.channels)
