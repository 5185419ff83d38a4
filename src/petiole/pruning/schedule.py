"""How far pruning has come after each of its steps: all at once, evenly, or fast first and slowly at the end."""

from collections.abc import Sequence

from petiole.errors import UserError, unknown_choice
from petiole.pruning.choices import SCHEDULES


def shares(schedule: str, steps: int) -> tuple[float, ...]:
    """The share of all that is to be pruned which is pruned after each step, rising to 1.

    ``cubic``: ``1 - (1 - t / steps)^3`` after step ``t`` (Zhu and Gupta 2017, "To prune, or not to prune", equation
    1): much is removed while there is much to choose from, little at the end. ``one-shot`` has one step.

    Raises:
        UserError: no such schedule, or no step.

    >>> shares("cubic", 2), shares("linear", 4), shares("one-shot", 4)
    ((0.875, 1.0), (0.25, 0.5, 0.75, 1.0), (1.0,))
    """
    if schedule not in SCHEDULES:
        raise unknown_choice("schedule", schedule, list(SCHEDULES))
    if steps < 1:
        raise UserError(f"--prune-steps {steps} is too few: give 1 or more")
    if schedule == "one-shot":
        return (1.0,)
    done = [step / steps for step in range(1, steps + 1)]
    return tuple(1 - (1 - each) ** 3 if schedule == "cubic" else each for each in done)


def steps_that_prune(done: Sequence[float], left: Sequence[object], whole: object) -> tuple[float, ...]:
    """Of the shares ``done`` those after which less is left than before: where counts are rounded, a step may come to
    what the step before it has left (or to the ``whole`` network), and is none. ``left`` is what is left after each of
    them; the last share always stays.

    >>> steps_that_prune((0.1, 0.4, 0.5, 0.9, 1.0), (32, 24, 24, 16, 16), 32)
    (0.4, 1.0)
    """
    before = (whole, *left)
    steps = [share for share, was, now in zip(done[:-1], before, left, strict=False) if now not in (was, left[-1])]
    return (*steps, done[-1])


def epochs_of_steps(epochs: int, steps: int) -> tuple[int, ...]:
    """Epochs after each step: one after each but the last, which gets what is left, and one at least.

    >>> epochs_of_steps(4, 2), epochs_of_steps(2, 3)
    ((1, 3), (1, 1, 1))
    """
    return (*[1] * (steps - 1), max(1, epochs - steps + 1))
