"""The whole search: reference, first and second look, finalists made from all photos, verdict, records. Only wiring."""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import petiole
from petiole import units
from petiole.bench.machine import describe, peak_memory_bytes
from petiole.chain import thumbnails
from petiole.errors import GoalError, UserError, without_password
from petiole.progress import Say
from petiole.records import Data, Run, Stage, to_json
from petiole.search.candidate import build
from petiole.search.config import SearchConfig
from petiole.search.explore import explore
from petiole.search.finals import Finals, chosen, finish
from petiole.search.ledger import study_errors
from petiole.search.look import look
from petiole.search.pareto import non_dominated
from petiole.search.promise import finalists
from petiole.search.recipe import Recipe, RecipeFile, RecipeLimits, read_recipe
from petiole.search.setup import Search, set_up
from petiole.search_records import SEARCH, Candidate, Objective, SearchResults, Tried
from petiole.training.memory import keep_freed_memory
from petiole.writing import write_atomic

FINAL_COST = 1.6
"""A finalist takes about so many times as long as the reference: it is cut, refitted, taught and quantized besides."""
LEAST_SHARE = 0.3
"""Part of the budget that is searched in, however long the finalists take."""
RECIPES = "recipes"
"""Folder of the run directory with a recipe file for each candidate."""


class _Clock:
    """Time that this search has taken, also in earlier processes of it."""

    def __init__(self, search: Search, began: float) -> None:
        self._search, self._began = search, began
        self._before: dict[str, float] = search.rundir.load("spent", search.basis) or {}

    def spent(self) -> tuple[float, int]:
        """Seconds and peak memory of all processes so far; kept for one that goes on."""
        seconds = time.perf_counter() - self._began + self._before.get("seconds", 0.0)
        peak_bytes = max(peak_memory_bytes(), int(self._before.get("peak_memory_bytes", 0)))
        self._search.rundir.save("spent", self._search.basis, {"seconds": seconds, "peak_memory_bytes": peak_bytes})
        return seconds, peak_bytes

    def left_s(self, until_s: float) -> float:
        """What is left until so many seconds have been spent."""
        return until_s - self.spent()[0]


def run_search(
    config: SearchConfig, *, command: str, say: Say, progress: bool,
    deliver: Callable[[SearchResults], None] = lambda _: None,
) -> SearchResults:  # fmt: skip
    """Search into ``config.out`` and return the records; a search that was stopped goes on.

    ``deliver`` writes what else belongs into the directory, before another process may work there.

    Raises:
        UserError: wrong input, or another process is at work in ``config.out``; nothing has been trained then.
        GoalError: no recipe could be made.
    """
    began = time.perf_counter()
    config = config.checked()
    given = read_recipe(config.recipe) if config.recipe else None
    if given is not None:
        names = dict.fromkeys([given.reference, given.recipe.backbone])
        config = config.model_copy(update={"backbones": tuple(names), "seed": given.seed})
    keep_freed_memory()
    with set_up(config, say, progress=progress) as search, study_errors(search.study):
        results = _searched(search, given, _Clock(search, began), command)
        write_atomic(search.rundir.results, to_json(results))
        _write_recipes(search, results)
        deliver(results)
        search.rundir.settle()
    return results


def _searched(search: Search, given: RecipeFile | None, clock: _Clock, command: str) -> SearchResults:
    candidates: list[Candidate] = []
    if given is None:
        reference = _reference(search)
        search.say(f"reference: {reference.name}")
        candidates = _explored(search, reference, clock)
        recipes = finalists(candidates, search.config.limits)[: search.config.finalists]
    else:
        reference, recipes = _given(search, given), [given.recipe]
    if not recipes:
        raise GoalError("none of the recipes that were tried could be made: see above why")
    return _records(search, reference, finish(search, reference, recipes), candidates, clock, command)


def _reference(search: Search) -> Recipe:
    """The float network that all are compared with: of several backbones, the one with the lowest log loss on the
    held-out training photos, with a new output layer only."""
    natives = [search.native(name) for name in search.weights]
    if len(natives) == 1:
        return natives[0]
    return min(natives, key=lambda recipe: look([search.first], recipe, recipe).log_loss)


def _given(search: Search, file: RecipeFile) -> Recipe:
    """The reference of a recipe that is to be repeated.

    Raises:
        UserError: the weights at hand are not those that it was made from.
    """
    weights = search.weights[file.recipe.backbone]
    if weights.digest != file.weights_sha256:
        raise UserError(
            f"{search.config.recipe} was made from other weights of {file.recipe.backbone} ({file.weights}) than those "
            f"here ({weights.source}): give them with --weights"
        )
    return search.native(file.reference)


def _explored(search: Search, reference: Recipe, clock: _Clock) -> list[Candidate]:
    """All candidates; taken from an earlier process, if it has finished exploring with these limits and budget."""
    config = search.config
    basis = {"search": search.basis, "limits": repr(config.limits), "budget_s": config.budget_s}
    stored = search.rundir.load("explored", basis)
    if stored is not None:
        return [Candidate.model_validate(each) for each in stored]
    # How long the finalists will take, told from the reference on a part of the photos: the two are made alike.
    part = search.second[0]
    each_s = build(part, reference).seconds * len(search.photos.train.labels) / len(part.photos.train.labels)
    finals_s = (1 + FINAL_COST * config.finalists) * each_s
    until_s = max(config.budget_s - finals_s, LEAST_SHARE * config.budget_s)
    if until_s + finals_s > 1.05 * config.budget_s:
        search.say(
            f"the budget of {units.seconds(config.budget_s)} is short: the search takes {units.seconds(until_s)} of "
            f"it, and making the finalists from all photos takes about {units.seconds(finals_s)}"
        )
    found = explore(search, reference, lambda: clock.left_s(until_s))
    search.rundir.save("explored", basis, [each.model_dump(mode="json") for each in found])
    return found


def _records(
    search: Search, reference: Recipe, finals: Finals, candidates: list[Candidate], clock: _Clock, command: str
) -> SearchResults:
    config, (seconds, peak_bytes) = search.config, clock.spent()
    if config.study:
        command = command.replace(config.study, without_password(config.study))
    run = Run(
        command=command, seconds=seconds, seeds=[config.seed], machine=describe(search.threads), profile=SEARCH,
        backbone=reference.backbone, weights=search.weights[reference.backbone].source, petiole=petiole.__version__,
        stages=[Stage(name=SEARCH, seed=config.seed, seconds=seconds)], peak_memory_bytes=peak_bytes,
    )  # fmt: skip
    candidates = [each.model_copy(update={"recipe_file": f"{RECIPES}/{each.name}.toml"}) for each in candidates]
    latest = list({each.name: each for each in candidates}.values())  # after training in full, where that was done
    costs = [(1 - each.accuracy.value, each.log_loss, each.p50_ms, each.file_bytes, each.macs) for each in latest]
    return SearchResults(
        run=run, data=Data(photos=search.photos.record, digits=None), variants=finals.variants,
        failures=finals.failures, objective=cast(Objective, config.limits.objective), reference=reference.name,
        finalists=finals.finalists, chosen=chosen(finals.finalists), pareto=non_dominated(latest, costs),
        candidates=candidates, tried=_tried(search, candidates),
        thumbnails=thumbnails.write(search.rundir, thumbnails.of_photos(search.photos, finals.variants)),
    )  # fmt: skip


def _tried(search: Search, candidates: Sequence[Candidate]) -> Tried:
    given_up = [
        (recipe.name, why)
        for name in ("first", "second")
        for recipe, why in (search.ledger(name).given_up() if candidates else [])
    ]
    return Tried(
        space={key: list(values) for key, values in search.space(first=False).items()},
        first_look=sum(not each.retrained for each in candidates),
        retrained=sum(each.retrained for each in candidates), given_up=given_up, folds=len(search.second),
        held_out=len(search.first.photos.test.labels), learned=len(search.first.photos.train.labels),
        budget_s=search.config.budget_s, study=without_password(search.config.study or "study.db"),
    )  # fmt: skip


def _write_recipes(search: Search, results: SearchResults) -> None:
    """A recipe file for each candidate, and ``chosen.toml`` of what was chosen; none, if nothing was."""
    folder, given = search.rundir.path, search.config.recipe
    path = folder / "chosen.toml"
    if results.chosen is not None:
        _recipe_file(search, results, results.chosen.recipe).write(path)
    elif given is None or given.resolve() != path.resolve():
        path.unlink(missing_ok=True)
    for name, recipe in {each.recipe_file: each.recipe for each in results.candidates}.items():
        _recipe_file(search, results, recipe).write(folder / name)


def _recipe_file(search: Search, results: SearchResults, recipe: dict[str, Any]) -> RecipeFile:
    weights = search.weights[recipe["backbone"]]
    return RecipeFile(
        recipe=Recipe(**recipe), seed=search.config.seed, weights=weights.source, weights_sha256=weights.digest,
        reference=results.run.backbone, limits=RecipeLimits(**search.config.limits.told()),
    )  # fmt: skip
