"""How the chain is run: how much of everything, and the options that change what comes out."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from petiole.errors import UserError, unknown_choice
from petiole.pruning.choices import IMPORTANCES, SCHEDULES, SPREADS

MAX_SEED = 2**31


def require_seed(name: str, value: int) -> None:
    """What generators of random numbers take as a seed.

    Raises:
        UserError: it is out of range.
    """
    if not 0 <= value < MAX_SEED:
        raise UserError(f"--{name} {value} is out of range: give a whole number from 0 to {MAX_SEED - 1}")


MOST_STEPS = 20
"""Of pruning: each has an epoch of its own at least."""


class ChainEffort(BaseModel):
    """How much of everything: epochs of training, views and pictures, steps of pruning."""

    model_config = ConfigDict(frozen=True)

    probe_epochs: int = 20
    probe_views: int = 8
    transfer_epochs: int = 4
    structured_epochs: int = 2
    prune_steps: int = 2
    channel_steps: int = 1
    photo_qat_epochs: int = 2
    calibration_images: int = 128
    refit_photos: int = 256


class ChainConfig(BaseModel):
    """Options of pruning and quantization that lab and search share; see ``--help`` for each field."""

    model_config = ConfigDict(frozen=True)

    macs: float = 0.45
    schedule: str = "cubic"
    prune_steps: int | None = None
    importance: str = "contribution"
    spread: str = "global"
    reestimate: bool = False
    max_drop: float = 1.0
    effort: ChainEffort = ChainEffort()

    def require_valid(self) -> None:
        """Every option is in its range.

        Raises:
            UserError: one is not; the message says which and what is valid.
        """
        if not 0 < self.macs < 1:
            raise UserError(f"--macs {self.macs:g} is not between 0 and 1: give the share that is left, such as 0.5")
        self._require_steps()
        if not 0 <= self.max_drop <= 100:
            raise UserError(f"--max-drop {self.max_drop:g} is out of range: give points of accuracy from 0 to 100")
        chosen: list[tuple[str, str, Any]] = [
            ("schedule", self.schedule, SCHEDULES),
            ("importance", self.importance, IMPORTANCES),
            ("spread", self.spread, SPREADS),
        ]
        for what, given, choices in chosen:
            if given not in choices:
                raise unknown_choice(what, given, list(choices))

    def _require_steps(self) -> None:
        """As many steps as there can be.

        Raises:
            UserError: too few, too many, or several in one shot.
        """
        steps = self.prune_steps
        if steps is None:
            return
        if steps < 1:
            raise UserError(f"--prune-steps {steps} is too few: give 1 or more")
        if steps > MOST_STEPS:
            raise UserError(f"--prune-steps {steps} is too many: give {MOST_STEPS} or fewer")
        if self.schedule == "one-shot" and steps > 1:
            raise UserError(
                f"--prune-steps {steps} does not go with --schedule one-shot, which has one: choose cubic or linear"
            )
