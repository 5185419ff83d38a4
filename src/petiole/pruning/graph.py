"""torch-pruning's graph of a network, in which shuffled channels are told from those that can be followed.

A shuffle (ShuffleNet) views ``(N, C, H, W)`` as ``(N, g, C / g, H, W)``, swaps the two and views it as four dimensions
again. torch-pruning's rule for reshaping, made for flattening, divides by zero there. So the two views are taken out of
that rule, and groups whose channels pass one are not cut (Zhang et al. 2018, "ShuffleNet", section 3.1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from petiole.errors import GateError
from petiole.pruning.channel_gates import WEIGHTED

SWAPS = ("TransposeBackward", "PermuteBackward", "CloneBackward")
"""What autograd calls the operations between the two views of a shuffle."""


class Graph(tp.DependencyGraph):  # type: ignore[misc]  # torch-pruning has no types
    """A ``tp.DependencyGraph`` that knows the nodes that shuffle channels: ``shuffles``."""

    def _trace(self, *args: Any, **keywords: Any) -> Any:
        nodes = super()._trace(*args, **keywords)
        self.shuffles = {each for node in nodes.values() for each in _shuffle(node)}
        split = {node for node in nodes.values() if node.type == tp.ops.OPTYPE.SPLIT}
        self.shuffles |= {node for node in split if self.shuffles & set(node.inputs)}
        for node in self.shuffles:
            node.type = tp.ops.OPTYPE.ELEMENTWISE  # no rule for its indices
        return nodes


def graph_of(network: nn.Module, example: torch.Tensor) -> Graph:
    """The graph of ``network``, which is put in eval mode, as an ``example`` ``(1, C, H, W)`` goes through it.

    Raises:
        GateError: torch-pruning cannot follow the channels.
    """
    graph = Graph()
    with _followed(), torch.enable_grad():  # channels are followed through autograd's graph
        graph.build_dependency(network.eval(), example_inputs=example, verbose=False)
    return graph


def groups_of(graph: Graph, *, ignored: Sequence[nn.Module]) -> list[Any]:
    """A ``tp.Group`` for all the channels that stand or fall together, but for those of ``ignored`` layers.

    Raises:
        GateError: torch-pruning cannot follow the channels.
    """
    with _followed():
        return list(graph.get_all_groups(ignored_layers=list(ignored), root_module_types=list(WEIGHTED)))


@contextmanager
def _followed() -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, IndexError, TypeError) as error:  # where torch-pruning takes numbers of channels wrongly
        raise GateError(
            "this network's channels cannot be followed (it rearranges them): choose another --backbone"
        ) from error


def is_shuffled(part: Any) -> bool:
    """Whether channels of a ``tp.Group`` of a :class:`Graph` pass a shuffle."""
    return any(item.dep.target in part._DG.shuffles for item in part.items)


def _shuffle(second: Any) -> tuple[Any, ...]:
    """The two views of a shuffle whose second one this is, else nothing."""
    if _dimensions(second) != 5:
        return ()
    (first,) = second.inputs
    while any(name in first.name for name in SWAPS) and len(first.inputs) == 1:
        (first,) = first.inputs
    return (first, second) if _dimensions(first) == 4 and first is not second.inputs[0] else ()


def _dimensions(node: Any) -> int:
    """How many dimensions the tensor has that a view takes in; 0 for what is no view."""
    is_view = node.type == tp.ops.OPTYPE.RESHAPE
    return len(getattr(node.grad_fn, "_saved_self_sym_sizes", ())) if is_view else 0
