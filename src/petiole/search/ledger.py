"""Who tries what, and what came of it: an Optuna study in a database that several processes or machines may share.

The database alone is asked what has been tried: a recipe is tried once, whoever tries it, and a search that was stopped
goes on with what is there.
"""

import itertools
import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from petiole.errors import UserError, without_password
from petiole.search.recipe import Recipe

Space = Mapping[str, Sequence[Any]]
"""The values that each field of a :class:`petiole.search.recipe.Recipe` may take."""
LOST_AFTER_S = 3600.0
"""A trial that another worker began so long ago and has not ended is taken up again."""
ATTEMPTS = 50
SEEDS_APART = 2_654_435_761
"""Each proposal has a seed of its own: the study's, moved by so much for each trial before it."""
OPENINGS = 20
"""Workers may make the tables of a new database at the same moment: all but one meet what the first has made."""
_WORKER, _BEGAN, _FOUND, _WHY, _CLAIM = "worker", "began", "found", "why", "claim"
_TAKEN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A recipe that was tried, and what was found (JSON-able)."""

    recipe: Recipe
    found: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A recipe that this worker is to try, and the number of its trial."""

    recipe: Recipe
    number: int


class Ledger:
    """One study: recipes of ``space`` with two costs each, proposed by a tree-structured Parzen estimator (Ozaki et al.
    2020, "Multiobjective tree-structured Parzen estimator for computationally expensive optimization problems").

    ``own``: the database is the run directory's own file, which nobody gave by ``--study``."""

    def __init__(self, url: str, name: str, space: Space, *, seed: int, worker: str, own: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._values = {key: list(values) for key, values in space.items()}
        self._space: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values) for key, values in self._values.items()
        }
        self._worker, self._seed = worker, seed
        self._study = _opened(url, name, own=own)
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(_WORKER) == worker:  # of this run directory: it was killed
                self._fail(trial.number)

    def finished(self) -> list[Finished]:
        """All recipes that were tried to the end, by all workers, in the order in which they were begun."""
        return [
            Finished(recipe=_recipe(trial), found=trial.user_attrs[_FOUND])
            for trial in self._study.get_trials(states=(TrialState.COMPLETE,))
            if _FOUND in trial.user_attrs
        ]

    def given_up(self) -> list[tuple[Recipe, str]]:
        """The recipes that cannot be made, and why."""
        pruned = self._study.get_trials(states=(TrialState.PRUNED,))
        return [(_recipe(trial), str(trial.user_attrs[_WHY])) for trial in pruned if _WHY in trial.user_attrs]

    def taken(self) -> set[Recipe]:
        """All recipes that somebody has tried or is trying."""
        return {_recipe(trial) for trial in self._taken()}

    def claim(self, recipe: Recipe) -> Claim | None:
        """Take a certain recipe, unless somebody has tried it or is trying it.

        The trial is written with all that belongs to it at once. Two workers may do so with one recipe: the database
        numbers their trials, and the lower one counts. One that was lost ends here: what its worker finds later does
        not count; if it has been quicker than that, the recipe is its own.
        """
        token = uuid.uuid4().hex
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=recipe.model_dump(include=set(self._space)), distributions=self._space,
                user_attrs={_WORKER: self._worker, _BEGAN: time.time(), _CLAIM: token},
            )
        )  # fmt: skip
        trials = self._study.get_trials(deepcopy=False)
        mine = next(trial.number for trial in trials if trial.user_attrs.get(_CLAIM) == token)
        for trial in trials:
            if trial.number < mine and _is_lost(trial) and _recipe(trial) == recipe:
                self._fail(trial.number)
        if any(trial.number < mine and _recipe(trial) == recipe for trial in self._taken()):
            self._fail(mine)
            return None
        return Claim(recipe=recipe, number=mine)

    def propose(self) -> Claim | None:
        """Take a recipe that nobody has tried, as promising as the study can tell; None if there is none left.

        What is proposed depends on the seed and on what has been tried, not on how often the search was stopped.
        """
        drawn = (self._seed + SEEDS_APART * sum(1 for _ in self._taken())) % 2**32
        self._study.sampler = optuna.samplers.TPESampler(seed=drawn, multivariate=True, n_startup_trials=8)
        for _ in range(ATTEMPTS):
            trial = self._study.ask(self._space)
            recipe = Recipe(**trial.params)
            self._study.tell(trial, state=TrialState.FAIL)  # it was only to be told what is promising
            if recipe.is_possible and recipe not in self.taken() and (claim := self.claim(recipe)) is not None:
                return claim
        return next((claim for recipe in self._left() if (claim := self.claim(recipe)) is not None), None)

    def finish(self, claim: Claim, costs: tuple[float, float], found: dict[str, Any]) -> None:
        """Write down what was found; the two ``costs`` are what the study makes small."""
        self._end(claim, {_FOUND: found}, costs=costs)

    def give_up(self, claim: Claim, why: str) -> None:
        """Write down that it cannot be made: it is not tried again."""
        self._end(claim, {_WHY: why}, state=TrialState.PRUNED)

    def _end(
        self, claim: Claim, attributes: dict[str, Any], *, costs: tuple[float, float] | None = None,
        state: TrialState | None = None,
    ) -> None:  # fmt: skip
        frozen = next(each for each in self._study.get_trials(deepcopy=False) if each.number == claim.number)
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        try:
            for key, value in attributes.items():
                trial.set_user_attr(key, value)
            self._study.tell(claim.number, costs, state=state)
        except (UpdateFinishedTrialError, ValueError):
            return  # it took so long that another worker has taken it up: that one's result counts

    def _fail(self, number: int) -> None:
        """End a trial without a result, unless it has just ended."""
        with suppress(UpdateFinishedTrialError):
            self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _taken(self) -> Iterator[FrozenTrial]:
        for trial in self._study.get_trials(deepcopy=False, states=_TAKEN):
            if _BEGAN in trial.user_attrs and not _is_lost(trial):  # without it, it was asked for a proposal only
                yield trial

    def _left(self) -> Iterator[Recipe]:
        """Every recipe of the space that nobody has taken."""
        taken = self.taken()
        for values in itertools.product(*self._values.values()):
            recipe = Recipe(**dict(zip(self._values, values, strict=True)))
            if recipe.is_possible and recipe not in taken:
                yield recipe


@contextmanager
def study_errors(url: str) -> Iterator[None]:
    """Turn a database that can no longer be read or written (no space, server gone) into one clear sentence."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        why = _why(error, url)
        is_damaged = url.startswith("sqlite:") and any(sign in why for sign in ("malformed", "not a database"))
        what = "move that file away" if is_damaged else "free some space on its disk, or start its server,"
        raise UserError(
            f"the study {without_password(url)} cannot be used any more ({why}): {what} and give the same command again"
        ) from error


def _why(error: Exception, url: str) -> str:
    """The first line of what the database's driver says."""
    if type(error) is RuntimeError:
        return "another version of Optuna made it"
    cause = error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0].replace(url, without_password(url))


def _opened(url: str, name: str, *, own: bool) -> optuna.Study:
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite:") else {"pool_pre_ping": True}
    for opening in range(OPENINGS):
        try:
            study = optuna.create_study(
                storage=optuna.storages.RDBStorage(url, engine_kwargs=options), study_name=name,
                directions=["minimize", "minimize"], load_if_exists=True,
            )  # fmt: skip
            study.get_trials(deepcopy=False)  # all of it can be read
        except (SQLAlchemyError, StorageInternalError, ImportError, ValueError, RuntimeError) as error:
            if _is_race(error) and opening < OPENINGS - 1:
                time.sleep(random.uniform(0.1, 0.5))
                continue
            raise _unusable(error, url, own=own) from error
        return study
    raise AssertionError("the last opening returns or raises")


def _unusable(error: Exception, url: str, *, own: bool) -> UserError:
    """Why a database cannot be opened, and what to do."""
    why = _why(error, url)
    if own:
        is_refused = isinstance(error, OperationalError) and "no such" not in why  # no space, no permission, busy
        what = "see to it that it can be written" if is_refused else "move study.db away"
        return UserError(f"{url.removeprefix('sqlite:///')} cannot be used ({why}): {what} and give the command again")
    return UserError(
        f"--study {without_password(url)} cannot be used ({why}): give the URL of a database, such as "
        "postgresql://user@host/name, and install its driver"
    )


def _is_race(error: Exception) -> bool:
    """Whether another worker is making the same tables: SQLite calls a table that is there by then an operational
    error, PostgreSQL and MySQL call it a programming error, and all of them a row an integrity error."""
    if isinstance(error, OperationalError):
        return "already exists" in str(error) or "database is locked" in str(error)
    return isinstance(error, IntegrityError | ProgrammingError)


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether a worker began it so long ago that it counts as killed."""
    began = trial.user_attrs.get(_BEGAN)
    return trial.state == TrialState.RUNNING and began is not None and time.time() - began > LOST_AFTER_S


def _recipe(trial: FrozenTrial) -> Recipe:
    return Recipe(**trial.params)
