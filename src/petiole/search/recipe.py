"""How one candidate is made, in a few words: what the search tries, and what ``--recipe FILE`` repeats."""

import json
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petiole.errors import UserError
from petiole.writing import write_atomic

QUANTIZATIONS = ("none", "static", "mixed", "qat")
Quantization = Literal["none", "static", "mixed", "qat"]


class Recipe(BaseModel):
    """A backbone at an input size, the share of multiply-accumulates that is left of it, the share of the remaining
    weights that is set to zero, and how it is quantized."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str
    size_px: int = Field(ge=32, le=1024, strict=True)
    macs: float = Field(default=1.0, gt=0, le=1, strict=True)
    amount: float = Field(default=0.0, ge=0, lt=1, strict=True)
    quantization: Quantization = "static"

    @property
    def name(self) -> str:
        """What the network is called in records and folders.

        >>> Recipe(backbone="resnet18", size_px=192, macs=0.5, quantization="qat").name
        'resnet18-192px-macs50-qat'
        """
        parts = [self.backbone, f"{self.size_px}px"]
        if self.macs < 1:
            parts.append(f"macs{self.macs * 100:g}")
        if self.amount:
            parts.append(f"zeros{self.amount * 100:g}")
        return "-".join([*parts, "float" if self.quantization == "none" else self.quantization])

    @property
    def is_possible(self) -> bool:
        """Quantization-aware training would fill zeros again."""
        return not (self.amount and self.quantization == "qat")


class RecipeLimits(BaseModel):
    """The limits that the network was chosen by; what is not in the file is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    objective: Literal["latency", "size", "macs", "accuracy"] = "latency"
    max_drop: float | None = None
    min_accuracy: float | None = None
    max_latency_ms: float | None = Field(default=None, gt=0)
    max_bytes: int | None = Field(default=None, gt=0)
    max_macs: int | None = Field(default=None, gt=0)


class RecipeFile(BaseModel):
    """What ``chosen.toml`` holds: the recipe, and what else the network and the verdict depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    seed: int = Field(ge=0, lt=2**32)
    weights: str
    weights_sha256: str
    reference: str
    limits: RecipeLimits = RecipeLimits()

    def write(self, path: Path) -> None:
        """Write it as a file for ``--recipe``."""
        content = self.model_dump(exclude_none=True)
        sections = {"recipe": content.pop("recipe"), "limits": content.pop("limits")}
        lines = ["# petiole compress DATA --recipe this-file --out ANOTHER: makes this network again.", ""]
        lines += [f"{key} = {_toml(value)}" for key, value in content.items()]
        for name, section in sections.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
        write_atomic(path, "\n".join(lines) + "\n")


def _toml(value: object) -> str:
    """A number or text as TOML has it: JSON's words, but no pairs of surrogates, and DEL not as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_recipe(path: Path) -> RecipeFile:
    """The recipe in a file.

    Raises:
        UserError: there is no such file, or it holds no recipe; the message names the key.
    """
    if not path.is_file():
        raise UserError(f"no such recipe: {path}; give the chosen.toml of a run, or a file of its recipes/")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a recipe ({error}): give a chosen.toml that petiole compress wrote") from error
    try:
        return RecipeFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is not a recipe: {where} ({first['msg']})") from error
