"""Eager-mode quantization, as the handout teaches it (sections 3.4.2 and 3.4.3): dynamic, static, QAT.

The one file that knows ``torch.ao``, which is deprecated; its warnings about that are silenced here, by name,
and only while it is called. Eager mode does not see the graph: which modules are fused, and where tensors
become int8 and float again, is written by hand for the handout's LeNet and torchvision's resnet18."""

import copy
import functools
import importlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
import torchvision
from torch import nn
from torch.nn.modules.conv import _ConvNd

from petiole.errors import NOT_OF_TORCH, GateError, UserError
from petiole.quantization.eager_resnet18 import is_resnet18, with_float_head

LENET_PAIRS = [["conv1", "relu1"], ["conv2", "relu2"], ["fc1", "relu3"], ["fc2", "relu4"]]
Recipe = Literal["dynamic", "static", "qat"]

_DEPRECATIONS = [
    ("torch.ao.quantization is deprecated", DeprecationWarning),
    ("torch.quantize_per_tensor, torch.quantize_per_channel and other", UserWarning),
    ("TypedStorage is deprecated", UserWarning),  # raised inside torch.load for int8 tensors
    ("Detected pickle protocol", UserWarning),  # of a file that is then refused with our own words; the next one too
    (".*looks like a TorchScript archive", UserWarning),
    ("Please use quant_min and quant_max to specify the range for observers", UserWarning),
]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the deprecation warnings of torch.ao; any other warning passes."""
    with warnings.catch_warnings():
        for message, category in _DEPRECATIONS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


@functools.cache
def _ao() -> ModuleType:
    """torch.ao.quantization, with the int8 kernels chosen once.

    Raises:
        UserError: this torch no longer has it.
    """
    try:
        import torch.ao.quantization as ao
    except ImportError as error:
        raise UserError(
            f"eager quantization needs torch.ao.quantization, which torch {torch.__version__} no longer has: "
            "install an older torch, or quantize with the pt2e engine"
        ) from error
    torch.backends.quantized.engine = _engine()
    return ao


def _engine() -> str:
    """The int8 kernels: oneDNN where the processor has VNNI (else sums may saturate), then x86, then others."""
    supported = torch.backends.quantized.supported_engines
    wanted = ["onednn"] if torch.cpu._is_vnni_supported() else []
    for name in [*wanted, "x86", "fbgemm", "qnnpack"]:
        if name in supported:
            return name
    raise UserError("this torch was built without int8 kernels: install the usual build from PyPI")


@_quiet()
def dynamic(network: nn.Module) -> nn.Module:
    """A copy in eval mode whose Linear and LSTM layers have int8 weights; inputs are quantized at run time.

    Raises:
        GateError: it has no such layer.
    """
    original = copy.deepcopy(network).eval()
    layers = {nn.Linear, nn.LSTM}
    quantized: nn.Module = _ao().quantize_dynamic(original, layers, dtype=torch.qint8, inplace=True)
    return _require_some(quantized)


@_quiet()
def fuse(network: nn.Module, *, qat: bool) -> nn.Module:
    """A copy with activation (and BatchNorm) fused into each layer, between a QuantStub and a DeQuantStub.

    Without ``qat`` in eval mode, BatchNorm folded into the weights: what static int8 starts from. With it in train
    mode, BatchNorm kept inside the fused module.

    Raises:
        UserError: neither LeNet nor torchvision's resnet18.
    """
    ao = _ao()
    if is_resnet18(network):
        resnet = quantizable_resnet18(network).train(qat)
        resnet.fuse_model(is_qat=qat)  # type: ignore[operator]  # a method, not a tensor
        return resnet
    if not all(hasattr(network, name) for pair in LENET_PAIRS for name in pair):
        raise UserError(
            f"eager quantization does not know how to fuse {type(network).__name__}: "
            "give LeNet or resnet18, or quantize with the pt2e engine"
        )
    lenet = copy.deepcopy(network).train(qat)
    fuse_modules = ao.fuse_modules_qat if qat else ao.fuse_modules
    wrapped: nn.Module = ao.QuantWrapper(fuse_modules(lenet, LENET_PAIRS)).train(qat)
    return wrapped


def quantizable_resnet18(network: nn.Module) -> nn.Module:
    """torchvision's quantizable resnet18 with the weights of a float one, in eval mode; not yet fused.

    Raises:
        UserError: the network is no resnet18 with one linear output layer.
    """
    _ao()
    if not is_resnet18(network):
        raise UserError(f"{type(network).__name__} is not torchvision's resnet18: give one with a linear layer fc")
    assert isinstance(network.fc, nn.Linear)
    classes = network.fc.out_features
    quantizable: nn.Module = torchvision.models.quantization.resnet18(weights=None, quantize=False, num_classes=classes)
    quantizable.load_state_dict(network.state_dict())
    return quantizable.eval()


@_quiet()
def prepare_static(network: nn.Module) -> nn.Module:
    """A fused copy with observers, in eval mode, ready for :func:`calibrate`.

    Raises:
        UserError: neither LeNet nor torchvision's resnet18.
    """
    ao = _ao()
    fused = fuse(network, qat=False)
    fused.qconfig = ao.get_default_qconfig(torch.backends.quantized.engine)
    prepared: nn.Module = ao.prepare(fused, inplace=True)
    return prepared


@_quiet()
def prepare_qat(network: nn.Module) -> nn.Module:
    """A fused copy with fake-quantize, in train mode, ready for training.

    Of resnet18 only the feature extractor is quantized; its head (dropout, and the trained output layer) stays
    float, as in PyTorch's quantized transfer learning tutorial.

    Raises:
        UserError: neither LeNet nor torchvision's resnet18.
    """
    ao = _ao()
    fused = fuse(network, qat=True)
    quantized_part = fused
    if is_resnet18(network):
        fused = with_float_head(fused)
        quantized_part = fused.get_submodule("0")
    quantized_part.qconfig = ao.get_default_qat_qconfig(torch.backends.quantized.engine)
    prepared: nn.Module = ao.prepare_qat(fused, inplace=True)
    return prepared


@torch.no_grad()
def calibrate(prepared: nn.Module, inputs: torch.Tensor, batch_images: int = 32) -> int:
    """Show inputs ``(N, C, H, W)`` of the training split to the observers; returns how many were shown.

    This happens in eval mode, so that no BatchNorm statistics change; the mode is restored.
    """
    training = prepared.training
    prepared.eval()
    for batch in torch.split(inputs, batch_images):
        prepared(batch)
    prepared.train(training)
    return len(inputs)


def hold_statistics(prepared: nn.Module) -> None:
    """Let BatchNorm normalize with the statistics it has while training: some hundred photos estimate them worse."""
    _ao()
    prepared.apply(torch.ao.nn.intrinsic.qat.freeze_bn_stats)


def freeze_observers(prepared: nn.Module) -> None:
    """Fix the scales for the last part of quantization-aware training."""
    prepared.apply(_ao().disable_observer)


@_quiet()
def convert(prepared: nn.Module) -> nn.Module:
    """The int8 network, in eval mode; ``prepared`` stays as it is.

    Raises:
        GateError: an observer has seen no data, so that its scale would be made up (the message names it); or
            nothing was quantized.
    """
    check_observers(prepared)
    converted: nn.Module = _ao().convert(copy.deepcopy(prepared).eval(), inplace=True)
    return _require_some(converted)


def check_observers(prepared: nn.Module) -> None:
    """Refuse observers that saw nothing: their minimum is still infinite, or was never written.

    Raises:
        GateError: it names the first such observer.
    """
    observer_base = _ao().ObserverBase
    for name, module in prepared.named_modules():
        if not isinstance(module, observer_base) or not hasattr(module, "min_val"):
            continue
        low = module.min_val
        assert isinstance(low, torch.Tensor)
        if low.numel() == 0 or not bool(torch.isfinite(low).all()):
            raise GateError(f"observer {name} has seen no data: calibrate with training images before converting")


def int8_modules() -> ModuleType:
    """torch's library of eager int8 modules."""
    _ao()
    library: ModuleType = torch.ao.nn.quantized
    return library


@functools.cache
@_quiet()
def decomposed_operators() -> Any:
    """The operators ``quantize_per_tensor``, ``dequantize_per_channel`` ..., which importing this module registers."""
    _ao()
    importlib.import_module("torch.ao.quantization.fx._decomposed")
    return torch.ops.quantized_decomposed


def quantized_layers(network: nn.Module) -> tuple[int, int]:
    """``(quantized, all)`` layers with weights: convolution, linear, LSTM."""
    done = len(quantized_layer_names(network))
    left = sum(isinstance(module, _ConvNd | nn.Linear | nn.LSTM) for module in network.modules())
    return done, done + left


def quantized_layer_names(network: nn.Module) -> list[str]:
    """The names of the layers whose weights are int8."""
    library = int8_modules()
    int8 = (library.Conv2d, library.Linear, library.dynamic.LSTM)
    return [name for name, module in network.named_modules() if isinstance(module, int8)]


def restore(network: nn.Module, how: Recipe, path: Path) -> nn.Module:
    """The int8 network of a file of :func:`save_state`; ``network`` is a float one of the same architecture.

    Raises:
        UserError: the file is damaged, of another network, or of another recipe; the message names it.
    """
    state = load_state(path)
    if how == "dynamic":
        int8 = dynamic(network)
    else:
        prepared = prepare_static(network) if how == "static" else prepare_qat(network)
        with _quiet(), warnings.catch_warnings():
            # Scales come from the state below; these observers are only there to be replaced.
            warnings.filterwarnings("ignore", message="must run observer before calling calculate_qparams")
            int8 = _ao().convert(prepared.eval(), inplace=True)
    try:
        int8.load_state_dict(state)  # as it was read: it carries the versions of int8 modules
    except (RuntimeError, KeyError) as error:
        raise UserError(
            f"{path} holds no int8 weights of {how} quantization of this network: copy the whole directory again"
        ) from error
    return int8


def save_state(network: nn.Module, path: Path) -> int:
    """Store the state dict with torch.save; returns the file's bytes (an int8 weight takes 1 byte)."""
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    return path.write_bytes(content.getvalue())


@_quiet()
def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Read what :func:`save_state` wrote; code in the file is never run.

    Raises:
        UserError: it is something else, or damaged.
    """
    try:
        state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
        state.keys()  # AttributeError: it is no dictionary
    except (*NOT_OF_TORCH, OSError) as error:
        raise UserError(f"{path} is damaged, or no stored int8 network: copy the whole directory again") from error
    return state


def _require_some(network: nn.Module) -> nn.Module:
    done, total = quantized_layers(network)
    if done == 0:
        raise GateError(f"nothing was quantized: 0 of {total} layers of {type(network).__name__} are int8")
    return network
