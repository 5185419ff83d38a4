"""Which recipe deserves a longer look, and which ones are made in the end; judged on held-out training photos only."""

from collections.abc import Collection, Iterable, Sequence

from petiole.search.limits import Limits, judge_accuracy, judge_drop
from petiole.search.pareto import non_dominated
from petiole.search.recipe import Recipe
from petiole.search_records import Candidate

SLACK = 1.03
"""How far a first look may be over a limit on time or size: timings scatter a little."""
RECOVERY = 0.03
"""How much accuracy training in full may bring back of what the first look lost (docs/log.md)."""


def cost_of(candidate: Candidate, limits: Limits) -> float:
    """What the search makes small."""
    return limits.costs(
        p50_ms=candidate.p50_ms, file_bytes=candidate.file_bytes, macs=candidate.macs, error=candidate.log_loss
    )


def excess(candidate: Candidate, limits: Limits) -> float:
    """How far a candidate's own figures are over the limits, as shares of them: 0 where all hold on these photos.

    Points, not intervals: the test split decides in the end.
    """
    total, versus = candidate.accuracy.total, candidate.versus
    over = [
        max(0.0, exact.times - 1)
        for exact in limits.exact(p50_ms=candidate.p50_ms, file_bytes=candidate.file_bytes, macs=candidate.macs)
    ]
    if limits.max_drop is not None and versus is not None:
        over.append(max(0.0, (versus.lost - versus.gained) / total - limits.max_drop))
    if limits.min_accuracy is not None:
        over.append(max(0.0, limits.min_accuracy - candidate.accuracy.value))
    return sum(over)


def holds(candidate: Candidate, limits: Limits) -> bool:
    """Whether its own figures keep every limit."""
    return excess(candidate, limits) <= 1e-9


def promising(
    looked: Sequence[Candidate],
    trained: Sequence[Candidate],
    limits: Limits,
    *,
    taken: Collection[Recipe],
    quantizations: Collection[str] = ("static",),
) -> Recipe | None:
    """The recipe that is to be trained in full next, or None. ``taken`` are those that somebody has tried or tries.

    Where accuracy is what counts, the lowest log loss at the first look comes first. Else the cheapest one does that
    holds the limits on held-out photos at the first look; where it holds them after training too, a cheaper one is
    next, else a costlier one, and of several the one with the lowest log loss. What the paired interval rules out even
    if training brings much back, or another one beats in log loss, time and size, is not tried. Where a static int8
    network that was trained breaks a limit on accuracy, the other ways to int8 are tried; where accuracy is what
    counts, quantization-aware training is tried in any case, after all static ones.
    """
    possible = [each for each in looked if not _is_hopeless(each, limits)]
    front = non_dominated(possible, [(each.log_loss, each.p50_ms, each.file_bytes) for each in possible])
    rest, siblings = (
        [each for each in rows if Recipe(**each.recipe) not in taken]
        for rows in (front, list(_siblings(trained, limits, quantizations)))
    )
    if limits.objective == "accuracy":  # a first look's log loss is none after training: all are worth it, in order
        wanted = rest or siblings
        return Recipe(**min(wanted, key=lambda each: each.log_loss).recipe) if wanted else None
    rest += siblings
    if not rest:
        return None
    starting = [each for each in rest if holds(each, limits)]
    if not trained and starting:
        return Recipe(**min(starting, key=lambda each: cost_of(each, limits)).recipe)
    held = [cost_of(each, limits) for each in trained if holds(each, limits)]
    failed = [cost_of(each, limits) for each in trained if not holds(each, limits)]
    if held:
        wanted = [each for each in rest if cost_of(each, limits) < min(held)]
    else:
        wanted = [each for each in rest if cost_of(each, limits) > max(failed, default=-1.0)] or rest
    return Recipe(**min(wanted, key=lambda each: each.log_loss).recipe) if wanted else None


def finalists(candidates: Sequence[Candidate], limits: Limits) -> list[Recipe]:
    """The recipes to be made from all photos: those that keep the limits on held-out photos, best first.

    Those that were trained in full count; where there are none, all. Where none keeps the limits: the nearest ones.
    """
    rows = [each for each in candidates if each.retrained] or list(candidates)
    keeping = sorted((each for each in rows if holds(each, limits)), key=lambda each: cost_of(each, limits))
    nearest = sorted(rows, key=lambda each: (excess(each, limits), each.log_loss))
    return [Recipe(**each.recipe) for each in keeping or nearest]


def _siblings(trained: Sequence[Candidate], limits: Limits, quantizations: Collection[str]) -> Iterable[Candidate]:
    """The other ways to int8 of networks that were trained, with what is known of their static twins."""
    for each in trained:
        recipe, is_held = Recipe(**each.recipe), holds(each, limits)
        exact = limits.exact(p50_ms=each.p50_ms, file_bytes=each.file_bytes, macs=each.macs)
        if recipe.quantization == "static" and all(one.times <= 1 for one in exact):
            again = ["qat"] if limits.objective == "accuracy" or not is_held else []
            for other in (one for one in (*again, *([] if is_held else ["mixed"])) if one in quantizations):
                sibling = Recipe.model_validate({**each.recipe, "quantization": other})
                if sibling.is_possible:
                    yield each.model_copy(update={"name": sibling.name, "recipe": sibling.model_dump()})


def _is_hopeless(candidate: Candidate, limits: Limits) -> bool:
    """Whether it cannot keep a limit, also if it is trained in full."""
    own = limits.exact(p50_ms=candidate.p50_ms, file_bytes=candidate.file_bytes, macs=candidate.macs)
    if any(exact.times > SLACK for exact in own):
        return True
    versus, accuracy = candidate.versus, candidate.accuracy
    if limits.max_drop is not None and versus is not None:
        drop = judge_drop(versus.lost, versus.gained, accuracy.total, limits.max_drop + RECOVERY)
        if drop.verdict == "broken":
            return True
    if limits.min_accuracy is None:
        return False
    return judge_accuracy(accuracy.correct, accuracy.total, limits.min_accuracy - RECOVERY).verdict == "broken"
