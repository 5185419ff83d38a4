"""The file of a pruned network, really smaller: one safetensors file of nonzeros and bitmasks.

A tensor of n elements of w bytes, k of them nonzero, takes k * w bytes of values and n / 8 bytes of mask: for
float32, a fraction (1 - amount) of the dense file and 1/32 more. A tensor for which that is not smaller
(hardly any zeros) is stored dense. "Zero" means all bits zero: -0.0 is kept as a value, so a file loads back
bit for bit.

Layout: ``dense/NAME`` or ``values/NAME`` ``(k,)`` and ``mask/NAME`` ``(ceil(n / 8),)`` uint8, first element
in the highest bit; the metadata holds format, version, the tensors' order and sparse shapes, and a SHA-256
over everything.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from petiole.errors import UserError
from petiole.writing import write_atomic

FORMAT = "petiole-sparse"
VERSION = "1"
ENTRY_BYTES = 256
"""About what one more entry of the file's header costs: less than that is not worth a mask."""


def save_sparse(state: Mapping[str, torch.Tensor], path: Path) -> int:
    """Write a network's state (dense tensors, zeros where pruned) and return the file's size in bytes.

    Tensors may have any dtype and any shape; memory layout (channels_last) is not kept, values are.

    Raises:
        UserError: the place cannot be written.
    """
    table: dict[str, list[int] | None] = {}  # the shape of a tensor that is stored sparse, None for a dense one
    parts: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        raw = _bytes_of(flat)
        keep = (raw != 0).any(dim=1)
        mask = torch.from_numpy(np.packbits(keep.numpy()))
        values = raw[keep].reshape(-1).view(flat.dtype)
        if _size_bytes(values) + mask.numel() + ENTRY_BYTES < _size_bytes(flat):
            table[name] = list(tensor.shape)
            parts[f"values/{name}"], parts[f"mask/{name}"] = values, mask
        else:
            table[name] = None
            parts[f"dense/{name}"] = flat.reshape(tensor.shape).clone()
    text = json.dumps(table, separators=(",", ":"))
    metadata = {"format": FORMAT, "version": VERSION, "tensors": text, "sha256": _digest(text, parts)}
    data = _in_order(save(parts, metadata))
    write_atomic(path, data)
    return len(data)


def _in_order(data: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes them in a random order, and equal networks are to have
    equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # the format wants tensors to begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def load_sparse(path: Path) -> dict[str, torch.Tensor]:
    """Read what :func:`save_sparse` wrote: the same names and order, the same dtypes, shapes and bits.

    Raises:
        UserError: there is no such file, it is of another kind or version, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}: give a file that a pruned network was stored in")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            parts = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged or no safetensors file ({error}): write it anew") from error
    if metadata.get("format") != FORMAT:
        raise UserError(f"{path} is not a sparse file of Petiole: give one that a pruned network was stored in")
    if metadata.get("version") != VERSION:
        raise UserError(
            f"{path} has version {metadata.get('version')!r}, this Petiole reads {VERSION!r}: write it anew"
        )
    text = metadata.get("tensors", "")
    if metadata.get("sha256") != _digest(text, parts):
        raise UserError(f"{path} is damaged (its checksum does not fit): write it anew")
    try:
        table: dict[str, list[int] | None] = json.loads(text)
        return {name: _restore(name, shape, parts) for name, shape in table.items()}
    except (ValueError, KeyError, AttributeError, TypeError, RuntimeError) as error:
        raise UserError(f"{path} does not fit together ({error!r}): write it anew") from error


def _restore(name: str, shape: list[int] | None, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The tensor of that name from its stored parts.

    Raises:
        KeyError, ValueError, RuntimeError: a part is missing, or parts do not fit each other.
    """
    if shape is None:
        return parts[f"dense/{name}"].clone()
    values, mask = parts[f"values/{name}"], parts[f"mask/{name}"]
    n = math.prod(shape)
    keep = torch.from_numpy(np.unpackbits(mask.numpy())).bool()
    if mask.numel() != math.ceil(n / 8) or bool(keep[n:].any()) or int(keep.sum()) != values.numel():
        raise ValueError(f"mask and values of {name} differ")
    flat = torch.zeros(n, dtype=values.dtype)
    _bytes_of(flat)[keep[:n]] = _bytes_of(values)
    return flat.reshape(shape)


def _bytes_of(flat: torch.Tensor) -> torch.Tensor:
    """The bytes of a flat tensor, ``(n, bytes per element)`` uint8, sharing its memory."""
    return flat.view(torch.uint8).reshape(flat.numel(), flat.element_size())


def _size_bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _digest(table: Any, parts: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over the table and every stored part: name, dtype, shape, bytes."""
    sha256 = hashlib.sha256(str(table).encode())
    for name in sorted(parts):
        part = parts[name].contiguous()
        sha256.update(f"|{name}|{part.dtype}|{list(part.shape)}|".encode())
        sha256.update(_bytes_of(part.reshape(-1)).numpy().tobytes())
    return sha256.hexdigest()
