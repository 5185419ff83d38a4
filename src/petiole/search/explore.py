"""The search itself: a first look at many recipes, then a longer one at those that promise most."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from petiole import units
from petiole.errors import GateError, GoalError
from petiole.search.ledger import Claim, Ledger
from petiole.search.look import look
from petiole.search.part import Part
from petiole.search.promise import promising
from petiole.search.recipe import Recipe
from petiole.search.setup import Search
from petiole.search_records import Candidate
from petiole.training.fit import TrainingError

FIRST_SHARE = 0.45
"""Part of the search's time that the first look may take."""


def explore(search: Search, reference: Recipe, left_s: Callable[[], float]) -> list[Candidate]:
    """Try recipes until no time is left; gives all that were tried to the end, those trained in full last.

    ``left_s()`` is what is left of the time for this, in seconds. A trial is begun if those before it say that it ends
    in time; one is tried in any case.
    """
    budget_s = left_s()
    first, second = search.ledger("first"), search.ledger("second")
    for claim in _claims(search, first, reference, lambda: left_s() - (1 - FIRST_SHARE) * budget_s):
        _try(search, [search.first], first, claim, reference)
    while True:
        rows = everything_tried(first, second)
        looked, trained = ([each for each in rows if each.retrained == flag] for flag in (False, True))
        if left_s() <= _typical_s(trained, otherwise_s=2 * _typical_s(looked) * len(search.second)):
            break
        recipe = promising(
            looked, trained, search.config.limits, taken=second.taken(), quantizations=search.config.quantizations
        )
        if recipe is None:
            break
        taken = second.claim(recipe)
        if taken is not None:  # else another worker was faster: the next one is asked for
            _try(search, search.second, second, taken, reference)
    return everything_tried(first, second)


def everything_tried(*ledgers: Ledger) -> list[Candidate]:
    """All that was found, with times that can be compared: shares of the reference's median time."""
    rows = [Candidate.model_validate(each.found) for ledger in ledgers for each in ledger.finished()]
    reference_ms = median(each.reference_ms for each in rows) if rows else 0.0
    return [row.model_copy(update={"p50_ms": row.relative_time * reference_ms}) for row in rows]


def _typical_s(candidates: Sequence[Candidate], otherwise_s: float = 0.0) -> float:
    """How long such a trial takes."""
    return median(each.seconds for each in candidates) if candidates else otherwise_s


def _claims(search: Search, ledger: Ledger, reference: Recipe, left_s: Callable[[], float]) -> Iterator[Claim]:
    """Recipes to look at: some that are spread over the space, so that there is something to learn from, then those
    that the study proposes."""
    space = search.space(first=True)
    sizes, macs = space["size_px"], space["macs"]
    quantization = "static" if "static" in space["quantization"] else space["quantization"][0]
    spread = [(0, len(macs) // 2), (0, 0), (1, len(macs) // 2), (2, len(macs) // 3), (0, -1)]
    for at_size, at_macs in spread:
        tried = everything_tried(ledger)
        if at_size < len(sizes) and (left_s() > _typical_s(tried) or not tried):
            recipe = Recipe.model_validate({
                "backbone": reference.backbone, "size_px": sizes[at_size], "macs": macs[at_macs],
                "amount": space["amount"][0], "quantization": quantization,
            })  # fmt: skip
            if (claim := ledger.claim(recipe)) is not None:
                yield claim
    while left_s() > _typical_s(everything_tried(ledger)) and (claim := ledger.propose()) is not None:
        yield claim


def _try(search: Search, parts: Sequence[Part], ledger: Ledger, claim: Claim, reference: Recipe) -> None:
    """Make and judge one recipe; what cannot be made is given up, with the reason."""
    name = claim.recipe.name
    try:
        candidate = look(parts, claim.recipe, reference)
    except (GateError, GoalError, TrainingError) as error:
        search.say(f"{name}: given up: {error}")
        ledger.give_up(claim, str(error))
        return
    cost = search.config.limits.costs(
        p50_ms=candidate.relative_time, file_bytes=candidate.file_bytes, macs=candidate.macs, error=candidate.log_loss
    )
    ledger.finish(claim, (candidate.log_loss, cost), candidate.model_dump(mode="json"))
    search.say(
        f"{'trained' if candidate.retrained else 'looked at'} {name}: {candidate.accuracy.correct} of "
        f"{candidate.accuracy.total} right, log loss {candidate.log_loss:.3f}, {units.ms(candidate.p50_ms)}, "
        f"{units.bytes(candidate.file_bytes)} ({units.seconds(candidate.seconds)})"
    )
