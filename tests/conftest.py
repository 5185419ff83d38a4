"""For all tests: caches of their own, no network but loopback, and the real data where they are there."""

import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from judged import judge_both
from petiole import api, download
from petiole.models.lenet import LeNet

REAL = Path(__file__).parents[2] / "shared" / "data"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


if "PYTEST_XDIST_WORKER_COUNT" in os.environ and hasattr(os, "sched_setaffinity"):
    # Files of tests run beside each other: each worker keeps to its share of the cores, and so do its children.
    _cores, _worker = sorted(os.sched_getaffinity(0)), int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.sched_setaffinity(0, _cores[_worker :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])] or _cores)
    torch.set_num_threads(len(os.sched_getaffinity(0)))


LONG = (
    "lab/test_real.py", "lab/test_run.py", "search/test_search.py", "docs/test_commands.py", "test_interruptions.py",
    "search/test_any_folder.py", "test_gates.py", "inference/test_bench.py", "lab/test_orchestration.py",
)  # fmt: skip
"""Files of tests that take longest: they begin first, so that no core waits for the last of them. The first one has all
cores, and OpenVINO keeps to those that its process had when it was first used."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put ``LONG`` first, in its order."""
    places = {name: at for at, name in enumerate(LONG)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: places.get(item.path.relative_to(tests).as_posix(), len(LONG)))


def _real(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no real data at {path}")
    return path


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The 398 hymenoptera files, in train/ and val/."""
    return _real(REAL / "hymenoptera_data")


@pytest.fixture(scope="session")
def real_digits() -> Path:
    """The folder that holds MNIST/raw."""
    _real(REAL / "MNIST" / "raw")
    return REAL


@pytest.fixture(scope="session")
def standin_weights() -> Path:
    """A ResNet18 state dict in torchvision's naming."""
    return _real(REAL / "weights" / "resnet18-standin.pth")


@pytest.fixture(scope="module")
def lenet() -> nn.Module:
    """LeNet with random weights; tests leave it as it is, as the next one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LeNet().eval()


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    """torchvision's resnet18 with random weights and two classes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = torchvision.models.resnet18(num_classes=2)
        network(torch.randn(16, 3, 64, 64))  # so that BatchNorm's statistics are not the trivial ones
        return network.eval()


@pytest.fixture(scope="session")
def drawn_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four drawn photos, in train/ and val/."""
    return api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)


@pytest.fixture(scope="session")
def judged_run(tmp_path_factory: pytest.TempPathFactory, drawn_photos: Path) -> Path:
    """A run directory with what :func:`judged.judge_both` makes; tests leave it as it is."""
    out = tmp_path_factory.mktemp("run")
    judge_both(drawn_photos, out)
    return out


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Connections to anything but loopback fail at once, as on a machine without internet."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise OSError(f"tests have no network: {address}")
        connect(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in LOOPBACK:
            raise socket.gaierror(f"tests have no network: {host}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session", autouse=True)
def _session_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures that outlive a test have caches of their own too; no proxy stands before loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PETIOLE_CACHE", str(tmp_path_factory.mktemp("petiole-cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch-home")))
        patch.setenv("no_proxy", ",".join(LOOPBACK))
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh PETIOLE_CACHE and TORCH_HOME, and no knowledge of which hosts answer."""
    path = tmp_path_factory.mktemp("cache") / "petiole"
    monkeypatch.setenv("PETIOLE_CACHE", str(path))
    monkeypatch.setenv("TORCH_HOME", str(path.parent / "torch"))
    download.forget_probes()
    return path


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], str]]:
    """Start a server on loopback that has these files; gives its URL, without a slash at the end."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()

        def add(more: dict[str, bytes]) -> str:
            files.update(more)
            return f"http://127.0.0.1:{httpd.server_address[1]}"

        yield add
        httpd.shutdown()
        thread.join()


@pytest.fixture
def closed_url() -> str:
    """The URL of a port on loopback that nothing listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"
