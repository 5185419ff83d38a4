"""The twin computes in float what torch's eager int8 kernels compute in integers."""

from pathlib import Path

import pytest
import torch
from torch import nn

from petiole.errors import UserError
from petiole.models.lenet import LeNet
from petiole.quantization import eager, eager_twin

DIGITS = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(1))
PHOTOS = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def quantized(network: nn.Module, how: str, inputs: torch.Tensor) -> nn.Module:
    if how == "dynamic":
        return eager.dynamic(network)
    prepared = eager.prepare_static(network) if how == "static" else eager.prepare_qat(network)
    eager.calibrate(prepared, inputs)
    return eager.convert(prepared)


@torch.no_grad()
@pytest.mark.parametrize("how", ["static", "qat"])
def test_lenets_twin_gives_the_same_logits_to_the_last_bit(lenet: nn.Module, how: str) -> None:
    int8 = quantized(lenet, how, DIGITS)
    assert torch.equal(eager_twin.twin(int8)(DIGITS), int8(DIGITS))


@torch.no_grad()
@pytest.mark.parametrize("spread", [0.01, 1.0, 100.0])
def test_dynamic_activations_are_rounded_as_torch_rounds_them(lenet: nn.Module, spread: float) -> None:
    int8 = quantized(lenet, "dynamic", DIGITS)
    expected = int8(DIGITS * spread)
    assert torch.allclose(eager_twin.twin(int8)(DIGITS * spread), expected, rtol=1e-4, atol=1e-5)
    assert float((lenet(DIGITS * spread) - expected).abs().max()) > 0  # the float network is another one


@torch.no_grad()
@pytest.mark.parametrize("how", ["static", "qat"])
def test_resnets_twin_differs_by_rounding_only(resnet: nn.Module, how: str) -> None:
    """Sums that fall between two steps may be rounded either way; 20 layers later that is a step or two."""
    int8 = quantized(resnet, how, PHOTOS)
    expected = int8(PHOTOS)
    assert float((eager_twin.twin(int8)(PHOTOS) - expected).abs().max()) < 0.1 * float(expected.abs().mean())


def test_the_int8_network_stays_as_it_is(lenet: nn.Module) -> None:
    int8 = quantized(lenet, "static", DIGITS)
    eager_twin.twin(int8)
    assert eager.quantized_layers(int8) == (5, 5)


@torch.no_grad()
@pytest.mark.parametrize("how", ["dynamic", "static", "qat"])
def test_a_stored_network_comes_back_from_its_state_alone(lenet: nn.Module, how: eager.Recipe, tmp_path: Path) -> None:
    int8 = quantized(lenet, how, DIGITS)
    eager.save_state(int8, tmp_path / "state.pth")
    again = eager.restore(LeNet(), how, tmp_path / "state.pth")
    assert torch.equal(again(DIGITS), int8(DIGITS))


def test_a_state_of_another_recipe_is_refused(lenet: nn.Module, tmp_path: Path) -> None:
    eager.save_state(quantized(lenet, "dynamic", DIGITS), tmp_path / "state.pth")
    with pytest.raises(UserError, match=rf"{tmp_path}/state\.pth holds no int8 weights of static quantization"):
        eager.restore(LeNet(), "static", tmp_path / "state.pth")
