"""What falls with each channel: a walk through torch-pruning's graph that remembers which channel led to what."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch_pruning._helpers import _HybridIndex
from torch_pruning.dependency import Dependency


def walk(graph: Any, layer: nn.Module) -> Iterator[tuple[Any, list[tuple[int, int]]]]:
    """All that falls when output channels of ``layer`` leave: a dependency, and pairs of an index there and the channel
    of ``layer`` it falls with. Each pair comes once for each layer and side.

    ``graph`` is a ``tp.DependencyGraph`` that has listed its groups, so that it knows how indices are counted.
    """
    node = graph.module2node[layer]
    cut = graph.get_pruner_of_module(layer).prune_out_channels
    first = Dependency(cut, cut, source=node, target=node)
    outputs = range(layer.get_parameter("weight").shape[0])
    todo = [(first, [_HybridIndex(idx=index, root_idx=index) for index in outputs])]
    seen: dict[tuple[Any, Any], set[Any]] = {}
    while todo:
        dependency, indices = todo.pop()
        known = seen.setdefault((dependency.target, dependency.handler), set())
        new = [index for index in dict.fromkeys(indices) if index not in known]
        if not new:
            continue
        known.update(new)
        yield dependency, [(index.idx, index.root_idx) for index in new]
        for after in dependency.target.dependencies:
            if after.is_triggered_by(dependency.handler):
                todo.append((after, _mapped(after, new)))


def _mapped(dependency: Any, indices: list[Any]) -> list[Any]:
    for mapping in dependency.index_mapping:
        if mapping is not None:
            indices = mapping(indices)
    return indices
