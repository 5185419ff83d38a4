"""The whole search: reference, first and second look, finalists made from all photos, verdict, records. Only wiring."""

import time
from collections.abc import Sequence

import petiole
from petiole.bench.machine import describe, peak_memory_bytes
from petiole.errors import GoalError
from petiole.progress import Say
from petiole.records import Data, Run, Stage, to_json
from petiole.rundir import write_atomic
from petiole.search.candidate import build
from petiole.search.config import SearchConfig
from petiole.search.explore import cost_of, explore, holds, look
from petiole.search.finals import Finals, chosen, finish
from petiole.search.limits import Limits
from petiole.search.pareto import non_dominated
from petiole.search.recipe import Recipe, read_recipe
from petiole.search.setup import Search, set_up
from petiole.search_records import SEARCH, Candidate, SearchResults, Tried
from petiole.training.memory import keep_freed_memory

FINAL_COST = 1.6
"""A finalist takes about so many times as long as the reference: it is cut, refitted, taught and quantized besides."""


class _Clock:
    """Time that this search has taken, also in earlier processes of it."""

    def __init__(self, search: Search, began: float) -> None:
        self._search, self._began = search, began
        self._before: dict[str, float] = search.rundir.load("spent", search.config.seed) or {}

    def seconds(self) -> float:
        """Seconds of all processes together."""
        return time.perf_counter() - self._began + self._before.get("seconds", 0.0)

    def save(self) -> tuple[float, int]:
        """Keep seconds and peak memory for a process that goes on; gives both."""
        spent = self.seconds(), max(peak_memory_bytes(), int(self._before.get("peak_memory_bytes", 0)))
        self._search.rundir.save(
            "spent", self._search.config.seed, {"seconds": spent[0], "peak_memory_bytes": spent[1]}
        )
        return spent


def run_search(config: SearchConfig, *, command: str, say: Say, progress: bool) -> SearchResults:
    """Search into ``config.out`` and return the records; a search that was stopped goes on.

    Raises:
        UserError: wrong input; nothing has been trained then.
    """
    began = time.perf_counter()
    config = config.checked()
    wanted = read_recipe(config.recipe) if config.recipe else None
    if wanted is not None:
        config = config.model_copy(update={"backbones": (wanted.backbone,)})
    keep_freed_memory()
    search = set_up(config, say, progress=progress)
    clock = _Clock(search, began)
    reference = _reference(search)
    say(f"reference: {reference.name}")
    candidates: list[Candidate] = []
    if wanted is None:
        started = time.perf_counter()
        build(search.final, reference)
        each_s = search.rundir.load("reference-s", search.final.basis) or time.perf_counter() - started
        search.rundir.save("reference-s", search.final.basis, each_s)
        finals_s = FINAL_COST * config.finalists * each_s
        stored = search.rundir.load("explored", _basis(search))
        if stored is None:
            candidates = explore(search, reference, lambda: config.budget_s - finals_s - clock.seconds())
            search.rundir.save("explored", _basis(search), [each.model_dump(mode="json") for each in candidates])
        else:
            candidates = [Candidate.model_validate(each) for each in stored]
        recipes = finalists(candidates, config.limits)
    else:
        recipes = [wanted]
    if not recipes:
        raise GoalError("no recipe could be made within the budget: give more --budget, or other limits")
    results = _records(
        search, reference, finish(search, reference, recipes, config.finalists), candidates, clock, command
    )
    write_atomic(search.rundir.results, to_json(results))
    if results.chosen is not None:
        recipe = Recipe(**results.chosen.recipe)
        source = search.weights[recipe.backbone].source
        recipe.write(search.rundir.path / "chosen.toml", seed=config.seed, weights=source)
    return results


def _basis(search: Search) -> object:
    config = search.config.model_dump(mode="json", exclude={"out", "data", "recipe"})
    return {"config": {**config, "limits": repr(search.config.limits)}, "photos": search.photos.digest}


def _reference(search: Search) -> Recipe:
    """The float network that all are compared with: of several backbones, the one with the lowest log loss on the
    held-out training photos, with a new output layer only."""
    natives = [search.native(name) for name in search.weights]
    if len(natives) == 1:
        return natives[0]
    return min(natives, key=lambda recipe: look(search, search.first, recipe, recipe).log_loss)


def finalists(candidates: Sequence[Candidate], limits: Limits) -> list[Recipe]:
    """The recipes to be made from all photos: those that keep the limits on held-out photos, best first.

    Those that were trained in full count; where there are none, all. Where none keeps the limits: the nearest ones,
    by log loss.
    """
    rows = [each for each in candidates if each.retrained] or list(candidates)
    keeping = sorted((each for each in rows if holds(each, limits)), key=lambda each: cost_of(each, limits))
    nearest = sorted(rows, key=lambda each: each.log_loss)
    return [Recipe(**each.recipe) for each in keeping or nearest]


def _records(
    search: Search, reference: Recipe, finals: Finals, candidates: list[Candidate], clock: _Clock, command: str
) -> SearchResults:
    seconds, peak = clock.save()
    config = search.config
    run = Run(
        command=command, seconds=seconds, seeds=[config.seed], machine=describe(search.threads), profile=SEARCH,
        backbone=reference.backbone, weights=search.weights[reference.backbone].source, petiole=petiole.__version__,
        stages=[Stage(name="compress", seed=config.seed, seconds=seconds)], peak_memory_bytes=peak,
    )  # fmt: skip
    latest = list({each.name: each for each in candidates}.values())  # after training in full, where that was done
    return SearchResults(
        run=run, data=Data(photos=search.photos.record, digits=None), variants=finals.variants,
        failures=finals.failures, objective=config.limits.objective, reference=reference.name,
        finalists=finals.finalists, chosen=chosen(finals.finalists),
        pareto=non_dominated(
            latest,
            [(1 - each.accuracy.value, each.log_loss, each.p50_ms, each.file_bytes, each.macs) for each in latest],
        ),
        candidates=candidates, tried=_tried(search, candidates),
    )  # fmt: skip


def _tried(search: Search, candidates: Sequence[Candidate]) -> Tried:
    given_up = [
        (recipe.name, why)
        for name in ("first", "second")
        for recipe, why in (search.ledger(name).abandoned() if candidates else [])
    ]
    return Tried(
        space={key: list(values) for key, values in search.space().items()},
        first_look=sum(not each.retrained for each in candidates),
        retrained=sum(each.retrained for each in candidates), given_up=given_up,
        held_out=len(search.first.photos.test.labels), learned=len(search.first.photos.train.labels),
        budget_s=search.config.budget_s, study=search.config.study or "study.db",
    )  # fmt: skip
