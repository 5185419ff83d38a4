"""Structured pruning: whole channels leave, so that what is left is a smaller network, dense and faster everywhere.

Layers that share channels lose them together: they are a *dependency group* (Fang et al. 2023, "DepGraph: Towards Any
Structural Pruning", section 3). In ``conv1 (3 -> 4), BatchNorm, conv2 (4 -> 2)`` the four channels in the middle are
one group: removing channel 3 takes row 3 of ``conv1``, entry 3 of the BatchNorm and column 3 of ``conv2``.

torch-pruning finds the groups and cuts; which channels go is decided in :mod:`petiole.pruning.channels`.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from petiole.errors import GateError, UserError, unknown_choice
from petiole.pruning.channel_gates import WEIGHTED, count, like, require_followable, require_same, require_whole
from petiole.pruning.choices import Importance
from petiole.pruning.falling import walk
from petiole.pruning.graph import graph_of, groups_of, is_shuffled
from petiole.pruning.grouped import cut, is_depthwise, is_even, mask_inputs, size, tied
from petiole.pruning.importances import IMPORTANCES, require_gradients

Removed = Mapping[str, Sequence[int]]
"""Group name -> the channels that leave."""
Plan = list[tuple[str, list[int]]]
"""What left, in order, as artifacts carry it: a layer and the output channels that it lost, counted at that time."""

Falls = dict[tuple[str, int], dict[int, set[int]]]
"""(Layer, side: 0 outputs, 1 inputs) -> channel of the group -> the outputs or inputs that fall with it."""

ADDED = ("AddBackward", "CopySlices")
"""What autograd calls an addition, and one into a part of a tensor (GhostNet adds in place to what it has cut off)."""


class ImportanceError(GateError):
    """An importance that says nothing about the channels of this network."""


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that stand or fall together: ``makers`` are the layers that put them out, ``users`` those that take
    them in (a depthwise convolution is a maker only: it hands channels on). ``name`` is the first maker.

    ``of_outputs`` and ``of_inputs`` are the shares of a maker's outputs and a user's inputs that are of this group (1
    where not given: concatenation joins groups). ``places`` are a user's inputs and the channel that each comes from.
    ``is_added``: a residual addition joins the makers. ``fewest`` stay, since with more of them a layer would lose all.
    ``tied`` channels leave together, neighbours if ``is_block`` (:func:`petiole.pruning.grouped.tied`). Those that are
    shuffled (``is_shuffled``) cannot leave.
    """

    name: str
    channels: int
    makers: tuple[str, ...]
    users: tuple[str, ...]
    of_outputs: Mapping[str, float] = field(default_factory=dict)
    of_inputs: Mapping[str, float] = field(default_factory=dict)
    places: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    is_added: bool = False
    fewest: int = 1
    tied: int = 1
    is_block: bool = False
    is_shuffled: bool = False


class Dependencies:
    """The dependency groups of a network, as it is now: after :meth:`remove` make them anew.

    ``example`` is an input ``(1, C, H, W)``; groups that hold an output of a layer in ``protected`` are left out.

    Raises:
        GateError: channels of the network cannot be followed (``require_followable`` in ``channel_gates``,
            or it has operations that they cannot be followed through).
        UserError: a name in ``protected`` is of no layer.
    """

    def __init__(self, network: nn.Module, example: torch.Tensor, *, protected: Collection[str] = ()) -> None:
        require_followable(network, example)
        self.network, self.example = network.eval().to(memory_format=torch.contiguous_format), example
        self._names = {module: name for name, module in network.named_modules()}
        modules = dict(network.named_modules(remove_duplicate=False))
        if unknown := sorted(set(protected) - set(modules)):
            raise UserError(f"the network has no layer {unknown[0]!r} to protect: give names of its named_modules()")
        ignored = [modules[name] for name in protected]
        self._graph = graph_of(network, example)
        self._found = groups_of(self._graph, ignored=ignored)
        self.groups = tuple(self._group(found) for found in self._found)
        self._falling: dict[str, Falls] = {}

    def _takes_in(self, dependency: Any) -> bool:
        """Whether the target mixes what it takes in; a depthwise convolution hands its channels on."""
        layer = dependency.target.module
        if not isinstance(layer, WEIGHTED) or is_depthwise(layer):
            return False
        return bool(self._graph.is_in_channel_pruning_fn(dependency.handler))

    def _group(self, found: Any) -> ChannelGroup:
        of_outputs: dict[str, float] = {}
        of_inputs: dict[str, float] = {}
        places: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        for item in found.items:
            layer = item.dep.target.module
            if not isinstance(layer, WEIGHTED):
                continue
            name, side = self._names[layer], int(self._takes_in(item.dep))
            share = len(item.idxs) / size(layer, side)
            if side:
                of_inputs[name] = of_inputs.get(name, 0.0) + share
                inputs, channels = places.get(name, ((), ()))
                places[name] = (*inputs, *item.idxs), (*channels, *item.root_idxs)
            elif item.dep.handler == self._graph.get_pruner_of_module(layer).prune_out_channels:
                of_outputs[name] = of_outputs.get(name, 0.0) + share
        number = len(found[0][1])
        together, is_block = tied(found, number)
        return ChannelGroup(
            name=next(iter(of_outputs)), channels=number, makers=tuple(of_outputs), users=tuple(of_inputs),
            of_outputs=of_outputs, of_inputs=of_inputs, places=places,
            tied=together, is_block=is_block, is_shuffled=is_shuffled(found),
            is_added=any(add in str(item.dep.target.name) for item in found.items for add in ADDED),
        )  # fmt: skip

    def scores(
        self, importance: Importance, groups: Sequence[ChannelGroup] | None = None, *, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """How much each channel matters, ``(channels,)`` for each of ``groups``, else of all; the mean of each group
        is about 1 (random ones lie evenly between 0 and 1).

        ``random``; ``l1`` and ``l2``, sums of its weights' absolute values or squares (after Li et al. 2017);
        ``bn_scale``, the BatchNorm's factor (which Liu et al. 2017 train with a penalty); ``taylor``, sums of
        the absolute weight times gradient (after Molchanov et al. 2019), of a loss that has been differentiated before.

        Raises:
            UserError: no such importance.
            ImportanceError: ``bn_scale`` where there is no BatchNorm, or scores that are not one for each channel.
            GateError: ``taylor`` where a layer of the groups has no gradients.
        """
        if importance not in IMPORTANCES:
            others = ["contribution (which is petiole.pruning.contribution.contributions)"]
            raise unknown_choice("importance", importance, [*IMPORTANCES, *others])
        estimate, scores = IMPORTANCES[importance](), {}
        wanted = {group.name for group in groups or self.groups}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for group, found in zip(self.groups, self._found, strict=True):
                if group.name not in wanted:
                    continue
                if importance == "taylor":
                    require_gradients(found)
                score = estimate(found)
                if score is None:
                    raise ImportanceError(f"--importance {importance} says nothing about {group.name}: choose another")
                scores[group.name] = _one_each(score.detach().float(), group, importance)
        return scores

    def _part(self, name: str, channels: Sequence[int]) -> Any:
        layer = self.network.get_submodule(name)
        handler = self._graph.get_pruner_of_module(layer).prune_out_channels
        part = self._graph.get_pruning_group(layer, handler, sorted(channels))
        if is_shuffled(part):
            raise GateError(f"channels of {name} are shuffled with others, so that none can leave: choose other ones")
        if not is_even(part):
            raise GateError(
                f"channels of {name} leave unevenly: give those at the same place of each convolution group, and whole "
                "groups of a GroupNorm"
            )
        return part

    def user_masks(self, removed: Removed) -> dict[str, torch.Tensor]:
        """Masks (True: kept) of the layers that take in what will leave: weight name -> the weight's shape.

        With these weights at zero the removed channels reach nothing any more, so that what is refitted under the
        masks is what is left after :meth:`remove` (which refuses what normalizes over channels: LayerNorm takes the
        removed ones into its mean until they have left).
        """
        masks: dict[str, torch.Tensor] = {}
        for name, channels in removed.items():
            for dependency, indices in self._part(name, channels):
                layer = dependency.target.module
                if self._takes_in(dependency):
                    key = f"{self._names[layer]}.weight"
                    mask_inputs(masks.setdefault(key, torch.ones_like(layer.weight, dtype=torch.bool)), layer, indices)
        return masks

    def _falls(self, name: str) -> Falls:
        """What falls with each channel of a group; found once. torch-pruning's own walk keeps lists in which an input
        stands once, though several channels may come to it, and takes minutes where they are long (attention)."""
        if name not in self._falling:
            layer = self.network.get_submodule(name)
            self._falling[name] = {}
            for dependency, pairs in walk(self._graph, layer):
                target = dependency.target.module
                if not isinstance(target, WEIGHTED):
                    continue
                side = int(self._takes_in(dependency))
                if side or dependency.handler == self._graph.get_pruner_of_module(target).prune_out_channels:
                    fallen = self._falling[name].setdefault((self._names[target], side), {})
                    for index, channel in pairs:
                        fallen.setdefault(channel, set()).add(index)
        return self._falling[name]

    def fallen(self, removed: Removed) -> dict[tuple[str, int], set[int]]:
        """The outputs (side 0) and inputs (side 1) that layers lose with ``removed``."""
        found: dict[tuple[str, int], set[int]] = {}
        for name, channels in removed.items():
            for place, falls in self._falls(name).items():
                found.setdefault(place, set()).update(*(falls.get(channel, ()) for channel in channels))
        return found

    def _gone(self, removed: Removed) -> dict[tuple[str, int], tuple[int, int]]:
        """How many of them, and of how many."""
        at, fallen = self.network.get_submodule, self.fallen(removed)
        return {(name, side): (len(those), size(at(name), side)) for (name, side), those in fallen.items()}

    def emptied(self, removed: Removed) -> str | None:
        """A layer that would lose all its outputs or inputs with ``removed``, and with all that falls with it."""
        return next((name for (name, _), (lost, of) in self._gone(removed).items() if lost >= of), None)

    def require_some_left(self, removed: Removed) -> None:
        """The gate before channels leave.

        Raises:
            GateError: no such channels, or a layer would lose all that it puts out or takes in.
        """
        sizes = {group.name: group.channels for group in self.groups}
        for name, channels in removed.items():
            those = set(map(int, channels)) & set(range(sizes.get(name, 0)))
            if len(those) < len(channels):
                raise GateError(f"{name} has no such channels that could leave: give each once, of a group in .groups")
        for (name, side), (lost, of) in self._gone(removed).items():
            if lost >= of:
                what = "inputs" if side else "channels"
                raise GateError(f"all {of} {what} of {name} would leave: keep one at least, or protect the layer")

    def costs_left(self, removed: Removed, costs: Mapping[str, int]) -> float:
        """What is left of the ``costs`` of all layers once ``removed`` has left, with all that falls with it: where a
        tensor is used twice, channels of one group may fall together."""
        left = {name: float(cost) for name, cost in costs.items()}
        for (name, _), (lost, of) in self._gone(removed).items():
            left[name] *= 1 - lost / of
        return sum(left.values())

    def remove(self, removed: Removed) -> Plan:
        """Cut the channels out of the network, in place; returns the plan with which :func:`rebuild` does the same.
        Tried on a copy first, so that a network that is refused is whole.

        Raises:
            GateError: nothing left, a layer would lose all, or the network answers otherwise than with masked channels.
        """
        self.require_some_left(removed)
        before = count(self.network)
        plan: Plan = [(name, sorted(map(int, channels))) for name, channels in removed.items() if len(channels)]
        tried, inputs = copy.deepcopy(self.network), like(self.example)
        with torch.no_grad():
            shape = self.network(self.example).shape
            for key, mask in self.user_masks(dict(plan)).items():
                tried.get_parameter(key).masked_fill_(~mask, 0.0)
            masked = tried(inputs)
        require_whole(rebuild(tried, self.example, plan), self.example, shape, before)
        require_same(tried, inputs, masked)
        for name, channels in plan:
            cut(self._part(name, channels))
        require_whole(self.network, self.example, shape, before)
        return plan


def rebuild(network: nn.Module, example: torch.Tensor, plan: Sequence[tuple[str, Sequence[int]]]) -> nn.Module:
    """Cut a network as ``plan`` says, in place: the architecture of a pruned network, ready for its weights.

    Raises:
        UserError: the plan is of another network.
        GateError: a parameter does not require grad, a layer does not run, or channels cannot be followed.
    """
    require_followable(network, example)
    graph = graph_of(network, example)
    for name, channels in plan:
        layer = dict(network.named_modules()).get(name)
        those = {each for each in channels if isinstance(layer, WEIGHTED) and 0 <= each < layer.weight.shape[0]}
        if not isinstance(layer, WEIGHTED) or not len(those) == len(channels) < layer.weight.shape[0]:
            raise UserError(f"the pruning plan does not fit: {name} has no such channels in this network")
        part = graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, list(channels))
        if is_shuffled(part) or not is_even(part):
            raise UserError(f"the pruning plan does not fit: {name} loses channels unevenly in this network")
        cut(part)
    return network


def _one_each(score: torch.Tensor, group: ChannelGroup, importance: str) -> torch.Tensor:
    """``(channels,)``. Where the first layer that is scored takes channels in twice, torch-pruning puts zeros behind
    the scores, and divides by a mean that counts them."""
    if len(score) > group.channels and not bool(score[group.channels :].any()):
        score = score[: group.channels] / score[: group.channels].mean()
    if len(score) != group.channels or not bool(score.isfinite().all()):
        raise ImportanceError(
            f"--importance {importance} does not give each of the {group.channels} channels of {group.name} a number: "
            "choose another, such as contribution"
        )
    return score
