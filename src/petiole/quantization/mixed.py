"""Mixed precision: the layers that int8 damages most go back to float, until the network loses no more than allowed.

The damage of a layer is its own: its float input and its weights are rounded as they would be, and what comes out is
compared with what came out before (the inverse of the signal-to-quantization-noise ratio; Lin, Talathi and Annapureddy
2016, "Fixed point quantization of deep convolutional networks", section 3). Layers are given back in that order, 1, 2,
4, 8 ... at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

from petiole.errors import GateError
from petiole.quantization import pt2e
from petiole.quantization.pt2e_quantizer import WEIGHTED, layer_name

DAMAGE_IMAGES = 16
"""On so many calibration pictures, the first ones, the damage of layers is measured."""


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A converted graph, its ``floating`` layers, the damage of each layer when all were int8, and how
    many pictures of ``judged`` each attempt called otherwise than the float network for the worse, net."""

    graph: GraphModule
    floating: tuple[str, ...]
    damage: dict[str, float]
    lost: tuple[int, ...]
    judged: int

    def describe(self) -> str:
        """Words for what int8 cost, and what went back to float."""
        if not self.floating:
            cost = f"{self.lost[0]:,} of {self.judged:,}" if self.lost[0] > 0 else f"none of {self.judged:,}"
            return (
                f" It loses {cost} other training pictures, within the limit (--max-drop): every layer stays in int8."
            )
        return (
            f" All of it in int8 lost {self.lost[0]:,} of {self.judged:,} other training pictures, more than "
            f"the limit (--max-drop): {', '.join(self.floating)} went back to float."
        )

    def plan(self) -> dict[str, Any]:
        """For the artifact."""
        worst = sorted(self.damage.items(), key=lambda each: -each[1])
        return {
            "floating": list(self.floating),
            "damage": {name: round(value, 6) for name, value in worst},
            "lost_at_each_attempt": list(self.lost),
            "judged_on_images": self.judged,
        }


def quantize_within(
    graph: GraphModule,
    calibration: torch.Tensor,
    held_out: tuple[torch.Tensor, torch.Tensor],
    *,
    max_drop: float,
    say: Callable[[str], None],
) -> Mixed:
    """Post-training static quantization that loses at most ``max_drop`` (a fraction) of accuracy on ``held_out``.

    ``graph`` is :func:`petiole.quantization.pt2e.export_graph`'s; ``calibration`` ``(n, C, H, W)`` and ``held_out``
    (inputs and labels) are different pictures of the training split.

    Raises:
        GateError: it still loses more when every layer but one is float.
    """
    inputs, labels = held_out
    layers = [(node.name, layer_name(node)) for node in graph.graph.nodes if node.target in WEIGHTED]
    right = _right(pt2e.fused_float(graph), inputs, labels)
    floating: tuple[str, ...] = ()
    damage: dict[str, float] = {}
    lost: list[int] = []
    while True:
        prepared = pt2e.prepare_static(graph, floating=floating)
        pt2e.calibrate(prepared, calibration)
        converted = pt2e.convert(prepared)
        lost.append(right - _right(converted, inputs, labels))
        if not damage:
            damage = layer_damage(graph, converted, calibration[:DAMAGE_IMAGES], dict(layers))
        if lost[-1] <= max_drop * len(labels):
            return Mixed(graph=converted, floating=floating, damage=damage, lost=tuple(lost), judged=len(labels))
        count = min(max(1, 2 * len(floating)), len(damage) - 1)
        if count <= len(floating):
            raise GateError(
                f"static int8 loses {lost[-1]} of {len(labels):,} other training pictures, more than allowed, also "
                f"with {len(floating)} of {len(layers)} layers in float"
            )
        floating = tuple(sorted(damage, key=lambda name: -damage[name])[:count])
        say(f"int8 loses {lost[-1]} of {len(labels):,} other training pictures: {', '.join(floating)} back to float")


@torch.no_grad()
def _right(graph: GraphModule, inputs: torch.Tensor, labels: torch.Tensor) -> int:
    predicted = torch.cat([graph(batch).argmax(1) for batch in inputs.split(8)])
    return int((predicted == labels).sum())


@torch.no_grad()
def layer_damage(
    graph: GraphModule, converted: GraphModule, inputs: torch.Tensor, names: dict[str, str]
) -> dict[str, float]:
    """Squared error of each layer's answer over its square, when only that layer is rounded.

    ``names`` are the names of layers by those of their operations, which both graphs share.
    """
    rounded = {node.name: node for node in converted.graph.nodes if node.name in names}
    watcher = _Watcher(graph, converted, rounded)
    for batch in inputs.split(8):
        watcher.run(batch)
    return {names[key]: watcher.error[key] / max(watcher.power[key], 1e-30) for key in watcher.error}


class _Watcher(Interpreter):
    """Runs the float graph, and each of its layers again as the converted graph rounds it."""

    def __init__(self, graph: GraphModule, converted: GraphModule, rounded: dict[str, Node]) -> None:
        super().__init__(graph)
        self.converted, self.rounded = converted, rounded
        self.error: dict[str, float] = dict.fromkeys(rounded, 0.0)
        self.power: dict[str, float] = dict.fromkeys(rounded, 0.0)

    def run_node(self, n: Node) -> Any:
        """Run one operation of the float graph."""
        answer = super().run_node(n)
        if n.name in self.rounded:
            (values, _, *rest), keywords = self.fetch_args_kwargs_from_env(n)
            twin = self.rounded[n.name]
            assert callable(n.target)
            again = n.target(self._round(twin.args[0], values), self._round(twin.args[1], None), *rest, **keywords)
            self.error[n.name] += float((again - answer).square().sum())
            self.power[n.name] += float(answer.square().sum())
        return answer

    def _round(self, dequantize: Any, values: torch.Tensor | None) -> torch.Tensor:
        """Values through the converted graph's quantize and dequantize; stored codes, where there are no values."""
        assert isinstance(dequantize, Node)
        assert callable(dequantize.target)
        if values is None:
            codes = self._constant(dequantize.args[0])
        else:
            quantize = dequantize.args[0]
            assert isinstance(quantize, Node)
            assert callable(quantize.target)
            codes = quantize.target(values, *(self._constant(each) for each in quantize.args[1:]))
        result: torch.Tensor = dequantize.target(codes, *(self._constant(each) for each in dequantize.args[1:]))
        return result

    def _constant(self, argument: Any) -> Any:
        if not isinstance(argument, Node):
            return argument
        value: Any = self.converted
        for part in str(argument.target).split("."):
            value = getattr(value, part)
        return value
