"""The depthwise gradients against PyTorch's own in float32, for every geometry that decides on a precision."""

import pytest
import torch
from torch import nn

from petiole.training.depthwise import DepthwiseGradients, _Depthwise


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_gradients_agree_with_float32(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=4)
    inputs = torch.randn(2, 4, 9, 9, requires_grad=True)
    leaves = [inputs, *layer.parameters()]
    towards = torch.randn(layer(inputs).shape)
    wanted = torch.autograd.grad((layer(inputs) * towards).sum(), leaves)
    with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
        output = layer(inputs)
    assert output.dtype == torch.bfloat16
    found = torch.autograd.grad((output.float() * towards).sum(), leaves)
    for mine, true in zip(found, wanted, strict=True):
        assert mine.dtype == torch.float32
        # bfloat16 keeps 8 bits: each of the two roundings is within 1/256
        assert float((mine - true).norm() / true.norm()) < 2 / 256


@pytest.mark.parametrize(
    ("layer", "autocast"),
    [
        (nn.Conv2d(4, 8, 3), True),  # not depthwise
        (nn.Conv2d(4, 8, 3, groups=2), True),  # grouped only
        (nn.Conv2d(4, 4, 3, groups=4, padding="same"), True),  # its padding has no number
        (nn.Conv2d(4, 4, 3, groups=4), False),  # float32 is fast as it is
    ],
)
def test_all_else_is_passed_on(layer: nn.Conv2d, autocast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Depthwise, "apply", lambda *_: pytest.fail("taken for a depthwise convolution"))
    inputs = torch.randn(1, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        plain = layer(inputs)
        with DepthwiseGradients():
            assert torch.equal(layer(inputs), plain)


def test_a_frozen_layer_gets_no_gradient() -> None:
    layer = nn.Conv2d(2, 2, 3, groups=2).requires_grad_(False)
    inputs = torch.randn(1, 2, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
        layer(inputs).float().sum().backward()
    assert layer.weight.grad is None
    assert inputs.grad is not None
