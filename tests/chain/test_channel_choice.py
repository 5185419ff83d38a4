"""Which groups of channels may leave."""

import pytest
import torch
from torch import nn

from petiole.chain.channel_choice import inner, scorer, share_of_costs, share_of_counts
from petiole.errors import GateError, UserError
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.structured import ChannelGroup, Dependencies


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
    assert {group.name for group in inner(groups)} == expected


def test_grouped_convolutions_and_squeezed_blocks_may_lose_channels() -> None:
    """ResNeXt's blocks have a grouped convolution inside; MobileNet weighs the channels inside, which joins nothing."""
    found = {}
    for name in ("resnext50_32x4d", "mobilenet_v3_small"):
        network = backbones.adapt(backbones.find(name), None, classes=2, seed=0)
        output, _ = backbones.output_layer(network)
        groups = Dependencies(network, torch.zeros(1, 3, 64, 64), protected=[output]).groups
        found[name] = {maker for group in inner(groups) for maker in group.makers}
    assert {"layer1.0.conv1", "layer1.0.conv2", "layer4.2.conv2"} <= found["resnext50_32x4d"]
    assert "layer1.0.conv3" not in found["resnext50_32x4d"], "a residual addition joins what blocks put out"
    assert {"features.4.block.0.0", "features.4.block.2.fc2"} <= found["mobilenet_v3_small"]


def test_what_additions_join_leaves_where_there_is_nothing_else() -> None:
    """A block of RepVGG adds what its two convolutions make."""
    network = backbones.adapt(backbones.find("repvgg_a0"), None, classes=2, seed=0)
    groups = Dependencies(network, torch.zeros(1, 3, 64, 64), protected=["head.fc"]).groups
    assert all(group.is_added for group in groups)
    assert inner(groups) == groups


def test_taylor_differentiates_the_mean_loss() -> None:
    """One channel, doubled for the output layer: the score is that of torch's own gradient, and none is left behind."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    inputs, labels = torch.randn(20, 3, 4, 4), torch.arange(20) % 2
    dependencies = Dependencies(network, inputs[:1], protected=["3"])
    found = scorer("taylor", inputs, labels, 0)(dependencies, dependencies.groups)["0"]
    assert all(parameter.grad is None for parameter in network.parameters())
    nn.functional.cross_entropy(network(inputs), labels).backward()
    assert torch.allclose(found, dependencies.scores("taylor")["0"], rtol=1e-4)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_share_of_the_costs_is_reached_as_far_as_pruning_has_come(share: float) -> None:
    """32 channels that all costs hang on: at half of the way to a quarter, 5/8 are left, 20 channels."""
    groups = [ChannelGroup(name="a", channels=32, makers=("a",), users=())]
    keep = share_of_costs({"a": 320}, 0.25, "uniform", multiple=1)
    assert keep(groups, {}, share) == {"a": {0.5: 20, 1.0: 8}[share]}


def test_a_share_of_the_channels() -> None:
    groups = [ChannelGroup(name="a", channels=32, makers=("a",), users=("b",))]
    assert share_of_counts(0.5)(groups, {}, 0.5) == {"a": 24}


def test_a_share_that_rounds_to_no_channel_names_the_least_that_does() -> None:
    """Of 32 channels in multiples of 8, 27 must be wanted (27.5 at 14.1%) for 24 to stay."""
    groups = [ChannelGroup(name="stem", channels=32, makers=("stem",), users=("b",))]
    message = r"--amount 0\.1 removes none of the 32 channels of stem \(counts are multiples of 8\): give 0\.15 or more"
    with pytest.raises(GateError, match=message):
        share_of_counts(0.1)(groups, {}, 1.0)
    assert share_of_counts(0.15)(groups, {}, 1.0) == {"stem": 24}
    assert share_of_counts(0.15)(groups, {}, 0.5) == {"stem": 32}, "on the way nothing need leave"


def test_few_channels_that_cannot_lose_any_are_told() -> None:
    groups = [ChannelGroup(name="stem", channels=8, makers=("stem",), users=("b",))]
    with pytest.raises(GateError, match=r"none of the 8 channels of stem .* too few: choose another --backbone"):
        share_of_counts(0.9)(groups, {}, 1.0)


def test_a_depthwise_convolution_hands_channels_on() -> None:
    network = backbones.adapt(backbones.find("efficientnet_lite0"), None, classes=2, seed=0)
    groups = Dependencies(network, torch.zeros(1, 3, 64, 64), protected=["classifier"]).groups
    found = {group.name: group for group in inner(groups)}
    assert set(found["blocks.1.0.conv_dw"].makers) == {"blocks.1.0.conv_dw", "blocks.1.0.conv_pw"}
    assert found["blocks.1.0.conv_dw"].users == ("blocks.1.0.conv_pwl",)
    assert "blocks.1.0.conv_pwl" not in found, "the block after it adds its own answer to these channels"


def test_a_share_of_all_channels_takes_the_least_important_of_all_groups() -> None:
    """Half of 64: all of b's score less than a's, and 16 of them stay, for counts are multiples of 16."""
    groups = [ChannelGroup(name=name, channels=32, makers=(name,), users=("z",)) for name in "ab"]
    scores = {"a": torch.arange(32.0) + 32, "b": torch.arange(32.0)}
    keep = share_of_counts(0.5, "global", multiple=16, option="--channels")
    assert keep(groups, scores, 1.0) == {"a": 32, "b": 16}
    with pytest.raises(
        GateError, match=r"--channels 0\.1 removes none of the channels of 2 groups .* give 0\.15 or more"
    ):
        share_of_counts(0.1, "global", multiple=16, option="--channels")(groups, scores, 1.0)


def partly_normalized(first: int = 32) -> nn.Sequential:
    """Three convolutions, the second one without BatchNorm, and an output layer."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, first, 1), nn.BatchNorm2d(first), nn.ReLU(), nn.Conv2d(first, 32, 1), nn.ReLU()]
    layers += [nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(32, 2)).eval()


def halved(network: nn.Module, spread: str) -> ChannelPruner:
    """Half of the channels that may leave, by BatchNorm's scales."""
    inputs, labels = torch.randn(4, 3, 4, 4), torch.arange(4) % 2
    pruner = ChannelPruner(
        network, inputs[:1], protected=["10"], choose=inner, score=scorer("bn_scale", inputs, labels, 0),
        keep=share_of_counts(0.5, spread),
    )  # fmt: skip
    pruner.prune(1.0)
    return pruner


@pytest.mark.parametrize("spread", ["global", "uniform"])
def test_by_scales_layers_without_batch_norm_stay_whole(spread: str) -> None:
    """Scales 1 to 32 (their mean is 16.5): in each of the two layers that have them the first 16 leave."""
    network = partly_normalized()
    for name in ("1", "6"):
        network.get_submodule(name).weight.data = torch.arange(1.0, 33.0)
    pruner = halved(network, spread)
    assert pruner.removed == {"0": list(range(16)), "5": list(range(16))}
    scores = pruner.scores()
    assert set(scores) == {"0", "5"}
    assert torch.allclose(scores["0"][16:], torch.arange(17.0, 33.0).double() / 16.5)
    pruner.finish()
    assert [network.get_submodule(name).weight.shape[0] for name in "035"] == [16, 32, 16]  # type: ignore[index]


def test_equal_scales_leave_all_layers_alike() -> None:
    """A network that has learned nothing: half of 64 and half of 32, not the first layer and then the next one."""
    removed = halved(partly_normalized(first=64), "global").removed
    assert removed == {"0": list(range(32)), "5": list(range(16))}


def test_bn_scale_of_a_network_without_batch_norm_is_refused() -> None:
    dependencies = Dependencies(LeNet(), torch.zeros(1, 1, 32, 32), protected=["fc3"])
    score = scorer("bn_scale", torch.zeros(1, 1, 32, 32), torch.zeros(1, dtype=torch.long), 0)
    with pytest.raises(GateError, match=r"bn_scale says nothing about this network: no layer .* has BatchNorm; choose"):
        score(dependencies, dependencies.groups)


def test_an_unknown_importance_is_told_with_all_that_there_are() -> None:
    inputs, labels = torch.zeros(1, 1, 32, 32), torch.zeros(1, dtype=torch.long)
    with pytest.raises(UserError, match=r"'foo': choose from contribution, random, l1, l2, taylor, bn_scale$"):
        scorer("foo", inputs, labels, 0)
    with pytest.raises(UserError, match="'L1': choose from random, l1, l2, taylor, bn_scale, contribution"):
        Dependencies(LeNet(), inputs).scores("L1")  # type: ignore[arg-type]
