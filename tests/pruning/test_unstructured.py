"""Masks, counted by hand, and the gates that catch a weight that came back."""

import copy

import pytest
import torch
from torch import nn

from petiole.errors import GateError, UserError
from petiole.pruning.unstructured import Method, Scope, hold, prunable, prune_weights, require_sparsity


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.Conv2d(2, 2, 5), nn.Flatten(), nn.Linear(8, 5))


@pytest.mark.parametrize("method", ["random", "magnitude"])
@pytest.mark.parametrize(("scope", "weights"), [("first", 50), ("global", 50 + 100 + 40)])
def test_exactly_the_asked_share_is_zero(method: Method, scope: Scope, weights: int) -> None:
    pruned = network()
    masks = prune_weights(pruned, amount=0.3, method=method, scope=scope, seed=1)
    zeros = sum(int((pruned.get_parameter(name) == 0).sum()) for name in masks)
    assert zeros == round(0.3 * weights)
    assert "0.weight_mask" not in pruned.state_dict()


def test_magnitude_takes_the_smallest_of_all_layers() -> None:
    before, pruned = network(), network()
    prune_weights(pruned, amount=0.5, method="magnitude", scope="global", seed=0)
    old = torch.cat([before.get_parameter(f"{i}.weight").flatten() for i in (0, 2, 4)]).abs()
    new = torch.cat([pruned.get_parameter(f"{i}.weight").flatten() for i in (0, 2, 4)])
    assert old[new == 0].max() <= old[new != 0].min()


def test_the_seed_decides_what_is_pruned() -> None:
    def zeros(seed: int) -> torch.Tensor:
        pruned = network()
        prune_weights(pruned, amount=0.3, method="random", scope="global", seed=seed)
        return pruned.get_parameter("2.weight") == 0

    assert torch.equal(zeros(1), zeros(1))
    assert not torch.equal(zeros(1), zeros(2))


def test_held_weights_stay_zero_and_a_returned_one_is_caught() -> None:
    pruned = network()
    masks = prune_weights(pruned, amount=0.3, method="random", scope="global", seed=0)
    with torch.no_grad():
        pruned.get_parameter("2.weight").add_(1)
    with pytest.raises(GateError, match=r"2\.weight"):
        require_sparsity(pruned, masks, 0.3)
    hold(pruned, masks)
    assert require_sparsity(pruned, masks, 0.3) == pytest.approx(0.3)


def test_channels_last_networks_can_be_pruned() -> None:
    pruned = network().to(memory_format=torch.channels_last)
    prune_weights(pruned, amount=0.3, method="random", scope="global", seed=0)


@pytest.mark.parametrize("amount", [0, 1, -0.1, 1.5])
def test_an_amount_outside_zero_and_one_is_the_users_error(amount: float) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        prune_weights(network(), amount=amount, method="random", scope="global", seed=0)


def test_an_unknown_method_or_scope_is_told_with_those_there_are_and_prunes_nothing() -> None:
    whole, given = network(), network()
    with pytest.raises(UserError, match=r"^unknown method 'Random': choose from random, magnitude$"):
        prune_weights(given, amount=0.3, method="Random", scope="global", seed=0)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^unknown scope 'everything': choose from first, global$"):
        prune_weights(given, amount=0.3, method="random", scope="everything", seed=0)  # type: ignore[arg-type]
    assert all(torch.equal(value, given.state_dict()[name]) for name, value in whole.state_dict().items())


def test_masks_that_prune_nothing_are_refused() -> None:
    masks = {name: torch.ones_like(p).bool() for name, p in copy.deepcopy(network()).named_parameters()}
    with pytest.raises(GateError, match="asked to prune"):
        require_sparsity(network(), masks, 0.3)


def test_the_first_convolution_is_the_scope_first() -> None:
    assert [name for name, _ in prunable(network(), "first")] == ["0"]
