"""Pretrained networks by name, and their output layer: the one part that transfer learning replaces.

Any classifier of torchvision or timm whose output layer is a linear one will do. The names of the handout are
``alexnet`` and ``resnet18``; ``efficientnet_lite0`` is the one whose weights are installed with Petiole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import timm
import torch
import torchvision
from torch import nn

from petiole.errors import UserError, unknown_choice
from petiole.preprocessing import IMAGENET, LITE, Preprocessing

ALIASES = {"efficientnet_lite0": "tf_efficientnet_lite0"}
SUGGESTED = ["alexnet", "resnet18", "efficientnet_lite0", "any classifier of torchvision or timm"]
OTHERS = f"choose another --backbone, such as {', '.join(SUGGESTED[:3])}"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network's name, how to build it with its ImageNet-shaped output layer, and what input it wants."""

    name: str
    preprocessing: Preprocessing

    def at(self, size_px: int) -> "Backbone":
        """The same network for pictures of another size; the part of them that is seen stays the same."""
        old = self.preprocessing
        resize_px = round(old.resize_px * size_px / old.size_px)
        return Backbone(
            name=self.name, preprocessing=old.model_copy(update={"size_px": size_px, "resize_px": resize_px})
        )

    def build(self) -> nn.Module:
        """The network with random weights and its original number of outputs."""
        if self.name in torchvision.models.list_models(module=torchvision.models):
            module: nn.Module = torchvision.models.get_model(self.name, weights=None)
        else:
            module = timm.create_model(ALIASES.get(self.name, self.name), pretrained=False)
        for each in module.modules():
            if isinstance(getattr(each, "inplace", None), bool):
                each.inplace = False  # type: ignore[assignment]  # a flag; exporting rewrites each in-place operator
        return module


def find(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        UserError: neither torchvision nor timm knows it, or it is no classifier.
    """
    if name in torchvision.models.list_models(module=torchvision.models):
        return Backbone(name=name, preprocessing=IMAGENET)
    if name in ALIASES:
        return Backbone(name=name, preprocessing=LITE)
    if not timm.is_model(name):
        raise unknown_choice("backbone", name, SUGGESTED)
    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # the model, but with weights of a name that timm does not know
        raise unknown_choice("backbone", name, [name.partition(".")[0], *SUGGESTED]) from None
    if config is not None and config.num_classes == 0:
        raise UserError(f"{name} has no output layer, it gives features only: choose a classifier, such as resnet18")
    size_px = config.input_size[-1] if config else 224
    crop = config.crop_pct if config else 0.875
    preprocessing = Preprocessing(
        size_px=size_px,
        resize_px=round(size_px / crop),
        mean=tuple(config.mean) if config else IMAGENET.mean,
        std=tuple(config.std) if config else IMAGENET.std,
    )
    return Backbone(name=name, preprocessing=preprocessing)


def output_layer(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the output layer: the last linear layer.

    Raises:
        UserError: there is no linear layer.
    """
    linears = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linears:
        convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
        which = f" ({convolutions[-1]}, its last layer, is a convolution)" if convolutions else ""
        raise UserError(
            f"this backbone has no linear output layer to replace{which}: choose one that has, such as resnet18"
        )
    return linears[-1]


def replace_output_layer(network: nn.Module, layer: nn.Module) -> None:
    """Put ``layer`` where the output layer is."""
    name, _ = output_layer(network)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, layer)


def adapt(backbone: Backbone, state: Mapping[str, torch.Tensor] | None, *, classes: int, seed: int) -> nn.Module:
    """The pretrained network with a new, seeded output layer of ``classes`` neurons (handout section 3.2).

    ``state`` is the ImageNet-shaped state dict; None keeps random weights.

    Raises:
        UserError: the state dict does not fit the network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = backbone.build()
        _, old = output_layer(network)
        if state is not None:
            load_state(network, state, what=f"the weights for {backbone.name}")
        replace_output_layer(network, nn.Linear(old.in_features, classes))
    return network


def load_state(network: nn.Module, state: Mapping[str, torch.Tensor], *, what: str) -> None:
    """Load a state dict, complete and exact.

    Raises:
        UserError: a tensor is missing, too many, of another shape, or no numbers; the message names the first one.
    """
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state:
            if name.endswith("num_batches_tracked"):
                continue  # bookkeeping that older checkpoints lack; it does not enter any result
            raise UserError(f"{what} do not fit: {name} is missing; give a file made for this network")
        if state[name].shape != tensor.shape:
            given, wanted = tuple(state[name].shape), tuple(tensor.shape)
            raise UserError(f"{what} do not fit: {name} is {given}, not {wanted}; give a file made for this network")
        require_numbers(name, state[name], what=what)
    extra = sorted(set(state) - set(own))
    if extra:
        raise UserError(f"{what} do not fit: {extra[0]} is not in this network; give a file made for this network")
    network.load_state_dict(dict(state), strict=False)


def require_numbers(name: str, tensor: torch.Tensor, *, what: str) -> None:
    """Let through dense tensors of finite real numbers that torch can compute with.

    Raises:
        UserError: it is something else; the message has ``what`` it is of, and its name.
    """
    is_tiny_float = tensor.is_floating_point() and tensor.itemsize == 1  # torch cannot compute with those of 8 bits
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_complex() or is_tiny_float:
        raise UserError(
            f"{what}: {name} ({tensor.dtype}) is no dense tensor of real numbers that can be computed with: "
            "save the state dict of a float network"
        )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise UserError(f"{what}: {name} holds values that are no numbers: take a state dict from before it diverged")


@torch.no_grad()
def takes(backbone: Backbone, *, classes: int) -> bool:
    """Whether the adapted network can take in pictures of its preprocessing's size (some networks know only one)."""
    network = adapt(backbone, None, classes=classes, seed=0).eval()
    try:
        network(torch.zeros(1, *backbone.preprocessing.input_shape))
    except (AssertionError, RuntimeError, ValueError):
        return False
    return True


@torch.no_grad()
def require_trainable(backbone: Backbone, *, classes: int) -> None:
    """Try the adapted network on two empty pictures, as training will use it.

    Raises:
        UserError: it has no linear output layer, or while training gives something else than one row of logits for
            each picture (GoogLeNet and Inception have auxiliary outputs).
    """
    network = adapt(backbone, None, classes=classes, seed=0).train()
    try:
        logits = network(torch.zeros(2, *backbone.preprocessing.input_shape))
    except (AssertionError, RuntimeError, ValueError) as error:
        why = str(error).split("\n")[0]
        raise UserError(f"{backbone.name} does not work with a new output layer ({why}): {OTHERS}") from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes):
        raise UserError(
            f"{backbone.name} does not give one row of logits for each picture while it is trained: {OTHERS}"
        )
