"""An artifact directory: what is deployed (``model.onnx``), what training goes on from (``weights.safetensors``),
and what both are (``artifact.json``, with checksums). It can be copied to another machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from petiole.errors import UserError

FORMAT = "petiole-artifact"
VERSION = 1


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def logits_digest(logits: torch.Tensor) -> str:
    """A digest of logits ``(8, classes)`` rounded to 2 decimals: equal on another machine if the network is."""
    rounded = [[f"{value + 0.0:.2f}" for value in row] for row in logits.tolist()]
    return hashlib.sha256(json.dumps(rounded).encode()).hexdigest()


def save_weights(state: Mapping[str, torch.Tensor], directory: Path) -> None:
    """Write ``weights.safetensors``."""
    save_file(
        {name: tensor.detach().contiguous().clone() for name, tensor in state.items()},
        directory / "weights.safetensors",
    )


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Read ``weights.safetensors``.

    Raises:
        UserError: it is missing or broken.
    """
    path = directory / "weights.safetensors"
    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: copy the whole artifact directory") from error
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): copy the artifact directory again") from error
    return state


def write_card(directory: Path, card: dict[str, Any]) -> None:
    """Write ``artifact.json`` with the checksums of every other file of the directory."""
    files = {path.name: sha256(path) for path in sorted(directory.iterdir()) if path.name != "artifact.json"}
    content = {"format": FORMAT, "version": VERSION, **card, "sha256": files}
    (directory / "artifact.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
