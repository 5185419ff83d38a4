"""Channels that leave: what is cut is what was worked out by hand, and what was masked before is what is left after."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from multiplied import Multiplied
from petiole.errors import GateError, UserError
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.models.scratch import CNNScratch
from petiole.pruning.choices import Importance
from petiole.pruning.structured import Dependencies, rebuild

EXAMPLE = torch.zeros(1, 3, 8, 8)


def chain() -> nn.Sequential:
    """conv (3 -> 4), BatchNorm, conv (4 -> 2), pooling, linear (2 -> 2)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2, 2)).eval()


def test_a_channel_takes_its_row_its_entries_and_its_column() -> None:
    network = chain()
    first, norm, second = (network.get_submodule(name) for name in "013")
    expected = (first.weight[[0, 1, 3]], norm.weight[[0, 1, 3]], second.weight[:, [0, 1, 3]])  # type: ignore[index]
    plan = Dependencies(network, EXAMPLE, protected=["6"]).remove({"0": [2]})
    assert plan == [("0", [2])]
    for layer, weight in zip((first, norm, second), expected, strict=True):
        assert torch.equal(layer.weight, weight)  # type: ignore[arg-type]


def test_groups_name_who_makes_and_who_uses_channels() -> None:
    groups = {group.name: group for group in Dependencies(chain(), EXAMPLE, protected=["6"]).groups}
    assert groups["0"].makers == ("0",)
    assert groups["0"].users == ("3",)
    assert groups["0"].channels == 4
    assert groups["3"].users == ("6",)
    assert set(groups) == {"0", "3"}, "the outputs of the protected layer are no group"


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Every network that the lab prunes, some with other blocks (squeeze and excitation; concatenation)."""
    torch.manual_seed(0)
    found: dict[str, tuple[nn.Module, tuple[int, ...]]] = {"LeNet": (LeNet(), (1, 32, 32))}
    found["CNNScratch"] = (CNNScratch(2), (3, 128, 128))
    found["Joined"] = (Joined(), (3, 8, 8))
    for name in ("resnet18", "alexnet", "efficientnet_lite0", "mobilenet_v2", "mobilenet_v3_small"):
        backbone = backbones.find(name)
        found[name] = (backbones.adapt(backbone, None, classes=2, seed=0), backbone.preprocessing.input_shape)
    return found


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "LeNet",
        "CNNScratch",
        "Joined",
        "resnet18",
        "alexnet",
        "efficientnet_lite0",
        "mobilenet_v2",
        "mobilenet_v3_small",
    ],
)
def test_masked_before_is_removed_after_and_can_be_rebuilt(name: str) -> None:
    network, shape = networks()[name]
    inputs = torch.randn(2, *shape)
    output, _ = backbones.output_layer(network)
    original, masked = copy.deepcopy(network), copy.deepcopy(network).eval()
    with torch.enable_grad():
        dependencies = Dependencies(network, inputs[:1], protected=[output])
        scores = dependencies.scores("l1")
    quarter = {
        group.name: scores[group.name].argsort()[: group.channels // 4].tolist() for group in dependencies.groups
    }
    for key, mask in dependencies.user_masks(quarter).items():
        masked.get_parameter(key).masked_fill_(~mask, 0.0)
    plan = dependencies.remove(quarter)
    assert torch.allclose(network(inputs), masked(inputs), atol=1e-5)
    before, after = (sum(p.numel() for p in each.parameters()) for each in (original, network))
    assert after < 0.75 * before
    with torch.enable_grad():
        again = rebuild(original, inputs[:1], plan)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(inputs), network(inputs))


class Joined(nn.Module):
    """Two convolutions whose outputs are concatenated for a third; then channels last for a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.out = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(8, 6, 1), nn.Linear(6, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        joined = self.c(torch.cat([self.a(images), self.b(images)], 1)).relu()
        answers: torch.Tensor = self.out(joined.permute(0, 2, 3, 1)).mean((1, 2))
        return answers


def test_groups_of_a_concatenation_know_their_part() -> None:
    groups = {group.name: group for group in Dependencies(Joined(), EXAMPLE, protected=["out"]).groups}
    assert groups["a"].of_inputs == groups["b"].of_inputs == {"c": 0.5}
    assert groups["b"].places == {"c": ((4, 5, 6, 7), (0, 1, 2, 3))}
    assert groups["c"].of_outputs == {"c": 1.0}
    assert not any(group.is_added for group in groups.values())


def test_what_an_addition_joins_is_marked() -> None:
    network = backbones.adapt(backbones.find("resnet18"), None, classes=2, seed=0)
    groups = Dependencies(network, torch.zeros(1, 3, 32, 32), protected=["fc"]).groups
    inside = {group.name for group in groups if not group.is_added}
    assert inside == {f"layer{stage}.{block}.conv1" for stage in (1, 2, 3, 4) for block in (0, 1)}


def test_an_addition_in_place_to_a_part_is_one_too() -> None:
    network = backbones.adapt(backbones.find("ghostnet_100"), None, classes=2, seed=0)
    groups = Dependencies(network, torch.zeros(1, 3, 32, 32), protected=["classifier"]).groups
    (shared,) = [group for group in groups if "blocks.8.0.ghost2.primary_conv.0" in group.makers]
    assert shared.is_added, "blocks 8.0 to 8.3 add their answers to what they take in"


def test_all_that_falls_is_counted_before_it_leaves() -> None:
    dependencies = Dependencies(Multiplied(), EXAMPLE, protected=["out"])
    assert dependencies.costs_left({"a": [0, 5]}, {"a": 80, "out": 40}) == pytest.approx(40 + 20)
    assert dependencies.emptied({"a": [0, 1, 6]}) is None
    assert dependencies.emptied({"a": [0, 1, 6, 7]}) == "a"
    with pytest.raises(GateError, match="all 8 channels of a would leave: keep one at least"):
        dependencies.remove({"a": [0, 1, 6, 7]})
    dependencies.remove({"a": [0, 1, 6]})
    assert dependencies.network.get_parameter("a.weight").shape[0] == 2


def test_a_layer_that_runs_only_in_training_is_refused_before_any_cut() -> None:
    """GoogLeNet's auxiliary outputs take in channels that would leave."""
    network = torchvision.models.googlenet(weights=None, init_weights=False)
    example = torch.zeros(1, 3, 64, 64)
    with pytest.raises(GateError, match=r"^aux1\.conv\.conv does not run in eval mode"):
        Dependencies(network, example)
    with pytest.raises(GateError, match=r"^aux1\.conv\.conv does not run in eval mode"):
        rebuild(network, example, [("conv1.conv", [0])])
    assert network.get_parameter("conv1.conv.weight").shape[0] == 64


def test_a_frozen_layer_is_an_error_and_not_an_invisible_group() -> None:
    network = chain()
    network.get_parameter("0.weight").requires_grad_(False)
    with pytest.raises(GateError, match=r"^0\.weight is frozen"):
        Dependencies(network, EXAMPLE)


def test_bn_scale_without_batch_norm_is_refused() -> None:
    with pytest.raises(GateError, match="bn_scale says nothing about 3"):
        Dependencies(chain(), EXAMPLE, protected=["6"]).scores("bn_scale")


def test_nothing_or_everything_is_refused() -> None:
    with pytest.raises(GateError, match="nothing was pruned"):
        Dependencies(chain(), EXAMPLE, protected=["6"]).remove({})
    with pytest.raises(GateError, match="all 4 channels of 0 would leave"):
        Dependencies(chain(), EXAMPLE, protected=["6"]).remove({"0": [0, 1, 2, 3]})


@pytest.mark.parametrize(
    ("layer", "wrong", "why"),
    [
        ("3", nn.Conv2d(2, 2, 1), "layers no longer fit together after channels were removed: .*to have 2 channels"),
        ("6", nn.Linear(2, 1), r"the network gave outputs \(1, 2\) and now gives \(1, 1\)"),
    ],
    ids=["no fit", "another output"],
)
def test_a_network_that_was_cut_wrongly_is_an_error(
    layer: str, wrong: nn.Module, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a graph of dependencies with a fault would leave it: another layer is cut too, or not along."""
    network = chain()
    dependencies = Dependencies(network, EXAMPLE, protected=["6"])

    class Careless(list[object]):
        items = ()

        def prune(self) -> None:
            setattr(network, layer, wrong)

    monkeypatch.setattr(dependencies, "_part", lambda name, channels: Careless())
    with pytest.raises(GateError, match=why):
        dependencies.remove({"0": [1]})


@pytest.mark.parametrize("importance", ["l1", "l2", "bn_scale", "taylor"])
def test_an_unimportant_channel_scores_least(importance: Importance) -> None:
    network = chain()
    with torch.no_grad():
        network.get_parameter("0.weight")[2] = 1e-6
        network.get_parameter("1.weight")[2] = 1e-6
        network.get_parameter("3.weight")[:, 2] = 1e-6
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    scores = Dependencies(network, EXAMPLE, protected=["3", "6"]).scores(importance)["0"]  # 3 has no BatchNorm
    assert scores.argmin().item() == 2
    assert scores.mean().item() == pytest.approx(1.0, abs=0.01)


def test_random_scores_follow_the_seed() -> None:
    dependencies = Dependencies(chain(), EXAMPLE, protected=["6"])
    first, again, other = (dependencies.scores("random", seed=seed)["0"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_cannot_be_scored_is_refused() -> None:
    dependencies = Dependencies(chain(), EXAMPLE, protected=["6"])
    with pytest.raises(GateError, match="taylor needs gradients"):
        dependencies.scores("taylor")
    with pytest.raises(UserError, match="importance"):
        dependencies.scores("fame")  # type: ignore[arg-type]


@pytest.mark.parametrize("importance", ["l1", "bn_scale"])
def test_a_group_of_zeros_has_no_scores(importance: Importance) -> None:
    network = chain()
    with torch.no_grad():
        for name in ("0.weight", "1.weight", "3.weight"):
            network.get_parameter(name).zero_()
    dependencies = Dependencies(network, EXAMPLE, protected=["3", "6"])
    with pytest.raises(GateError, match=f"importance {importance} does not give each of the 4 channels of 0 a number"):
        dependencies.scores(importance)


def test_channels_that_a_layer_takes_in_twice_have_one_score_each() -> None:
    """GhostNet joins what a convolution makes with what a second one makes of it."""
    network = backbones.adapt(backbones.find("ghostnet_100"), None, classes=2, seed=0).eval()
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    dependencies = Dependencies(network, torch.zeros(1, 3, 32, 32), protected=["classifier"])
    scores = dependencies.scores("taylor")
    assert {name: len(score) for name, score in scores.items()} == {
        group.name: group.channels for group in dependencies.groups
    }
    assert all(score.mean().item() == pytest.approx(1.0, abs=0.01) for score in scores.values())


@torch.no_grad()
def test_channels_are_followed_where_no_gradients_are_kept() -> None:
    network = chain()
    assert Dependencies(network, EXAMPLE, protected=["6"]).remove({"0": [2]}) == [("0", [2])]
    assert torch.equal(rebuild(chain(), EXAMPLE, [("0", [2])])(EXAMPLE), network(EXAMPLE))


def test_a_plan_of_another_network_is_refused() -> None:
    with pytest.raises(UserError, match="0 has no such channels"):
        rebuild(chain(), EXAMPLE, [("0", [4])])
    with pytest.raises(UserError, match="nine has no such channels"):
        rebuild(chain(), EXAMPLE, [("nine", [0])])
    with pytest.raises(GateError, match=r"0\.weight is frozen"):
        rebuild(chain().requires_grad_(False), EXAMPLE, [("0", [2])])


@pytest.mark.parametrize("channels", [[-1], [2, 2], [0, 1, 2, 3]])
def test_a_plan_that_no_pruning_makes_is_refused(channels: list[int]) -> None:
    with pytest.raises(UserError, match="0 has no such channels"):
        rebuild(chain(), EXAMPLE, [("0", channels)])


@pytest.mark.parametrize(
    ("name", "channels"),
    [("conv1", [1, 1]), ("conv1", [0, -1]), ("conv1", [6]), ("fc3", [0]), ("nine", [0])],
    ids=["twice", "negative", "too large", "fc0", "unknown"],
)
def test_channels_that_are_not_there_are_refused_before_any_cut(name: str, channels: list[int]) -> None:
    network = LeNet()
    before = copy.deepcopy(network.state_dict())
    dependencies = Dependencies(network, torch.randn(1, 1, 32, 32), protected=["fc3"])
    with pytest.raises(GateError, match=f"{name} has no such channels that could leave"):
        dependencies.remove({name: channels})
    assert [value.shape for value in before.values()] == [value.shape for value in network.state_dict().values()]


def test_inference_mode_hides_no_group() -> None:
    with torch.inference_mode(), pytest.raises(GateError, match=r"torch\.inference_mode"):
        Dependencies(chain(), EXAMPLE)
