"""The names of what pruning lets one choose; no torch, so that the command line knows them at once."""

from typing import Literal, get_args

Schedule = Literal["cubic", "linear", "one-shot"]
"""How pruning goes on step by step: :func:`petiole.pruning.schedule.shares`."""
Importance = Literal["contribution", "random", "l1", "l2", "taylor", "bn_scale"]
"""Which channels leave first: :mod:`petiole.pruning.contribution` and :mod:`petiole.pruning.structured`."""
Spread = Literal["global", "uniform", "sensitivity"]
"""How many channels leave where: :mod:`petiole.pruning.channels`."""

SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
IMPORTANCES: tuple[Importance, ...] = get_args(Importance)
SPREADS: tuple[Spread, ...] = get_args(Spread)
