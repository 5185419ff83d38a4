"""Which groups of channels can leave rightly: tried on a copy, which must then answer as it does with them masked.

torch-pruning follows channels through what autograd remembers. What a network computes from sizes it was built with (a
split after the 32nd channel), or from all weights of a layer together (weight standardization), is not in there. So one
channel of each group, or as many as leave together, is masked and then removed from a copy in double precision. Where
the answers differ, or there are none, half of the groups are tried, and so on, until each that is at fault is found.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from petiole.errors import GateError, UserError
from petiole.pruning.channel_gates import difference, like
from petiole.pruning.channels import together
from petiole.pruning.structured import ChannelGroup, Dependencies, Removed, rebuild

TOLERANCE = 1e-6
"""Of the largest logit, in double precision: rounding makes 1e-13 of it."""
SMALL = 0.01
"""A scale below it hides the block that it scales."""


def unfollowable(dependencies: Dependencies, groups: Sequence[ChannelGroup], *, seed: int = 0) -> tuple[str, ...]:
    """Names of those of ``groups`` whose channels must stay, since without them the network would not answer as it does
    with them masked.

    Raises:
        GateError: each of the others could leave, but not all of them together.
    """
    generator = torch.Generator().manual_seed(seed)
    some = {
        group.name: together(group, int(torch.randint(group.channels // group.tied, (), generator=generator)))
        for group in groups
        if group.tied < group.channels and not group.is_shuffled
    }
    shuffled = [group.name for group in groups if group.is_shuffled]
    alone = {name: channels for name, channels in some.items() if dependencies.emptied({name: channels}) is None}
    network = _shown(dependencies.network)
    found = [] if _can_leave(dependencies, network, alone) else _at_fault(dependencies, network, alone)
    return tuple(group.name for group in groups if group.name in {*shuffled, *found})


def _at_fault(dependencies: Dependencies, network: nn.Module, removed: Removed) -> list[str]:
    """The groups without which all the others can leave together."""
    found, waiting = [], [list(removed)]
    while waiting:
        names = waiting.pop()
        if _can_leave(dependencies, network, {name: removed[name] for name in names}):
            continue
        if len(names) == 1:
            found += names
        else:
            waiting += [names[len(names) // 2 :], names[: len(names) // 2]]
    left = {name: channels for name, channels in removed.items() if name not in found}
    if not dependencies.emptied(left) and not _can_leave(dependencies, network, left):
        raise GateError(
            f"channels of {next(iter(left))} and other layers cannot leave together: this network ties them in a way "
            "that cannot be followed; choose another --backbone"
        )
    return found


@torch.no_grad()
def _can_leave(dependencies: Dependencies, network: nn.Module, removed: Removed) -> bool:
    """Whether a copy of ``network`` answers without the channels as it does with them masked."""
    if not removed:
        return True
    tried = copy.deepcopy(network)
    for key, mask in dependencies.user_masks(removed).items():
        tried.get_parameter(key).masked_fill_(~mask, 0.0)
    inputs = like(dependencies.example.double())
    wanted = tried(inputs)
    try:
        answers = rebuild(tried, inputs, [(name, list(channels)) for name, channels in removed.items()])(inputs)
    except (RuntimeError, ValueError, IndexError, AssertionError, GateError, UserError):
        return False
    return answers.shape == wanted.shape and difference(answers, wanted) <= TOLERANCE


@torch.no_grad()
def _shown(network: nn.Module) -> nn.Module:
    """A copy in double precision. Scales that are about zero, as some are at first, are drawn: nothing wrong behind
    them would show."""
    shown = copy.deepcopy(network).double().eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in shown.parameters():
        if parameter.dim() <= 1 and float(parameter.abs().max()) < SMALL:
            parameter.uniform_(0.5, 1.5, generator=generator)
    return shown
