"""What the rows of one run must agree on: pictures, flips, the demos' numbers. Records that do not are not shown."""

from pydantic import ValidationError

from petiole.figure_records import DtypeDemo, LstmDemo
from petiole.record import Record
from petiole.records import Comparison, Data, Photos, Results, Variant

DEMOS: dict[str, type[Record]] = {"dtype": DtypeDemo, "lstm": LstmDemo}


def contradiction(results: Results) -> str:
    """The first thing that two rows do not agree on, in words; "" where there is none."""
    rows = {(row.name, row.engine, row.seed): row for row in results.variants}
    for row in results.variants:
        first = next(each for each in results.variants if each.dataset == row.dataset)
        if row.accuracy.total != first.accuracy.total:
            return f"{row.name} is judged on {row.accuracy.total} {row.dataset}, {first.name} on {first.accuracy.total}"
        if said := _of_data(row, results.data) or _of_parents(row, rows):
            return said
    for each in results.comparisons:
        if said := _of_comparison(each, rows):
            return said
    return _of_demos(results)


def _of_data(row: Variant, data: Data) -> str:
    """What a network was judged on must be what the run was made with."""
    if row.dataset not in ("photos", "digits"):
        return f"{row.name} is judged on {row.dataset}, which is neither photos nor digits"
    there = data.photos if row.dataset == "photos" else data.digits
    if there is None:
        return f"{row.name} is judged on {row.dataset}, and the run has none"
    if there.test != row.accuracy.total:
        return f"{row.name} is judged on {row.accuracy.total} {row.dataset}, and the run has {there.test}"
    if isinstance(there, Photos) and not row.accuracy.by_class.keys() <= set(there.classes):
        return f"{row.name} is judged on other classes than {', '.join(there.classes)}"
    return ""


def _of_parents(row: Variant, rows: dict[tuple[str, str, int], Variant]) -> str:
    """Of a network and what it is compared with, the right pictures must differ as those gained and lost do."""
    if row.name in (row.parent, row.baseline):
        return f"{row.name} is its own parent"
    for name, versus in ((row.parent, row.versus_parent), (row.baseline, row.versus_baseline)):
        other = rows.get((name or "", "torch", row.seed))
        if other is None or versus is None:
            continue
        if row.accuracy.correct - other.accuracy.correct != versus.gained - versus.lost:
            return (
                f"{row.name} classifies {row.accuracy.correct} correctly and {other.name} {other.accuracy.correct}, "
                f"which {versus.gained} gained and {versus.lost} lost do not make"
            )
    return ""


def _of_comparison(each: Comparison, rows: dict[tuple[str, str, int], Variant]) -> str:
    after, before = (rows.get((name, each.engine, each.seed)) for name in (each.variant, each.against))
    if after is None or before is None:
        return f"{each.variant} is compared with {each.against}, and one of them is not there"
    if (
        each.lost > before.accuracy.correct
        or after.accuracy.correct - before.accuracy.correct != each.gained - each.lost
    ):
        return f"{each.variant} and {each.against} do not differ by {each.gained} gained and {each.lost} lost pictures"
    return ""


def _of_demos(results: Results) -> str:
    for name, kind in DEMOS.items():
        try:
            if results.demos.get(name):
                kind.model_validate(results.demos[name])
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            return f"the demo {name} does not fit at {where or 'its weights'}: {error.errors()[0]['msg']}"
    return ""
