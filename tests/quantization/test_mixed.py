"""Which layers go back to float: damage worked out by hand, and a network that only one layer spoils."""

import pytest
import torch
from torch import nn

from petiole.errors import GateError
from petiole.quantization import pt2e
from petiole.quantization.coverage import converted_layers
from petiole.quantization.mixed import layer_damage, quantize_within

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
SHAPE = (1, 4, 4)


class Spoiled(nn.Module):
    """Two classes by the sign of the mean; the first layer's inputs have an outlier that leaves few codes for the rest.

    Its second channel carries 1000 times the first one's values and is then thrown away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spread = nn.Conv2d(1, 2, 1, bias=False)
        self.pick = nn.Conv2d(2, 1, 1, bias=False)
        self.fc = nn.Linear(1, 2, bias=False)
        self.spread.weight.data = torch.tensor([1.0, 1000.0]).view(2, 1, 1, 1)
        self.pick.weight.data = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
        self.fc.weight.data = torch.tensor([[1.0], [-1.0]])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)`` of ``(N, 1, 4, 4)``."""
        logits: torch.Tensor = self.fc(self.pick(self.spread(images)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(40) % 2
    noise = torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(0))
    return (0.5 + noise) * (1 - 2 * labels).view(-1, 1, 1, 1), labels


def test_what_costs_too_much_goes_back_to_float(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    inputs, labels = pictures
    graph = pt2e.export_graph(Spoiled(), SHAPE)
    said: list[str] = []
    mixed = quantize_within(graph, inputs[:20], (inputs[20:], labels[20:]), max_drop=0.01, say=said.append)
    assert max(mixed.damage, key=lambda name: mixed.damage[name]) == "pick"
    assert "pick" in mixed.floating
    assert mixed.lost[0] > 0
    assert mixed.lost[-1] == 0
    assert converted_layers(mixed.graph) == (3 - len(mixed.floating), 3)
    assert "back to float" in said[0]
    assert mixed.plan()["judged_on_images"] == 20


def test_nothing_goes_back_where_nothing_is_lost(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    inputs, labels = pictures
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(16, 2))
    graph = pt2e.export_graph(network, SHAPE)
    mixed = quantize_within(graph, inputs[:20], (inputs[20:], labels[20:]), max_drop=1.0, say=lambda _: None)
    assert (mixed.floating, len(mixed.lost)) == ((), 1)
    assert sorted(mixed.damage) == ["0", "2"], "told of every layer all the same"
    assert all(0 < each < 1e-3 for each in mixed.damage.values())
    assert converted_layers(mixed.graph) == (2, 2)


def test_damage_by_hand() -> None:
    """Input 0.0 and 1.0 need no rounding at scale 1/255; the weight 0.5 is 63.5 steps of 1/127: 64 of them."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(2, 2))
    network.get_parameter("0.weight").data = torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    graph = pt2e.export_graph(network, (1, 1, 1))
    prepared = pt2e.prepare_static(graph)
    inputs = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    pt2e.calibrate(prepared, inputs)
    converted = pt2e.convert(prepared)
    names = {node.name: str(index) for index, node in enumerate(graph.graph.nodes) if "conv2d" in node.name}
    (found,) = layer_damage(graph, converted, inputs, names).values()
    assert found == pytest.approx(0.0, abs=1e-6)  # one scale for each channel: 0.5 is 127 steps of its own


def test_a_drop_that_cannot_be_helped_is_an_error(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    inputs, labels = pictures
    graph = pt2e.export_graph(Spoiled(), SHAPE)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        assert len(said) <= 2, "one layer of the three goes back, then two, and then there is nothing left to try"

    with pytest.raises(GateError, match="more than allowed, also with 2 of 3 layers in float"):
        quantize_within(graph, inputs[:20], (inputs[20:], labels[20:]), max_drop=-1.0, say=say)
    assert len(said) == 2
