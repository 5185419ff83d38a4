"""Refitting against weights that can be worked out: what a duplicate or a neighbour can take over, it takes over."""

import copy

import pytest
import torch
from torch import nn

from petiole.errors import GateError
from petiole.pruning.least_squares import least_squares
from petiole.pruning.refit import refit
from petiole.pruning.unstructured import prune_weights


def test_a_duplicate_channel_takes_over() -> None:
    """Both input channels are equal, so one weight of 5 does the work of 2 and 3."""
    layer = nn.Conv2d(2, 1, 1, bias=False)
    layer.weight.data = torch.tensor([2.0, 3.0]).view(1, 2, 1, 1)
    pruned = copy.deepcopy(layer)
    mask = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    pruned.weight.data *= mask
    picture = torch.randn(4, 1, 6, 6).expand(4, 2, 6, 6).contiguous()
    (done,) = refit(nn.Sequential(pruned), nn.Sequential(layer), {"0.weight": mask}, picture)
    assert pruned.weight.flatten().tolist() == pytest.approx([5.0, 0.0], rel=0.01)  # the ridge pulls by 1%
    assert done.name == "0"
    assert done.error_before == pytest.approx((3 / 5) ** 2, rel=1e-4)
    assert done.error_after < 2e-4


@torch.no_grad()
@pytest.mark.parametrize("holder", ["bias", "batch norm", "none"])
def test_what_was_constant_goes_into_the_bias_or_the_mean(holder: str) -> None:
    """The second input channel is always 1 and its weight of 3 is pruned: 3 must be added to every answer."""
    layer = nn.Conv2d(2, 1, 1, bias=holder == "bias")
    layer.weight.copy_(torch.tensor([2.0, 3.0]).view(1, 2, 1, 1))
    if layer.bias is not None:
        layer.bias.fill_(0.5)
    norms = [nn.BatchNorm2d(1)] if holder == "batch norm" else []
    unpruned = nn.Sequential(layer, *norms).eval()
    network = copy.deepcopy(unpruned)
    mask = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    network.get_parameter("0.weight").mul_(mask)
    first = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    pictures = torch.cat([first, torch.ones_like(first)], 1)
    (done,) = refit(network, unpruned, {"0.weight": mask}, pictures)
    assert done.error_before > 0.5
    if holder == "none":
        assert done.error_after > 0.5
        return
    assert done.error_after < 1e-5
    (again,) = refit(network, unpruned, {"0.weight": mask}, pictures)  # the next step: the same constant, not twice
    assert again.error_before < 1e-5, "what the network adds by now belongs to its answer"
    assert network.get_parameter("0.weight").flatten().tolist() == pytest.approx([2.0, 0.0], abs=1e-4)
    if holder == "bias":
        assert network.get_parameter("0.bias").item() == pytest.approx(3.5, abs=1e-4)
    else:
        assert network.get_buffer("1.running_mean").item() == pytest.approx(-3.0, abs=1e-4)


def test_least_squares_is_the_solution_of_the_masked_normal_equations() -> None:
    torch.manual_seed(0)
    data, start = torch.randn(50, 6, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    target, mask = torch.randn(50, 3, dtype=torch.float64), (torch.rand(6, 3) < 0.6).double()
    gram, towards = (data.T @ data)[None], (data.T @ target)[None]
    found = least_squares(gram, towards, start[None], mask[None], ridge=0.1)[0]
    strength = 0.1 * gram[0].diagonal().mean()
    for column in range(3):
        kept = mask[:, column].bool()
        system = gram[0][kept][:, kept] + strength * torch.eye(int(kept.sum()), dtype=torch.float64)
        right = towards[0][kept, column] + strength * start[kept, column]
        assert torch.allclose(found[kept, column], torch.linalg.solve(system, right))
        assert torch.equal(found[~kept, column], torch.zeros(int((~kept).sum()), dtype=torch.float64))


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_every_geometry_answers_nearer_to_what_it_did(groups: int) -> None:
    torch.manual_seed(1)
    unpruned = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=groups), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=groups)
    )
    network = copy.deepcopy(unpruned)
    masks = prune_weights(network, amount=0.3, method="random", scope="global", seed=0)
    inputs = torch.randn(16, 1, 9, 9) + 0.3 * torch.randn(16, 4, 9, 9)
    before = float((network(inputs) - unpruned(inputs)).norm())
    done = refit(network, unpruned, masks, inputs, positions=1000)
    assert float((network(inputs) - unpruned(inputs)).norm()) < before
    assert all(one.error_after < one.error_before for one in done)
    for name, mask in masks.items():
        assert not network.get_parameter(name)[mask == 0].any()
        assert network.get_parameter(name)[mask == 1].all()


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(
    ("named", "numbers"), [("same", ((2, 2), (0, 1))), ("valid", ((0, 0), (0, 0)))], ids=["same", "valid"]
)
def test_padding_by_name_is_refitted_as_that_of_numbers(
    named: str, numbers: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    """Kernel 3x2, rows two apart: ``same`` puts two rows of zeros above and below, and one column behind."""
    torch.manual_seed(1)
    ((top, bottom), (left, right)), inputs = numbers, torch.randn(16, 1, 9, 9) + 0.3 * torch.randn(16, 4, 9, 9)
    by_name = nn.Sequential(nn.Identity(), nn.Conv2d(4, 8, (3, 2), padding=named, dilation=(2, 1)))
    by_number = nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(4, 8, (3, 2), dilation=(2, 1)))
    by_number.load_state_dict(by_name.state_dict())
    errors = []
    for unpruned in (by_name, by_number):
        network = copy.deepcopy(unpruned)
        masks = prune_weights(network, amount=0.3, method="random", scope="global", seed=0)
        (done,) = refit(network, unpruned, masks, inputs, positions=1000)
        errors.append((done.error_before, done.error_after, network.get_parameter("1.weight")))
    assert errors[0][:2] == pytest.approx(errors[1][:2], rel=1e-4)
    assert errors[0][1] < errors[0][0]
    assert torch.allclose(errors[0][2], errors[1][2], atol=1e-5)


def test_a_convolution_that_is_never_used_is_an_error() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.used(inputs)
            return answer

    network = Idle()
    masks = {"idle.weight": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)}
    with pytest.raises(GateError, match=r"idle\.weight is pruned"):
        refit(network, copy.deepcopy(network), masks, torch.randn(4, 1, 3, 3))


def test_a_weight_that_is_used_twice_is_an_error() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.conv(self.conv(inputs))
            return answer

    network = Twice()
    masks = {"conv.weight": torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(2, 2, 1, 1)}
    with pytest.raises(GateError, match=r"conv\.weight is used by several convolutions"):
        refit(network, copy.deepcopy(network), masks, torch.randn(4, 2, 3, 3))


@pytest.mark.parametrize("bfloat16", [False, True])
def test_values_too_large_to_keep_are_computed_anew_with_the_same_end(
    bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU()]
    unpruned = nn.Sequential(*layers, nn.Conv2d(8, 4, 1)).eval()
    pictures = torch.randn(40, 3, 8, 8)
    kept, recomputed = copy.deepcopy(unpruned), copy.deepcopy(unpruned)
    for network, limit in ((kept, 10**9), (recomputed, 0)):
        masks = prune_weights(network, amount=0.4, method="random", scope="global", seed=0)
        monkeypatch.setattr("petiole.pruning.refit.KEPT_BYTES", limit)
        refit(network, unpruned, masks, pictures, positions=16, bfloat16=bfloat16)
    for name, tensor in kept.state_dict().items():
        assert torch.equal(tensor, recomputed.state_dict()[name]), name


class Wide(nn.Module):
    """A value that is too large to keep, made before its input's last use of its own and read after it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide, self.narrow = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 64, 1), nn.Conv2d(4, 4, 1)
        self.down, self.head = nn.Conv2d(64, 4, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stem = self.stem(x)
        wide, narrow = self.wide(stem).relu(), self.narrow(stem)
        answer: torch.Tensor = self.head(torch.cat([self.down(wide), narrow], 1))
        return answer


def test_what_a_value_is_computed_anew_from_is_kept_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    unpruned, pictures = Wide().eval(), torch.randn(40, 3, 8, 8)
    ends = []
    for limit in (10**9, 40 * 63 * 8 * 8 * 4):  # only what is wide is larger
        network = copy.deepcopy(unpruned)
        masks = prune_weights(network, amount=0.4, method="random", scope="global", seed=0)
        monkeypatch.setattr("petiole.pruning.refit.KEPT_BYTES", limit)
        assert len(refit(network, unpruned, masks, pictures, positions=16)) == 5
        ends.append(network.state_dict())
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


class Branches(nn.Module):
    """Values in lists, values of several tensors, and sizes of values: concatenation, halves, and a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.upper, self.lower = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        upper, lower = torch.cat([self.left(x), self.right(x)], 1).relu().chunk(2, 1)
        joined = torch.stack([self.upper(upper), self.lower(lower)], 1).mean((3, 4))
        answer: torch.Tensor = self.last(joined.reshape(x.shape[0], -1))
        return answer


def test_branches_are_refitted_as_what_they_are_made_of() -> None:
    torch.manual_seed(0)
    network, inputs = Branches(), torch.randn(40, 3, 8, 8)  # two chunks and a half
    pruned, alone = copy.deepcopy(network), copy.deepcopy(network)
    masks = prune_weights(pruned, amount=0.5, method="random", scope="global", seed=0)
    before = pruned(inputs)
    done = refit(pruned, network, masks, inputs)
    assert [one.name for one in done] == ["left", "right", "upper", "lower"]
    assert all(one.error_after < one.error_before for one in done)
    assert (pruned(inputs) - network(inputs)).square().sum() < (before - network(inputs)).square().sum()
    # the first convolution sees the pictures themselves, as it does where there are no branches
    chain, its_masks = nn.Sequential(alone.left), {"0.weight": masks["left.weight"]}
    whole = copy.deepcopy(chain)
    chain.get_parameter("0.weight").data *= masks["left.weight"]
    (left,) = refit(chain, whole, its_masks, inputs)
    assert left.error_after == pytest.approx(done[0].error_after)
