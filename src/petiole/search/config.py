"""What a search may be told, validated before anything starts."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from petiole.chain.config import ChainConfig, ChainEffort, require_seed
from petiole.errors import UserError, unknown_choice
from petiole.search.limits import Limits
from petiole.search.recipe import QUANTIZATIONS

SIZES = (1.0, 6 / 7, 5 / 7, 4 / 7)
"""Input sizes that are tried where none is named, as shares of a backbone's own: 224, 192, 160 and 128 pixels."""


class SearchConfig(BaseModel):
    """One search; see ``petiole compress --help`` for each field."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    data: Path
    out: Path = Path("runs/compress")
    limits: Limits = Limits()
    budget_s: float = 900.0
    backbones: tuple[str, ...] = ()
    weights: str | None = None
    offline: bool = False
    sizes: tuple[int, ...] = ()
    macs: tuple[float, ...] = (1.0, 0.75, 0.6, 0.5, 0.35)
    amounts: tuple[float, ...] = (0.0,)
    quantizations: tuple[str, ...] = QUANTIZATIONS
    study: str | None = None
    recipe: Path | None = None
    finalists: int = 2
    most_photos: int = 1500
    seed: int = 0
    chain: ChainConfig = ChainConfig(effort=ChainEffort(probe_views=4))
    final: ChainConfig = ChainConfig(effort=ChainEffort(structured_epochs=4))

    def checked(self) -> "SearchConfig":
        """The same configuration.

        Raises:
            UserError: a value is out of range; the message says which and what is valid.
        """
        self.limits.require_valid()
        if not self.budget_s > 0:
            raise UserError(f"--budget {self.budget_s:g} leaves no time: give some, such as 15m")
        require_seed("seed", self.seed)
        for option, shares, most in (("--macs", self.macs, 1.0), ("--amount", self.amounts, 0.99)):
            for share in shares:
                if not (0 < share <= most or (option == "--amount" and share == 0)):
                    raise UserError(f"{option} {share:g} is out of range: give shares between 0 and 1, such as 0.5")
        for size_px in self.sizes:
            if not 32 <= size_px <= 1024:
                raise UserError(f"--size {size_px} is out of range: give pixels from 32 to 1024")
        for each in self.quantizations:
            if each not in QUANTIZATIONS:
                raise unknown_choice("quantization", each, list(QUANTIZATIONS))
        for option, several in (
            ("--macs", self.macs), ("--amount", self.amounts), ("--quantization", self.quantizations)
        ):  # fmt: skip
            if not several:
                raise UserError(f"{option} names nothing to try: give at least one value")
        if self.study is not None and (not self.study.strip() or re.fullmatch(r"sqlite:/*(:memory:)?", self.study)):
            raise UserError(
                f"--study {self.study!r} keeps nothing: give the URL of a database, such as sqlite:///study.db, or none"
            )
        if self.finalists < 1:
            raise UserError(f"--finalists {self.finalists} is too few: give 1 or more")
        if set(self.quantizations) == {"qat"} and all(self.amounts):
            raise UserError("--quantization qat would fill --amount's zeros again: name static or mixed")
        if self.limits.max_drop is None:
            return self
        points = 100 * self.limits.max_drop  # what layers go back to float for, in mixed precision
        return self.model_copy(
            update={
                "chain": self.chain.model_copy(update={"max_drop": points}),
                "final": self.final.model_copy(update={"max_drop": points}),
            }
        )
