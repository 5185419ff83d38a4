"""The gates around the removal of channels: a network that can be followed before it, one that is whole after it."""

import torch
from torch import nn

from petiole.errors import GateError


def require_followable(network: nn.Module) -> None:
    """Every parameter takes part in autograd's graph, through which channels are followed.

    Raises:
        GateError: a parameter does not require grad, or nothing does (``torch.inference_mode``): its channels would be
            invisible, and stay without a word.
    """
    if torch.is_inference_mode_enabled():
        raise GateError("channels cannot be followed inside torch.inference_mode: prune outside of it")
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    if frozen:
        raise GateError(f"{frozen[0]} is frozen: channels of frozen layers cannot be followed; let it require grad")


def count(network: nn.Module) -> int:
    """Of all parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def require_whole(network: nn.Module, example: torch.Tensor, shape: torch.Size, before: int) -> None:
    """Fewer parameters than ``before``, and outputs of the same ``shape`` on the ``example`` ``(1, C, H, W)``.

    Raises:
        GateError: nothing left, layers do not fit together, or the outputs have another shape.
    """
    if count(network) >= before:
        raise GateError("no channel left the network: nothing was pruned")
    try:
        found = network(example).shape
    except RuntimeError as error:
        raise GateError(f"layers no longer fit together after channels were removed: {error}") from error
    if found != shape:
        raise GateError(f"the network gave outputs {tuple(shape)} and now gives {tuple(found)}")
