"""The search itself: a first look at many recipes, then a second, longer one at those that promise most."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from statistics import median

import numpy as np

from petiole.bench.machine import cpu_name
from petiole.errors import GateError, GoalError
from petiole.records import Variant
from petiole.search.candidate import judge
from petiole.search.ledger import Claim, Ledger
from petiole.search.limits import Limits, judge_drop
from petiole.search.pareto import non_dominated
from petiole.search.part import Part
from petiole.search.recipe import Recipe
from petiole.search.setup import Search
from petiole.search.timing import time_artifacts
from petiole.search_records import Candidate
from petiole.training.fit import TrainingError

LEAST_DOUBT = 5e-5
"""Probabilities are stored with four digits: what is nearer to 1 counts as this far away."""
FIRST_SHARE = 0.55
"""Part of the search's time that the first look may take."""
SLACK = 1.1
"""How far a first look may be over a limit: times drift, and a network that is trained further may be rounded less."""


def explore(search: Search, reference: Recipe, left_s: Callable[[], float]) -> list[Candidate]:
    """Try recipes until no time is left; gives all that were tried to the end, those trained in full last.

    ``left_s()`` is what is left of the time for this, in seconds.
    """
    budget_s = left_s()
    first, second = search.ledger("first"), search.ledger("second")
    for claim in _claims(search, first, reference, lambda: left_s() - (1 - FIRST_SHARE) * budget_s):
        _try(search, search.first, first, claim, reference)
    while left_s() > 0:
        rows = _candidates(first, second)
        looked, trained = ([each for each in rows if each.retrained == flag] for flag in (False, True))
        recipe = promising(looked, trained, search.config.limits, gone={each for each, _ in second.abandoned()})
        taken = second.claim(recipe) if recipe is not None else None
        if taken is None:
            break
        _try(search, search.second, second, taken, reference)
    return _candidates(first, second)


def _candidates(*ledgers: Ledger) -> list[Candidate]:
    """All that was found, with times that can be compared: shares of the reference's median time."""
    rows = [Candidate.model_validate(each.found) for ledger in ledgers for each in ledger.finished()]
    reference_ms = median(each.reference_ms for each in rows) if rows else 0.0
    return [row.model_copy(update={"p50_ms": row.relative_time * reference_ms}) for row in rows]


def _claims(search: Search, ledger: Ledger, reference: Recipe, left_s: Callable[[], float]) -> Iterator[Claim]:
    """Recipes to look at: some that are spread over the space, so that there is something to learn from, then those
    that the study proposes."""
    space = search.space()
    sizes, macs = space["size_px"], space["macs"]
    quantization = "static" if "static" in space["quantization"] else space["quantization"][0]
    spread = [(0, len(macs) // 2), (0, 0), (1, len(macs) // 2), (2, len(macs) // 3), (0, -1)]
    for at_size, at_macs in spread:
        if at_size < len(sizes) and (left_s() > 0 or not ledger.finished()):
            recipe = Recipe.model_validate({
                "backbone": reference.backbone, "size_px": sizes[at_size], "macs": macs[at_macs],
                "amount": space["amount"][0], "quantization": quantization,
            })  # fmt: skip
            if (claim := ledger.claim(recipe)) is not None:
                yield claim
    for _ in count():
        claim = ledger.propose() if left_s() > 0 else None
        if claim is None:
            return
        yield claim


def _try(search: Search, part: Part, ledger: Ledger, claim: Claim, reference: Recipe) -> None:
    """Make and judge one recipe; what cannot be made is given up, with the reason."""
    name = claim.recipe.name
    try:
        candidate = look(search, part, claim.recipe, reference)
    except (GateError, GoalError, TrainingError) as error:
        search.say(f"{name}: given up: {error}")
        ledger.abandon(claim, str(error))
        return
    cost = search.config.limits.costs(
        p50_ms=candidate.relative_time, file_bytes=candidate.file_bytes, macs=candidate.macs, error=candidate.log_loss
    )
    ledger.finish(claim, (candidate.log_loss, cost), candidate.model_dump(mode="json"))
    right = f"{candidate.accuracy.correct} of {candidate.accuracy.total} right"
    search.say(
        f"{'trained' if part.retrains else 'looked at'} {name}: {right}, {candidate.p50_ms:.2f} ms, "
        f"{candidate.file_bytes / 1e6:.2f} MB ({candidate.seconds:.0f} s)"
    )


def look(search: Search, part: Part, recipe: Recipe, reference: Recipe) -> Candidate:
    """A recipe, made from this part's photos, judged on its others, and timed beside the reference.

    Raises:
        GateError, GoalError, TrainingError: it cannot be made.
    """
    began = time.perf_counter()
    before = judge(part, reference, reference=None)
    variant = judge(part, recipe, reference=reference)
    folders = {one.name: part.rundir.path / str(one.artifact) for one in (before, variant)}
    timed = time_artifacts(
        folders, reference=before.name, threads=search.threads, seed=search.config.seed, thorough=False
    )
    now, own = timed[before.name].latency, timed[variant.name].latency
    return Candidate(
        name=variant.name, recipe=recipe.model_dump(), retrained=part.retrains, accuracy=variant.accuracy,
        versus=variant.versus_parent, log_loss=log_loss(part, variant), runtime=own.runtime, p50_ms=own.p50_ms,
        relative_time=own.p50_ms / now.p50_ms, reference_ms=now.p50_ms, file_bytes=variant.file_bytes,
        macs=variant.macs, parameters=variant.parameters, cpu=cpu_name(), seconds=time.perf_counter() - began,
    )  # fmt: skip


def log_loss(part: Part, variant: Variant) -> float:
    """Mean surprise, in nats, at whether the called class was right: for two classes the cross-entropy."""
    stored = json.loads((part.rundir.path / str(variant.predictions)).read_text(encoding="utf-8"))
    right = np.equal(stored["predicted"], stored["labels"])
    sure = np.asarray(stored["probability"])
    given = np.clip(np.where(right, sure, 1 - sure), LEAST_DOUBT, 1 - LEAST_DOUBT)
    return float(-np.log(given).mean())


def promising(looked: list[Candidate], trained: list[Candidate], limits: Limits, gone: set[Recipe]) -> Recipe | None:
    """The recipe that is to be trained in full next, or None.

    Where accuracy is what counts, the lowest log loss at the first look comes first. Else the cheapest one does that
    holds the limits on held-out photos at the first look; where it holds them after training too, a cheaper one is
    next, else a costlier one, and of several the one with the lowest log loss. What the paired interval already rules
    out, or another one beats in log loss, time and size, is not tried.
    """
    done = {each.name for each in trained} | {each.name for each in gone}
    possible = [
        each for each in looked
        if not _is_hopeless(each, limits)
        and not limits.broken_by(p50_ms=each.p50_ms, file_bytes=each.file_bytes, macs=each.macs, slack=SLACK)
    ]  # fmt: skip
    front = non_dominated(possible, [(each.log_loss, each.p50_ms, each.file_bytes) for each in possible])
    rest = [each for each in front if each.name not in done]
    if not rest:
        return None
    if limits.objective == "accuracy":  # a first look's log loss is none after training: all are worth it, in order
        return Recipe(**min(rest, key=lambda each: each.log_loss).recipe)
    held = [cost_of(each, limits) for each in trained if holds(each, limits)]
    failed = [cost_of(each, limits) for each in trained if not holds(each, limits)]
    if not trained:
        starting = [each for each in rest if holds(each, limits)]
        if starting:
            return Recipe(**min(starting, key=lambda each: cost_of(each, limits)).recipe)
    between = [
        each for each in rest
        if cost_of(each, limits) < min(held, default=float("inf"))
        and cost_of(each, limits) > (max(failed, default=float("-inf")) if not held else float("-inf"))
    ]  # fmt: skip
    wanted = between or ([] if held else rest)
    return Recipe(**min(wanted, key=lambda each: each.log_loss).recipe) if wanted else None


def cost_of(candidate: Candidate, limits: Limits) -> float:
    """What the search makes small."""
    return limits.costs(
        p50_ms=candidate.p50_ms, file_bytes=candidate.file_bytes, macs=candidate.macs, error=candidate.log_loss
    )


def holds(candidate: Candidate, limits: Limits) -> bool:
    """Whether its own figures keep every limit on the held-out photos (points, not intervals: the test decides)."""
    versus, accuracy = candidate.versus, candidate.accuracy
    lost = 0 if versus is None else versus.lost - versus.gained
    drops = limits.max_drop is not None and lost > max(limits.max_drop * accuracy.total, 0)
    poor = limits.min_accuracy is not None and accuracy.value < limits.min_accuracy
    heavy = limits.broken_by(p50_ms=candidate.p50_ms, file_bytes=candidate.file_bytes, macs=candidate.macs)
    return not (drops or poor or heavy)


def _is_hopeless(candidate: Candidate, limits: Limits) -> bool:
    """Whether the held-out photos rule out, at the 95% level, that it loses as little as it may."""
    if candidate.versus is None or limits.max_drop is None:
        return False
    found = judge_drop(candidate.versus.lost, candidate.versus.gained, candidate.accuracy.total, limits.max_drop)
    return found.verdict == "broken"
