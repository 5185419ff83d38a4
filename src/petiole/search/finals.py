"""The finalists: made from all training photos, judged once on the test split, measured side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from petiole import stats, units
from petiole.errors import GateError, GoalError
from petiole.records import Failure, Variant
from petiole.search.candidate import judge
from petiole.search.limits import Limits, judge_accuracy, judge_drop
from petiole.search.recipe import Recipe
from petiole.search.setup import Search
from petiole.search.timing import Timed, time_artifacts
from petiole.search_records import Finalist, Limit
from petiole.training.fit import TrainingError


@dataclass(frozen=True, kw_only=True)
class Finals:
    """The reference and the finalists as the test split sees them, and what could not be made."""

    variants: list[Variant]
    finalists: list[Finalist]
    failures: list[Failure]


def finish(search: Search, reference: Recipe, recipes: Sequence[Recipe]) -> Finals:
    """Make, judge and time the reference and the ``recipes``."""
    variants, failures = [judge(search.final, reference, reference=None)], []
    for recipe in recipes:
        if recipe == reference:
            continue
        try:
            variants.append(judge(search.final, recipe, reference=reference))
        except (GateError, GoalError, TrainingError) as error:
            search.say(f"{recipe.name} failed: {error}")
            failures.append(Failure(variant=recipe.name, why=str(error), seed=search.config.seed, stage="final"))
    timed = _timed(search, variants)
    variants = [row.model_copy(update={"latency": [timed[row.name].latency]}) for row in variants]
    rows = {row.name: row for row in variants}
    made = [
        _finalist(search.config.limits, rows[recipe.name], recipe, timed[recipe.name])
        for recipe in recipes
        if recipe.name in rows
    ]
    return Finals(variants=variants, finalists=made, failures=failures)


def chosen(finals: Sequence[Finalist]) -> Finalist | None:
    """The first finalist, in the order that held-out photos gave, of which no limit on time, size or MACs is broken;
    None if the test split shows that its accuracy breaks one."""
    for each in finals:
        if all(limit.verdict != "broken" for limit in each.limits if limit.is_exact):
            return each if each.verdict != "broken" else None
    return None


def _timed(search: Search, variants: Sequence[Variant]) -> dict[str, Timed]:
    folders = {row.name: search.rundir.path / str(row.artifact) for row in variants}
    return time_artifacts(
        folders, reference=variants[0].name, threads=search.threads, seed=search.config.seed, thorough=True
    )


def _finalist(limits: Limits, row: Variant, recipe: Recipe, timed: Timed) -> Finalist:
    versus = row.versus_parent
    interval = stats.paired_difference(versus.lost, versus.gained, row.accuracy.total) if versus else None
    by_class = row.accuracy.by_class.values()
    return Finalist(
        name=row.name, recipe=recipe.model_dump(), accuracy=row.accuracy,
        balanced_accuracy=sum(by_class) / len(by_class), versus_reference=versus,
        difference=(versus.gained - versus.lost) / row.accuracy.total if versus else None, ci95=interval,
        latency=timed.latency, speedup=timed.speedup, file_bytes=row.file_bytes, macs=row.macs,
        artifact=str(row.artifact), limits=_judged(limits, row, timed),
    )  # fmt: skip


def _judged(limits: Limits, row: Variant, timed: Timed) -> list[Limit]:
    """Every limit with what was found and the verdict."""
    found, accuracy, versus = [], row.accuracy, row.versus_parent
    if limits.max_drop is not None:
        lost, gained = (versus.lost, versus.gained) if versus else (0, 0)
        drop = judge_drop(lost, gained, accuracy.total, limits.max_drop)
        low, high = units.points(drop.low), units.points(drop.high)
        found.append(
            Limit(
                limit=f"--max-drop {limits.max_drop * 100:g}",
                found=f"{units.points(drop.difference)} ({low} to {high})",
                verdict=drop.verdict if versus else "kept", photos_needed=drop.photos_needed if versus else None,
            )
        )  # fmt: skip
    if limits.min_accuracy is not None:
        judged = judge_accuracy(accuracy.correct, accuracy.total, limits.min_accuracy)
        found.append(
            Limit(
                limit=f"--min-accuracy {limits.min_accuracy * 100:g}", verdict=judged.verdict,
                photos_needed=judged.photos_needed,
                found=f"{units.percent(accuracy.value)} ({units.interval(*accuracy.ci95)})",
            )
        )  # fmt: skip
    own = limits.exact(p50_ms=timed.latency.p50_ms, file_bytes=row.file_bytes, macs=row.macs)
    return found + [
        Limit(limit=each.limit, found=each.found, verdict="broken" if each.times > 1 else "kept", is_exact=True)
        for each in own
    ]
