"""Who tries what, and what came of it: an Optuna study in a database that several processes or machines may share.

The database alone is asked what has been tried: a recipe is tried once, whoever tries it, and a search that was stopped
goes on with what is there.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from petiole.errors import UserError
from petiole.search.recipe import Recipe

Space = Mapping[str, Sequence[Any]]
"""The values that each field of a :class:`petiole.search.recipe.Recipe` may take."""
LOST_AFTER_S = 3600.0
"""A trial that another worker began so long ago and has not ended is taken up again."""
PATIENCE_S = 5.0
"""How long a worker that has begun a trial may take to say which recipe it is; then it was killed."""
_WORKER, _BEGAN, _FOUND = "worker", "began", "found"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A recipe that was tried, and what was found (JSON-able)."""

    recipe: Recipe
    found: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A recipe that this worker is to try."""

    recipe: Recipe
    trial: Trial


class Ledger:
    """One study: recipes of ``space`` with two costs each, proposed by a tree-structured Parzen estimator (Ozaki et al.
    2020, "Multiobjective tree-structured Parzen estimator for computationally expensive optimization problems")."""

    def __init__(self, url: str, name: str, space: Space, *, seed: int, worker: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._space: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(list(values)) for key, values in space.items()
        }
        self._worker = worker
        try:
            self._study = optuna.create_study(
                storage=_storage(url), study_name=name, directions=["minimize", "minimize"], load_if_exists=True,
                sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=8),
            )  # fmt: skip
        except (SQLAlchemyError, ImportError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"--study {url} cannot be used ({first}): give the URL of a database, such as "
                            "postgresql://user@host/name, and install its driver") from error  # fmt: skip
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(_WORKER) == worker:  # of this run directory: it was killed
                self._study.tell(trial.number, state=TrialState.FAIL)

    def finished(self) -> list[Finished]:
        """All recipes that were tried to the end, by all workers, in the order in which they were begun."""
        return [
            Finished(recipe=_recipe(trial), found=trial.user_attrs[_FOUND])
            for trial in self._study.get_trials(states=(TrialState.COMPLETE,))
            if _FOUND in trial.user_attrs
        ]

    def claim(self, recipe: Recipe) -> Claim | None:
        """Take a certain recipe, unless somebody has tried it or is about to."""
        fixed = recipe.model_dump(include=set(self._space))
        self._study.enqueue_trial(fixed)
        return self._claimed(self._study.ask(self._space), wanted=recipe)

    def propose(self, attempts: int = 50) -> Claim | None:
        """Take a recipe that nobody has tried, as promising as the study can tell; None if none was found."""
        size = 1
        for distribution in self._space.values():
            assert isinstance(distribution, CategoricalDistribution)
            size *= len(distribution.choices)
        for _ in range(attempts):
            if len({_recipe(trial).name for trial in self._taken()}) >= size:
                return None
            claim = self._claimed(self._study.ask(self._space), wanted=None)
            if claim is not None:
                return claim
        return next((claim for recipe in self._all() if (claim := self.claim(recipe)) is not None), None)

    def finish(self, claim: Claim, costs: tuple[float, float], found: dict[str, Any]) -> None:
        """Write down what was found; the two ``costs`` are what the study makes small."""
        claim.trial.set_user_attr(_FOUND, found)
        self._study.tell(claim.trial, costs)

    def abandon(self, claim: Claim, why: str) -> None:
        """Write down that it cannot be made, or was not worth an end: it is not tried again."""
        claim.trial.set_user_attr("why", why)
        self._study.tell(claim.trial, state=TrialState.PRUNED)

    def abandoned(self) -> list[tuple[Recipe, str]]:
        """The recipes that were given up, and why."""
        pruned = self._study.get_trials(states=(TrialState.PRUNED,))
        return [(_recipe(trial), str(trial.user_attrs["why"])) for trial in pruned if "why" in trial.user_attrs]

    def _claimed(self, trial: Trial, wanted: Recipe | None) -> Claim | None:
        """The trial as a claim, if it is the first of its recipe; else it is struck out.

        Two workers may begin the same recipe at once: the database has numbered their trials, and the lower one counts.
        So what was begun earlier is waited for until it is known which recipe that is.
        """
        trial.set_user_attr(_WORKER, self._worker)
        trial.set_user_attr(_BEGAN, time.time())
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and any(
            each.number < trial.number and not self._is_known(each)
            for each in self._study.get_trials(states=(TrialState.RUNNING,))
        ):
            time.sleep(0.02)
        recipe = Recipe(**trial.params)
        earlier = any(_recipe(each) == recipe and each.number < trial.number for each in self._taken())
        if earlier or (wanted is not None and recipe != wanted):
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        return Claim(recipe=recipe, trial=trial)

    def _taken(self) -> Iterator[FrozenTrial]:
        for trial in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)):
            if not self._is_known(trial):
                continue  # its worker was killed before it had all of it
            if trial.state != TrialState.RUNNING or time.time() - trial.user_attrs[_BEGAN] <= LOST_AFTER_S:
                yield trial

    def _is_known(self, trial: FrozenTrial) -> bool:
        """Whether the database already holds which recipe a trial is (it is written value by value)."""
        return _BEGAN in trial.user_attrs and set(trial.params) == set(self._space)

    def _all(self) -> Iterator[Recipe]:
        """Every recipe of the space."""
        combinations: list[dict[str, Any]] = [{}]
        for key, distribution in self._space.items():
            assert isinstance(distribution, CategoricalDistribution)
            combinations = [{**each, key: value} for each in combinations for value in distribution.choices]
        return (Recipe(**each) for each in combinations)


def _storage(url: str) -> optuna.storages.BaseStorage:
    sqlite = url.startswith("sqlite:")
    options = {"connect_args": {"timeout": 60}} if sqlite else {"pool_pre_ping": True}
    return optuna.storages.RDBStorage(url, engine_kwargs=options)


def _recipe(trial: FrozenTrial) -> Recipe:
    return Recipe(**trial.params)
