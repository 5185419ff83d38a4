"""Networks whose channels cannot be followed are refused in a sentence, before anything is cut."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from petiole.errors import GateError, UserError
from petiole.pruning.channel_gates import require_followable
from petiole.pruning.structured import Dependencies, rebuild

EXAMPLE = torch.rand(1, 3, 8, 8)


def chain() -> nn.Sequential:
    """Three convolutions (3 -> 4 -> 4 -> 4), pooling, linear (4 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 2)).eval()


def refused(network: nn.Module, told: str) -> None:
    with pytest.raises(GateError, match=told):
        Dependencies(network, EXAMPLE)
    with pytest.raises(GateError, match=told):
        rebuild(network, EXAMPLE, [("0", [0])])


def test_two_layers_that_share_a_weight_are_refused_and_one_that_is_used_twice_is_not() -> None:
    network = chain()
    network[3].weight = network[1].weight
    refused(network, r"^1\.weight and 3\.weight are one parameter: ")
    twice = chain()
    twice[3] = twice[1]
    require_followable(twice, EXAMPLE)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3),
        lambda layer: parametrizations.weight_norm(layer),
        lambda layer: torch.nn.utils.weight_norm(layer),
    ],
    ids=["masks", "parametrized", "hooked"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_weight_that_is_no_parameter_is_refused(change: Callable[[nn.Module], Any]) -> None:
    network = chain()
    change(network[1])
    refused(network, r"^1\.weight is not a parameter: make it permanent first .*torch\.nn\.utils\.prune\.remove")


def test_masks_that_were_made_permanent_are_followed() -> None:
    network = chain()
    prune.l1_unstructured(network[1], "weight", amount=0.3)
    prune.remove(network[1], "weight")
    assert Dependencies(network, EXAMPLE, protected=["6"]).remove({"1": [2]}) == [("1", [2])]


@pytest.mark.parametrize(
    ("wrap", "kind"), [(lambda out: (out, out), "tuple"), (lambda out: {"out": out}, "dict")], ids=["tuple", "dict"]
)
def test_a_network_that_gives_more_than_a_tensor_is_refused(wrap: Callable[[torch.Tensor], Any], kind: str) -> None:
    network = chain()
    network.register_forward_hook(lambda module, inputs, output: wrap(output))
    refused(network, f"^the network gives a {kind} and not one tensor: ")


def test_a_protected_layer_that_there_is_not_is_told() -> None:
    with pytest.raises(UserError, match=r"^the network has no layer 'head' to protect: "):
        Dependencies(chain(), EXAMPLE, protected=["6", "head"])


def test_taylor_needs_gradients_of_the_layers_it_is_asked_about() -> None:
    """Only the layers from 3 on were trained: the group of 3 has all gradients, those before it have not."""
    network = chain()
    dependencies = Dependencies(network, EXAMPLE, protected=["6"])
    network[2:](network[:2](EXAMPLE).detach()).square().sum().backward()
    last = [group for group in dependencies.groups if group.name == "3"]
    assert dependencies.scores("taylor", last)["3"].shape == (4,)
    with pytest.raises(GateError, match="importance taylor needs gradients of all layers"):
        dependencies.scores("taylor")
