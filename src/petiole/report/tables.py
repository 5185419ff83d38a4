"""The tables of the report, as finished text."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from petiole import units
from petiole.evidence import Group, mean_interval
from petiole.paired import SIGNIFICANT, Flips
from petiole.records import Results, Train
from petiole.report import provenance as sources
from petiole.report.blocks import NONE, Cell, Counted, Table
from petiole.report.timings import RUNTIMES, p90

MOST_CLASSES = 12
"""Of more classes, accuracies are shown of the worst."""
NEARLY_ALL = 0.97
"""Share of the pictures that one class has to be called, to be told."""
PRUNING = {"pruned", "sparsity", "macs_left", "parameters_left"}
"""Gates of networks that were pruned."""
REFUSED = "refused"
"""Instead of a time, on a runtime that gives other answers than the network, or leaves layers in float."""


def accuracy(group: Group) -> str:
    """Accuracy and its interval."""
    return units.accuracy(group.accuracy, group.interval, group.total)


def lost_and_gained(flips: Flips | None) -> str:
    """Pictures lost and gained against another network, and the paired test."""
    return NONE if flips is None else f"{flips.lost:,} / {flips.gained:,}, {units.p_value(flips.p)}"


def points_against(group: Group, flips: Flips | None) -> str:
    """The paired difference of ``group`` with its interval, in points."""
    if flips is None:
        return NONE
    low, high = (units.points(end, group.digits).removesuffix(" points") for end in flips.interval)
    return f"{units.points(flips.difference, group.digits).removesuffix(' points')} ({low} to {high})"


def how_intervals_are_made(groups: Iterable[Group]) -> str:
    """Words for the interval in the accuracy column."""
    seeds = max((len(group.rows) for group in groups), default=1)
    if seeds == 1:
        return "Wilson 95% interval"
    return (
        f"mean over {seeds} seeds; its interval covers the Wilson 95% interval (few pictures) and the t interval over "
        "the seeds (few trainings); lost and gained are sums over the seeds, p is of their means"
    )


def variants(results: Results, groups: Sequence[Group], caption: str) -> Table:
    """All that was measured of each variant: the report's main table."""
    batch = min((time.batch for group in groups for time in group.timings), default=1)
    settings = list(
        dict.fromkeys(time.setting for group in groups for time in group.timings if time.batch == batch)
    )  # larger batches: in the appendix
    seeds = len(results.run.seeds) > 1
    header = ["Variant", "Accuracy (95% interval)", "Parent", "Points against parent (95%)", "Lost / gained"]
    header += ["Parameters", "Nonzero", "MACs", "File"]
    alike = len({setting[1:] for setting in settings}) == 1
    header += [f"{_setting(*setting, short=alike)} p50 / p90 (ms)" for setting in settings]
    header += ["Seeds"] if seeds else []
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        first = group.first
        nonzero = fmean(row.nonzero_parameters for row in group.rows)
        rows.append(
            (
                sources.named(group),
                sources.accuracy_link(group, accuracy(group)),
                first.parent or NONE,
                points_against(group, group.flips),
                lost_and_gained(group.flips),
                Counted.of(fmean(row.parameters for row in group.rows), units.count),
                Counted.of(nonzero, units.count),
                Counted.of(fmean(row.macs for row in group.rows), units.count),
                sources.file_link(group),
                *(sources.time_link(group, setting, _timing(group, setting)) for setting in settings),
                *([_seeds(group, len(results.run.seeds))] if seeds else []),
            )
        )
    made = how_intervals_are_made(groups)
    if alike:
        made += f"; times of one call at batch {settings[0][1]}, {units.counted(settings[0][2], 'thread')}"
    if settings:
        made += "; p50 and p90 are exact percentiles of this run's calls, and their middle half is in the appendix"
    if any(_timing(group, setting) == NONE for group in groups for setting in settings):
        made += f"; {NONE} in place of a time: not timed there (see How everything was measured)"
    made += "; parameters, MACs and bytes are exact counts, shortened" + (", mean over the seeds" if seeds else "")
    if any(group.engine in ("pt2e", "eager") for group in groups):
        made += "; parameters, nonzero ones and MACs are those of the network before BatchNorm, where it has any, "
        made += "was folded and weights were rounded"
    flips = [group.flips for group in groups if group.flips is not None]
    if any((each.interval[0] > 0 or each.interval[1] < 0) and each.p >= SIGNIFICANT for each in flips):
        made += "; where an interval in points leaves out 0 and p is above 0.05, the exact test is the stricter one"
    if any(REFUSED in row for row in rows):
        made += f"; {REFUSED}: not used on that runtime, for the reason among the gates of its chapter"
    return Table(caption=f"{caption}: {made}.", header=tuple(header), rows=tuple(rows), words=frozenset({2}))


def baselines(groups: Sequence[Group]) -> Table | None:
    """The same of networks that were made in several steps against what was pruned; None where no record holds it."""
    rows = [
        (sources.named(group), flips.against, points_against(group, flips), lost_and_gained(flips))
        for group in groups
        if (flips := group.baseline_flips) is not None
    ]
    header = ("Variant", "Against", "Points (95%)", "Lost / gained, p")
    caption = "Against the network that was pruned, over all steps together (photos lost and gained: exact counts)."
    return Table(caption=caption, header=header, rows=tuple(rows), words=frozenset({1})) if rows else None


def _seeds(group: Group, asked: int) -> str:
    """How many seeds there are, and the t interval of the mean over them."""
    count = f"{len(group.rows)} of {asked}"
    return count if len(group.rows) == 1 else f"{count}, t {units.interval(*group.seeds_interval, group.digits)}"


def _setting(runtime: str, batch: int, threads: int, *, short: bool) -> str:
    name = RUNTIMES.get(runtime, runtime)
    return name if short else f"{name} (batch {batch}, {units.counted(threads, 'thread')})"


def _timing(group: Group, setting: tuple[str, int, int]) -> str:
    time = next((each for each in group.timings if each.setting == setting), None)
    if time is None:
        return REFUSED if setting[0] in group.refused else NONE
    return f"{units.ms(time.p50_ms)} / {p90(time)}".replace(" ms", "")


def by_class(groups: Sequence[Group]) -> Table | None:
    """Accuracy on each class with its interval, mean over seeds; None where none was recorded."""
    classes = list(dict.fromkeys(name for group in groups for name in group.first.accuracy.by_class))
    if not classes:
        return None
    caption = "Accuracy by true class, with its 95% interval (calculated as in the table above)."
    if len(classes) > MOST_CLASSES:
        last = groups[-1].first.accuracy.by_class
        worst = sorted(classes, key=lambda name: last.get(name, 1.0))[:MOST_CLASSES]
        caption += f" Of {len(classes):,} classes the {MOST_CLASSES} that {groups[-1].label} classifies worst."
        classes = [name for name in classes if name in worst]
    caption += "".join(f" {group.label} classifies {said}." for group in groups if (said := _only_class(group)))
    rows: list[tuple[Cell, ...]] = [
        (sources.named(group), *(_class_share(group, name) for name in classes)) for group in groups
    ]
    return Table(caption=caption, header=("Variant", *classes), rows=tuple(rows))


def _only_class(group: Group) -> str:
    """What a network takes every picture for, or nearly, which tells nothing of them; "" if there is no such class."""
    accuracy = group.first.accuracy
    called = [sum(column) for column in zip(*accuracy.confusion, strict=False)]
    if len(called) != len(accuracy.by_class) or max(called, default=0) < NEARLY_ALL * accuracy.total:
        return ""
    name = list(accuracy.by_class)[called.index(max(called))]
    return f"{'every' if max(called) == accuracy.total else 'nearly every'} picture as {name}"


def _class_share(group: Group, name: str) -> str:
    """The class's accuracy; its interval, where the records hold how many pictures the class has."""
    accuracies = [row.accuracy for row in group.rows if name in row.accuracy.by_class]
    if not accuracies:
        return NONE
    first = accuracies[0]
    if len(first.confusion) != len(first.by_class):
        return units.percent(fmean(each.by_class[name] for each in accuracies))
    at = list(first.by_class).index(name)
    value, low, high = mean_interval([each.confusion[at][at] for each in accuracies], sum(first.confusion[at]))
    return units.accuracy(value, (low, high), group.total)


def training(groups: Sequence[Group]) -> Table | None:
    """How each network was trained; None where none was."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        for row in group.rows:
            if row.train is None:
                continue
            train = row.train
            speed = f"{train.images_per_s:,.0f}" if train.images_per_s else NONE
            end = train.history[-1].train_accuracy if train.history else None
            rows.append(
                (
                    sources.of_seed(group, row),
                    train.recipe or NONE,
                    str(train.epochs),
                    convergence(train),
                    NONE if end is None else units.percent(end),
                    units.seconds(train.seconds),
                    speed,
                )
            )
    if not rows:
        return None
    header = ("Network", "Recipe", "Epochs", "Converged at epoch", "Training accuracy", "Time", "Images/s")
    caption = (
        "Training. Convergence is judged by the training loss alone: from that epoch on it stayed within 5% "
        "of its whole fall above its lowest value (reached in the last epoch alone: not counted as converged). "
        "The training accuracy is that of the last epoch, counted on the pictures as training saw them, "
        "augmented where the recipe does so. All figures are exact, of this one training and without an interval: "
        "another seed gives others, and on another day the times differ. Time holds refitting and features as well; "
        "images per second are of what went through the network in its epochs (where only an output layer learns: "
        "once, for its features, over all of that time)."
    )
    if any(group.first.gates.keys() & PRUNING for group in groups):
        caption += (
            " Where a network was pruned in several steps, their epochs follow each other, and the loss may rise where "
            "more was pruned."
        )
    return Table(caption=caption, header=header, rows=tuple(rows), words=frozenset({1}))


def convergence(train: Train) -> str:
    """The epoch at which a training had converged, or why there is none."""
    if train.epochs < 2:
        return "one epoch cannot tell"
    if train.has_converged:
        return str(train.converged_epoch)
    return f"not within {train.epochs}" if train.has_fallen else "the loss did not fall"


def sizes(groups: Sequence[Group]) -> Table:
    """Parameters and what they take on disk, dense and as nonzeros with a bitmask."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        nonzero = fmean(row.nonzero_parameters for row in group.rows)
        parameters = fmean(row.parameters for row in group.rows)
        dense = group.mean(row.dense_bytes for row in group.rows)
        sparse = group.mean(row.sparse_bytes for row in group.rows)
        rows.append(
            (
                sources.named(group),
                f"{parameters:,.0f}",
                f"{nonzero:,.0f}",
                units.percent(1 - nonzero / parameters, 2) if parameters else NONE,
                NONE if dense is None else f"{dense:,.0f}",
                NONE if sparse is None else f"{sparse:,.0f}",
                units.percent(sparse / dense) if dense and sparse is not None else NONE,
                f"{group.file_bytes:,.0f}",
            )
        )
    header = (
        "Variant",
        "Parameters",
        "Nonzero",
        "Zeros",
        "Weights, dense",
        "Weights, nonzeros and bitmask",
        "Sparse / dense",
        "Deployed file",
    )
    caption = (
        "Sizes before and after pruning: exact counts, sizes in bytes (of several seeds the mean); weights of int8 "
        "networks are counted in the float network."
    )
    return Table(caption=caption, header=header, rows=tuple(rows))


PT2E = " Int8 networks of the pt2e engine have no int8 kernels there, and are not profiled."


def profiles(groups: Sequence[Group]) -> Table | None:
    """Own CPU time of the top operators side by side, for each profiled variant (first seed); None for fewer than two,
    where nothing is told by it."""
    every_one, groups = (
        groups,
        [group for group in groups if group.first.profile and group.first.profile_ms is not None],
    )
    if len(groups) < 2:
        return None
    ms = [{each.name: each.self_cpu_ms for each in group.first.profile} for group in groups]
    every = dict.fromkeys(name for found in ms for name in found)
    order = sorted(every, key=lambda name: -max(found.get(name, 0.0) for found in ms))
    rows = [(name, *(units.ms(found[name]) if name in found else NONE for found in ms)) for name in order]
    whole_ms = [group.first.profile_ms or 0.0 for group in groups]
    calls = groups[0].first.profile_calls
    pt2e = PT2E if any(group.engine == "pt2e" for group in every_one) else ""
    rest = (units.ms(max(0.0, whole - sum(found.values()))) for whole, found in zip(whole_ms, ms, strict=True))
    return Table(
        caption=f"PyTorch profiler, eager PyTorch at batch 1, the variants in turns (first seed). Rows: time by "
        f"operator on the calling thread, without what it called, in one call: the one whose time is the median of "
        f"{calls or 'several'} calls; they add up to it, and another call's differ. Last row: that call, and in "
        "brackets the middle half of all. –: not among that variant's longest, or not run. The profiler adds time to "
        f"operators and leaves out what passes between them: latency is in the appendix.{pt2e}",
        header=("Operator", *(sources.named(group) for group in groups)),
        rows=(*rows, ("Other operators", *rest), ("All operators", *map(_profiled, groups))),
        totals=2,
    )  # fmt: skip


def _profiled(group: Group) -> str:
    row = group.first
    return units.spread(row.profile_ms or 0.0, row.profile_p25_ms or 0.0, row.profile_p75_ms or 0.0)
