"""What a run of the lab may be told, validated before anything starts."""

from pathlib import Path
from typing import Any

from petiole.chain.config import MAX_SEED, ChainConfig, ChainEffort, require_seed
from petiole.errors import UserError, unknown_choice

MOST_SEEDS = 1000
STAGES = ("scratch", "transfer", "pruning", "structured", "demos", "quantization", "lenet")
"""The chapters in the handout's order: 3.1, 3.2, 3.3 (masks; channels), 3.4.2 (demos; static and QAT), 3.4.3."""

_HOW_TO_PRUNE = {"schedule", "prune_steps", "importance", "reestimate"}
CHOICES = {
    "pruning": {"amount", "spread", "study", *_HOW_TO_PRUNE},
    "structured": {"amount", "macs", "channels", "spread", "study", "max_drop", *_HOW_TO_PRUNE},
    "quantization": {"max_drop"},
    "lenet": {"max_drop", *_HOW_TO_PRUNE},
}
"""The options that each chapter's result depends on."""
NEEDS = {"pruning": "transfer", "structured": "transfer", "quantization": "transfer"}


class Effort(ChainEffort):
    """And how much the lab does besides: its chapters, and timed calls. ``drawn_photos`` is how many are drawn where
    there are no photographs; without ``structured_first`` channels leave the whole network only."""

    scratch_epochs: int = 60
    retrain_first_epochs: int = 2
    retrain_global_epochs: int = 4
    structured_first: bool = True
    structured_qat: bool = True
    lenet_epochs: int = 10
    lenet_qat_epochs: int = 1
    lenet_prune_epochs: int = 3
    latency_samples: int = 200
    latency_seconds: float = 1.0
    latency_rounds: int = 20
    profile_rounds: int = 15
    batch_samples: int = 6
    batch_seconds: float = 0.2
    drawn_photos: int = 398
    study_amounts: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9)
    sensitivity_amounts: tuple[float, ...] = (0.25, 0.5, 0.75)
    curve_amounts: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)


class LabConfig(ChainConfig):
    """One run of the lab; see ``petiole lab --help`` for each field."""

    data: Path | None = None
    mnist: Path | None = None
    out: Path = Path("runs/lab")
    backbone: str | None = None
    weights: str | None = None
    offline: bool = False
    amount: float = 0.3
    channels: float | None = None
    study: bool = False
    seed: int = 0
    seeds: int = 1
    authors: tuple[str, ...] = ()
    stages: tuple[str, ...] = STAGES
    count: int | None = None
    demo_seed: int = 123
    profile: str = "lab"
    effort: Effort = Effort()

    def choices_of(self, chapter: str) -> dict[str, Any]:
        """The options that a chapter's result depends on."""
        return self.model_dump(include=CHOICES.get(chapter, set()))

    def checked(self) -> "LabConfig":
        """The same configuration with stages in order and those they need added.

        Raises:
            UserError: a value is out of range; the message says which and what is valid.
        """
        if not 0 < self.amount < 1:
            raise UserError(f"--amount {self.amount:g} is not between 0 and 1: give a share such as 0.3")
        self.require_valid()
        if self.channels is not None:
            self._require_share_of_channels(self.channels)
        for name, value in (("seed", self.seed), ("demo-seed", self.demo_seed)):
            require_seed(name, value)
        most = min(MOST_SEEDS, MAX_SEED - self.seed)
        if not 1 <= self.seeds <= most:
            raise UserError(f"--seeds {self.seeds} is out of range: give 1 to {most}")
        if self.count is not None and self.count < 20:
            raise UserError(f"--count {self.count} is too few pictures to train on: give 20 or more")
        for stage in self.stages:
            if stage not in STAGES:
                raise unknown_choice("stage", stage, list(STAGES))
        if self.study and "pruning" not in self.stages:
            raise UserError(
                f"--study belongs to the stage pruning: give --stages {','.join(['pruning', *self.stages])}, or leave "
                "--study out"
            )
        wanted = set(self.stages) | {NEEDS[stage] for stage in self.stages if stage in NEEDS}
        return self.model_copy(update={"stages": tuple(stage for stage in STAGES if stage in wanted)})

    def _require_share_of_channels(self, channels: float) -> None:
        if "macs" in self.model_fields_set:
            raise UserError(
                f"--channels {channels:g} and --macs {self.macs:g} both say how many channels leave: leave one out"
            )
        if not 0 < channels < 1:
            raise UserError(f"--channels {channels:g} is not between 0 and 1: give the share that leaves, such as 0.4")
        if self.spread == "sensitivity":
            raise UserError(
                "--channels does not go with --spread sensitivity, which spreads multiply-accumulates: leave one out"
            )
