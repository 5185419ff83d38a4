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

EXACT = ("--max-latency", "--max-size", "--max-macs")
"""Limits that are measured on the file itself, not estimated from pictures."""


@dataclass(frozen=True, kw_only=True)
class Finals:
    """The reference and the finalists as the test split sees them, and what could not be made."""

    variants: list[Variant]
    finalists: list[Finalist]
    failures: list[Failure]


def finish(search: Search, reference: Recipe, recipes: Sequence[Recipe], count: int) -> Finals:
    """Make, judge and time the reference and the first ``count`` of the ``recipes`` that can be made."""
    variants, failures = [judge(search.final, reference, reference=None)], []
    for recipe in recipes:
        if recipe == reference or len(variants) > count:
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
    None if the test split shows that its accuracy breaks one. Nothing is chosen on the test split: it may only object.
    """
    for each in finals:
        if all(limit.verdict != "broken" for limit in each.limits if limit.limit.startswith(EXACT)):
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
    if limits.max_drop is not None and versus is not None:
        drop = judge_drop(versus.lost, versus.gained, accuracy.total, limits.max_drop)
        found.append(
            Limit(
                limit=f"--max-drop {limits.max_drop * 100:g}", verdict=drop.verdict, photos_needed=drop.photos_needed,
                found=f"{units.points(drop.difference)} ({units.points(drop.low)} to {units.points(drop.high)}, 95%)",
            )
        )  # fmt: skip
    if limits.min_accuracy is not None:
        found.append(
            Limit(
                limit=f"--min-accuracy {limits.min_accuracy * 100:g}",
                verdict=judge_accuracy(accuracy.correct, accuracy.total, limits.min_accuracy),
                found=f"{units.percent(accuracy.value)} ({units.interval(*accuracy.ci95)}, 95%)",
            )
        )
    own = {"p50_ms": timed.latency.p50_ms, "file_bytes": row.file_bytes, "macs": row.macs}
    broken = limits.broken_by(**own)  # type: ignore[arg-type]  # three numbers by name
    for option, limit, text in zip(
        EXACT,
        (
            limits.max_latency_ms and units.ms(limits.max_latency_ms),
            limits.max_bytes and units.bytes(limits.max_bytes),
            limits.max_macs and units.count(limits.max_macs),
        ),
        (units.ms(timed.latency.p50_ms), units.bytes(row.file_bytes), units.count(row.macs)),
        strict=True,
    ):
        if limit:
            is_broken = any(option in each for each in broken)
            found.append(Limit(limit=f"{option} {limit}", found=text, verdict="broken" if is_broken else "kept"))
    return found
