import io
import pickle
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from petiole.errors import GateError, UserError
from petiole.quantization import eager

DIGITS = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(1))
PHOTOS = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def relative_error(quantized: nn.Module, network: nn.Module, inputs: torch.Tensor) -> float:
    """Mean distance of the outputs as a share of the float outputs' mean size."""
    expected = network(inputs)
    return float((quantized(inputs) - expected).abs().mean() / expected.abs().mean())


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_same_state(network: nn.Module, before: dict[str, torch.Tensor]) -> None:
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_dynamic_quantizes_the_linear_layers_of_a_copy(lenet: nn.Module) -> None:
    before = state_of(lenet)
    quantized = eager.dynamic(lenet)
    assert eager.quantized_layers(quantized) == (3, 5)
    assert 0 < relative_error(quantized, lenet, DIGITS) < 0.05
    assert_same_state(lenet, before)
    assert eager.quantized_layers(lenet) == (0, 5)


def test_dynamic_counts_an_lstm() -> None:
    quantized = eager.dynamic(nn.ModuleDict({"lstm": nn.LSTM(2, 3)}))
    assert eager.quantized_layers(quantized) == (1, 1)


def test_dynamic_refuses_a_network_without_such_layers() -> None:
    with pytest.raises(GateError, match="nothing was quantized: 0 of 1 layers of Sequential"):
        eager.dynamic(nn.Sequential(nn.Conv2d(1, 2, 3)))


def test_fused_lenet_computes_the_same(lenet: nn.Module) -> None:
    fused = eager.fuse(lenet, qat=False)
    assert torch.allclose(fused(DIGITS), lenet(DIGITS), atol=1e-6)
    assert [name for name, module in fused.named_modules() if isinstance(module, nn.Identity)] == [
        f"module.relu{number}" for number in (1, 2, 3, 4)
    ]


def test_static_lenet(lenet: nn.Module) -> None:
    before = state_of(lenet)
    prepared = eager.prepare_static(lenet)
    assert eager.calibrate(prepared, DIGITS, batch_images=16) == 40
    quantized = eager.convert(prepared)
    assert eager.quantized_layers(quantized) == (5, 5)
    assert 0 < relative_error(quantized, lenet, DIGITS) < 0.05
    assert eager.quantized_layers(prepared) == (0, 5)
    assert_same_state(lenet, before)


def test_the_input_scale_is_that_of_the_calibration_images(lenet: nn.Module) -> None:
    prepared = eager.prepare_static(lenet)
    eager.calibrate(prepared, torch.linspace(-1, 3, 1024).view(1, 1, 32, 32))
    scale = eager.convert(prepared).get_submodule("quant").scale
    assert isinstance(scale, torch.Tensor)
    assert scale.item() == pytest.approx(4 / 255, rel=0.02)  # 256 steps from -1 to 3


@pytest.mark.parametrize("prepare", [eager.prepare_static, eager.prepare_qat])
def test_uncalibrated_observers_are_refused_by_name(lenet: nn.Module, prepare: object) -> None:
    assert callable(prepare)
    with pytest.raises(GateError, match=r"observer quant\.activation_post_process\S* has seen no data"):
        eager.convert(prepare(lenet))


def test_a_network_that_was_not_prepared_is_refused(lenet: nn.Module) -> None:
    with pytest.raises(GateError, match="nothing was quantized: 0 of 5"):
        eager.convert(lenet)


def test_qat_lenet_learns_and_converts(lenet: nn.Module) -> None:
    prepared = eager.prepare_qat(lenet)
    labels = torch.arange(40) % 10
    optimizer = torch.optim.SGD(prepared.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        loss = nn.functional.cross_entropy(prepared(DIGITS), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    quantized = eager.convert(prepared)
    assert eager.quantized_layers(quantized) == (5, 5)
    assert not quantized.training
    # fake-quantize promised these outputs: they differ by rounding only
    assert relative_error(quantized, prepared.eval(), DIGITS) < 0.02


def test_frozen_observers_keep_their_scale(lenet: nn.Module) -> None:
    prepared = eager.prepare_qat(lenet)
    eager.calibrate(prepared, DIGITS)
    assert prepared.training
    eager.freeze_observers(prepared)
    prepared(DIGITS * 100)
    frozen = eager.convert(prepared).get_submodule("quant").scale
    assert isinstance(frozen, torch.Tensor)
    assert frozen.item() == pytest.approx(1 / 255, rel=0.02)  # digits lie in [0, 1)


def test_fused_resnet18_computes_the_same(resnet: nn.Module) -> None:
    fused = eager.fuse(resnet, qat=False)
    with torch.no_grad():
        assert torch.allclose(fused(PHOTOS), resnet(PHOTOS), atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())


def test_static_resnet18_is_int8_throughout(resnet: nn.Module, tmp_path: Path) -> None:
    prepared = eager.prepare_static(resnet)
    eager.calibrate(prepared, PHOTOS, batch_images=2)
    quantized = eager.convert(prepared)
    assert eager.quantized_layers(quantized) == (21, 21)
    assert relative_error(quantized, resnet, PHOTOS) < 0.15
    float_bytes = eager.save_state(resnet, tmp_path / "float.pth")
    int8_bytes = eager.save_state(quantized, tmp_path / "int8.pth")
    assert float_bytes > 11_177_538 * 4  # parameters of resnet18 with two classes
    assert int8_bytes < 0.3 * float_bytes
    assert int8_bytes == (tmp_path / "int8.pth").stat().st_size


def test_qat_resnet18_keeps_its_trained_head_in_float(resnet: nn.Module) -> None:
    prepared = eager.prepare_qat(resnet)
    eager.calibrate(prepared, PHOTOS)
    quantized = eager.convert(prepared)
    assert eager.quantized_layers(quantized) == (20, 21)
    head = quantized.get_submodule("2.1")
    assert isinstance(resnet.fc, nn.Linear)
    assert isinstance(head, nn.Linear)
    assert torch.equal(head.weight, resnet.fc.weight)
    assert torch.equal(head.bias, resnet.fc.bias)
    assert relative_error(quantized, resnet, PHOTOS) < 0.15


def test_held_statistics_stay_while_the_network_trains(resnet: nn.Module) -> None:
    prepared = eager.prepare_qat(resnet)
    eager.calibrate(prepared, PHOTOS[:2])
    before = state_of(prepared)
    eager.hold_statistics(prepared)
    prepared.train()
    prepared(PHOTOS * 3)
    means = [name for name in before if name.endswith("running_mean")]
    assert len(means) == 20
    assert all(torch.equal(prepared.state_dict()[name], before[name]) for name in means)


def test_other_networks_are_refused() -> None:
    with pytest.raises(UserError, match="does not know how to fuse Sequential: give LeNet or resnet18"):
        eager.prepare_static(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(UserError, match="does not know how to fuse ResNet"):
        eager.fuse(torchvision.models.resnet34(num_classes=2), qat=False)
    with pytest.raises(UserError, match="Linear is not torchvision's resnet18"):
        eager.quantizable_resnet18(nn.Linear(2, 2))


def stored(value: object) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


STATES = {
    "empty": b"", "text": b"no state", "code": pickle.dumps({"code": print}), "list": stored([1, 2]),
    "no pairs": b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.",
    "no tensor": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
}  # fmt: skip


@pytest.mark.parametrize("content", STATES.values(), ids=STATES)
def test_a_state_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"state\.pth is damaged, or no stored int8 network"):
        eager.load_state(tmp_path / "state.pth")


def test_a_torch_without_eager_quantization(monkeypatch: pytest.MonkeyPatch, lenet: nn.Module) -> None:
    eager._ao.cache_clear()
    monkeypatch.setitem(sys.modules, "torch.ao.quantization", None)
    with pytest.raises(UserError, match=r"needs torch\.ao\.quantization, which torch .* no longer has"):
        eager.dynamic(lenet)
