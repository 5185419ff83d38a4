"""One recipe, made from parts of the training photos, judged on the others, and timed beside the reference."""

import time
from collections.abc import Sequence

import numpy as np

from petiole.called import read_called
from petiole.records import Accuracy, Variant, VersusParent
from petiole.search.candidate import judge
from petiole.search.part import Part
from petiole.search.recipe import Recipe
from petiole.search.timing import time_artifacts
from petiole.search_records import Candidate
from petiole.stats import mcnemar_exact, wilson

LEAST_DOUBT = 5e-5
"""Probabilities are stored with four digits: what is nearer to 1 counts as this far away."""


def look(parts: Sequence[Part], recipe: Recipe, reference: Recipe) -> Candidate:
    """What a recipe is worth: held-out photos of all ``parts`` together, time and size as made from the first.

    Raises:
        GateError, GoalError, TrainingError: it cannot be made.
    """
    began = time.perf_counter()
    rows, losses = [], []
    for part in parts:
        judge(part, reference, reference=None)
        rows.append(judge(part, recipe, reference=reference))
        losses.append((log_loss(part, rows[-1]), rows[-1].accuracy.total))
    first, variant = parts[0], rows[0]
    before = judge(first, reference, reference=None)
    folders = {one.name: first.rundir.path / str(one.artifact) for one in (before, variant)}
    timed = time_artifacts(folders, reference=before.name, threads=first.threads, seed=first.seed, thorough=False)
    now, own = timed[before.name].latency, timed[variant.name].latency
    return Candidate(
        name=variant.name, recipe=recipe.model_dump(), retrained=first.retrains, accuracy=pooled(rows),
        versus=_versus(rows), log_loss=sum(loss * total for loss, total in losses) / sum(total for _, total in losses),
        runtime=own.runtime, p50_ms=own.p50_ms, relative_time=own.p50_ms / now.p50_ms, reference_ms=now.p50_ms,
        file_bytes=variant.file_bytes, macs=variant.macs, parameters=variant.parameters,
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def pooled(rows: Sequence[Variant]) -> Accuracy:
    """The accuracy of networks that were judged on different photos, all of them together."""
    cells = np.sum([row.accuracy.confusion for row in rows], axis=0)
    correct, total = int(cells.trace()), int(cells.sum())
    names = list(dict.fromkeys(name for row in rows for name in row.accuracy.by_class))
    per_class = {
        name: sum(row.accuracy.by_class.get(name, 0.0) for row in rows)
        / sum(name in row.accuracy.by_class for row in rows)
        for name in names
    }
    return Accuracy(
        correct=correct, total=total, value=correct / total, ci95=wilson(correct, total), by_class=per_class,
        confusion=cells.tolist(),
    )  # fmt: skip


def _versus(rows: Sequence[Variant]) -> VersusParent | None:
    found = [row.versus_parent for row in rows]
    lost, gained = (sum(getattr(one, key) for one in found if one is not None) for key in ("lost", "gained"))
    if None in found:
        return None
    return VersusParent(lost=lost, gained=gained, mcnemar_p=mcnemar_exact(lost, gained))


def log_loss(part: Part, variant: Variant) -> float:
    """Mean surprise, in nats, at whether the called class was right: for two classes the cross-entropy."""
    stored = read_called(part.rundir.path, variant)
    right = np.equal(stored["predicted"], stored["labels"])
    sure = np.asarray(stored["probability"])
    given = np.clip(np.where(right, sure, 1 - sure), LEAST_DOUBT, 1 - LEAST_DOUBT)
    return float(-np.log(given).mean())
