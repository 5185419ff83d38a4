"""The gates around the removal of channels: a network that can be followed before it, one that is whole after it."""

import torch
from torch import nn

from petiole.errors import GateError

WEIGHTED = (nn.Conv2d, nn.Linear)
"""Layers whose channels leave."""
SAME = 0.001
"""Of the largest logit: by how much a network without its masked channels may answer otherwise (rounding: 0.00001)."""


def require_followable(network: nn.Module, example: torch.Tensor) -> None:
    """Every weighted layer takes part in autograd's graph, through which channels are followed, when an ``example``
    ``(1, C, H, W)`` goes through the network in eval mode.

    Raises:
        GateError: a parameter does not require grad, nothing does (``torch.inference_mode``), or a layer does not run
            (GoogLeNet's auxiliary outputs do only in training): channels there would be invisible, and stay without a
            word. Or a weight is masked or computed from others, two modules share a parameter, or the network does not
            give one tensor.
    """
    _require_own_parameters(network)
    if torch.is_inference_mode_enabled():
        raise GateError("channels cannot be followed inside torch.inference_mode: prune outside of it")
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    if frozen:
        raise GateError(f"{frozen[0]} is frozen: channels of frozen layers cannot be followed; let it require grad")
    with torch.enable_grad():
        answers = network.eval()(example)
    if not isinstance(answers, torch.Tensor):
        raise GateError(
            f"the network gives a {type(answers).__name__} and not one tensor: wrap it to give its logits alone"
        )
    met = _met(answers)
    for name, layer in network.named_modules():
        if isinstance(layer, WEIGHTED) and not any(parameter in met for parameter in layer.parameters()):
            raise GateError(
                f"{name} does not run in eval mode, so that its channels cannot be followed: remove it first"
            )


def _require_own_parameters(network: nn.Module) -> None:
    """Weights are parameters, each of one module: others do not become smaller with their layer, or damage another."""
    owners: dict[nn.Parameter, str] = {}
    for name, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False))
        for key in ("weight", "bias") if isinstance(module, WEIGHTED) else ():
            if key not in own and getattr(module, key) is not None:
                raise GateError(
                    f"{name}.{key} is not a parameter: make it permanent first "
                    "(torch.nn.utils.prune.remove, remove_weight_norm or parametrize.remove_parametrizations)"
                )
        for key, parameter in own.items():
            if parameter in owners:
                raise GateError(f"{owners[parameter]} and {name}.{key} are one parameter: give each layer its own")
            owners[parameter] = f"{name}.{key}"


def _met(answers: torch.Tensor) -> set[torch.Tensor]:
    """The parameters that ``answers`` were computed from."""
    found, waiting = set(), [answers.grad_fn]
    while waiting:
        step = waiting.pop()
        if step is not None and step not in found:
            found.add(step)
            waiting += [before for before, _ in step.next_functions]
    return {step.variable for step in found if hasattr(step, "variable")}


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


def like(example: torch.Tensor) -> torch.Tensor:
    """An input of the shape and type of ``example`` in which something is to be seen; always the same."""
    return torch.rand(example.shape, dtype=example.dtype, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def require_same(network: nn.Module, inputs: torch.Tensor, masked: torch.Tensor) -> None:
    """A network without channels answers on ``inputs`` ``(N, C, H, W)`` as it did with them ``masked``.

    Raises:
        GateError: it does not: what was chosen and refitted under the masks was another one.
    """
    off = difference(network(inputs), masked)
    if not off <= SAME:
        raise GateError(
            f"without its masked channels the network answers otherwise than with them ({off:.1%} off): it splits, "
            "weighs or normalizes channels together, which masks cannot follow; choose another --backbone"
        )


def difference(answers: torch.Tensor, wanted: torch.Tensor) -> float:
    """How far two networks' ``answers`` are apart, of the largest one ``wanted``.

    >>> difference(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 4.0]))
    0.25
    """
    return float((answers - wanted).abs().max() / wanted.abs().max().clamp_min(1e-12))
