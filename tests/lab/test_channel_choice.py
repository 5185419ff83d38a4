"""Which groups of channels may leave."""

import pytest
import torch

from petiole.lab.channel_choice import inner
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.pruning.structured import Dependencies


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", {f"layer{stage}.{block}.conv1" for stage in (1, 2, 3, 4) for block in (0, 1)}),
        ("LeNet", {"conv1", "conv2", "fc1", "fc2"}),
    ],
)
def test_what_residual_additions_share_stays(name: str, expected: set[str]) -> None:
    if name == "LeNet":
        network: torch.nn.Module = LeNet()
        example = torch.zeros(1, 1, 32, 32)
    else:
        network, example = backbones.adapt(backbones.find(name), None, classes=2, seed=0), torch.zeros(1, 3, 64, 64)
    output, _ = backbones.output_layer(network)
    groups = Dependencies(network, example, protected=[output]).groups
    assert {group.name for group in inner(groups, network)} == expected


def test_a_depthwise_convolution_hands_channels_on() -> None:
    network = backbones.adapt(backbones.find("efficientnet_lite0"), None, classes=2, seed=0)
    groups = Dependencies(network, torch.zeros(1, 3, 64, 64), protected=["classifier"]).groups
    found = {group.name: group for group in inner(groups, network)}
    assert set(found["blocks.1.0.conv_dw"].makers) == {"blocks.1.0.conv_dw", "blocks.1.0.conv_pw"}
    assert found["blocks.1.0.conv_dw"].users == ("blocks.1.0.conv_pwl",)
    assert "blocks.1.0.conv_pwl" not in found, "the block after it adds its own answer to these channels"
