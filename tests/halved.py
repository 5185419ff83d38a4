"""A network that loses channels until half of its MACs are left, and goes on training; for tests."""

import copy
from functools import partial

import torch
from torch import nn

from petiole.bench.footprint import layer_macs, macs
from petiole.chain.channel_choice import behind_first, scorer, share_of_costs
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.structured import rebuild


def require_half(network: nn.Module, shape: tuple[int, ...], *, output: str, first: str) -> ChannelPruner:
    """Cut ``network`` in place, rebuild it by its plan with the same answers, and take one step of training."""
    original, inputs, labels = copy.deepcopy(network), torch.randn(4, *shape), torch.tensor([0, 1, 0, 1])
    costs = layer_macs(network, shape)
    pruner = ChannelPruner(
        network, inputs[:1], protected=[output], choose=partial(behind_first, first=first), costs=costs,
        score=scorer("contribution", inputs, labels, 0), keep=share_of_costs(costs, 0.5, "global"),
    )  # fmt: skip
    pruner.prune(1.0)
    pruner.finish()
    assert 0.46 < macs(network, shape) / macs(original, shape) <= 0.5
    with torch.no_grad():
        again = rebuild(original, inputs[:1], pruner.plan)
        again.load_state_dict(network.state_dict())
        assert torch.equal(again(inputs), network(inputs))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001)
    nn.functional.cross_entropy(network.train()(inputs), labels).backward()
    optimizer.step()
    assert bool(network.eval()(inputs).isfinite().all())
    return pruner
