"""Unstructured pruning: single weights become zero, by chance or by magnitude, in one layer or over the network.

The masks are torch's own (``torch.nn.utils.prune``, as the handout uses it in section 3.3); retraining holds them by
setting masked weights back to zero after every optimizer step.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn
from torch.nn.utils import prune

from petiole.errors import GateError, UserError, unknown_choice

Method = Literal["random", "magnitude"]
Scope = Literal["first", "global"]
Masks = Mapping[str, torch.Tensor]
"""Parameter name -> mask of the weight's shape, True where the weight is kept."""

METHODS: tuple[Method, ...] = ("random", "magnitude")
SCOPES: tuple[Scope, ...] = ("first", "global")


def prunable(network: nn.Module, scope: Scope) -> list[tuple[str, nn.Module]]:
    """The layers that a scope covers: the first convolution, or all convolution and linear layers.

    Raises:
        UserError: no such scope.
    """
    if scope not in SCOPES:
        raise unknown_choice("scope", scope, [*SCOPES])
    layers: list[tuple[str, nn.Module]] = [
        (name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    if scope == "first":
        return [layer for layer in layers if isinstance(layer[1], nn.Conv2d)][:1]
    return layers


def prune_weights(
    network: nn.Module, *, amount: float, method: Method, scope: Scope, seed: int
) -> dict[str, torch.Tensor]:
    """Set ``amount`` of the scope's weights to zero in place; returns the masks.

    ``global`` takes the share over all weights together, so that single layers may lose more or less of theirs. With
    the same seed, a larger amount takes what a smaller one takes, and more: pruning may go on step by step.

    Raises:
        UserError: ``amount`` is not between 0 and 1, or there is no such method or scope.
        GateError: nothing was pruned.
    """
    if not 0 < amount < 1:
        raise UserError(f"--amount {amount:g} is not between 0 and 1: give a share such as 0.3")
    if method not in METHODS:
        raise unknown_choice("method", method, [*METHODS])
    layers = prunable(network, scope)
    network.to(memory_format=torch.contiguous_format)  # torch's pruning calls view(), which channels_last refuses
    targets = [(module, "weight") for _, module in layers]
    scores = _random_scores(layers, seed) if method == "random" else None  # magnitude is torch's own default
    prune.global_unstructured(targets, prune.L1Unstructured, importance_scores=scores, amount=amount)
    masks = {}
    for name, module in layers:
        masks[f"{name}.weight"] = module.get_buffer("weight_mask").bool()
        prune.remove(module, "weight")
    hold(network, masks)
    require_sparsity(network, masks, amount)
    return masks


def _random_scores(layers: list[tuple[str, nn.Module]], seed: int) -> dict[tuple[nn.Module, str], torch.Tensor]:
    """A random number for each weight, the same for each amount: the fewer weights go, the fewer of the same."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(layer, layer.get_parameter("weight").shape) for _, layer in layers]
    return {(layer, "weight"): torch.rand(shape, generator=generator) for layer, shape in shapes}


def sparsity(network: nn.Module, masks: Masks) -> float:
    """Share of zeros among the weights that the masks cover."""
    weights = [network.get_parameter(name) for name in masks]
    return 1 - sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)


def masked_share(masks: Masks) -> float:
    """Share of the weights that the masks took away."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())


@torch.no_grad()
def hold(network: nn.Module, masks: Masks) -> None:
    """Set masked weights back to zero: call it after every optimizer step."""
    for name, mask in masks.items():
        network.get_parameter(name).masked_fill_(~mask, 0.0)  # a product would leave -0.0, which no file can drop


def require_sparsity(network: nn.Module, masks: Masks, amount: float) -> float:
    """The gate: masked weights are zero, and their share is the one asked for (within one weight of each layer).

    Raises:
        GateError: a pruned weight has come back (the layer is named), or too few are zero.
    """
    for name, mask in masks.items():
        if bool(network.get_parameter(name)[~mask].any()):
            raise GateError(f"pruned weights of {name} are no longer zero")
    share, total = masked_share(masks), sum(m.numel() for m in masks.values())
    if abs(share - amount) > len(masks) / total + 1e-6 or share == 0:
        raise GateError(f"asked to prune {amount:.1%} of {total} weights, pruned {share:.1%}")
    return sparsity(network, masks)
