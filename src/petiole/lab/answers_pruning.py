"""The answer to section 3.3 of the handout: what pruning brings, and what it does not."""

from petiole import units
from petiole.evidence import Group, accuracy_change, mean_interval
from petiole.lab import phrases
from petiole.lab.phrases import Run
from petiole.records import CurvePoint, Results
from petiole.units import listed

NAMES = ("CNNPrunedF", "CNNPrunedFO", "CNNPrunedG", "CNNPrunedGO")
NOT_FALLEN = " (its loss did not fall, as may be where a later step prunes more)"
STRUCTURED = ("CNNPrunedG-structured", "CNNPrunedGO-structured")


def pruning(run: Run) -> list[str]:
    """What is gained, each scope, the stored file, the time, convergence, and random against magnitude."""
    pruned = [group for name in NAMES if (group := run.find(name)) is not None]
    if not pruned:
        return [*_structured(run), *run.missing(*NAMES)]
    smallest = [group for name in NAMES if (group := run.find(f"{name}-magnitude")) is not None]
    return [
        _benefits(run, [*pruned, *smallest]) + _benefits_of_channels(run),
        *_before_and_after(run, "CNNPrunedF", "the first convolution"),
        *_before_and_after(run, "CNNPrunedG", "all convolution and linear layers together"),
        *_stored(run, [*pruned, *smallest]),
        *_time(run, pruned),
        *_converged(pruned),
        *_curve(run.results),
        *_magnitude(run),
        *_control(run.results),
        *_structured(run),
        *run.missing(*NAMES),
    ]


def _stored_share(group: Group) -> float | None:
    """Size of the sparse file as a share of the dense one."""
    dense = group.mean(row.dense_bytes for row in group.rows)
    sparse = group.mean(row.sparse_bytes for row in group.rows)
    return sparse / dense if dense and sparse is not None else None


def _baseline(run: Run) -> Group | None:
    """What was pruned."""
    return run.find("CNNOptimized")


def _gains(group: Group) -> bool:
    """Whether it is more accurate than what was pruned; recovering from its own pruning is no gain."""
    flips = group.baseline_flips or group.flips
    return flips is not None and flips.change == "up" and flips.against not in NAMES


def _is_faster(before: Group | None, after: Group) -> bool:
    """On some runtime, and slower on none."""
    changes = phrases.changes(before, after)
    return "down" in changes and "up" not in changes


def _benefits(run: Run, pruned: list[Group]) -> str:
    smaller = [group.label for group in pruned if (share := _stored_share(group)) is not None and share < 1]
    better = [group.label for group in pruned if _gains(group)]
    faster = [group.label for group in pruned if _is_faster(_baseline(run), group)]
    shown, absent = [], []
    for found, yes, no in (
        (smaller, "a smaller file where only nonzeros are stored", "smaller stored file"),
        (better, "higher accuracy than unpruned, which was not retrained as long", "higher accuracy"),
    ):
        if found:
            shown.append(f"{yes} ({phrases.named(found, pruned, 'pruned networks')})")
        else:
            absent.append(no)
    absent += [] if faster else ["shorter time"]
    text = (
        f"In this run, zeroed weights bring {listed(shown)}" if shown else "This run shows no benefit of zeroed weights"
    )
    text += f"; {' and '.join(f'no {what}' for what in absent)} was found" if absent else ""
    return text + (f"; {listed(faster)} took less time, which zeros do not explain (see below)" if faster else "")


def _benefits_of_channels(run: Run) -> str:
    """The end of the sentence: what removed channels bring where zeros do not."""
    baseline, retrained = _baseline(run), run.find(STRUCTURED[1])
    if baseline is None or retrained is None:
        return "."
    faster = _is_faster(baseline, retrained)
    smaller = retrained.file_bytes < baseline.file_bytes
    found = ["a shorter time"] * faster + ["a smaller deployed file"] * smaller
    brought = listed(found) if found else "neither a shorter time nor a smaller deployed file"
    return f"; removed channels ({retrained.label}) bring {brought}."


def _before_and_after(run: Run, name: str, where: str) -> list[str]:
    before, after = run.find(name), run.find(f"{name}O")
    parts = []
    if before is not None:
        unpruned = run.find("CNNOptimized")
        nonzero = unpruned.first.nonzero_parameters if unpruned else before.first.parameters
        zeros = max(0, nonzero - before.first.nonzero_parameters)
        parts.append(
            f"Random pruning of {units.percent(run.results.run.amount, 0)} of the weights of {where} ({name}, "
            f"{units.count(zeros)} more of {units.count(before.first.parameters)} parameters zero) leaves "
            f"{phrases.accuracy(before)}, "
            f"{phrases.versus_parent(before)}"
        )
    if after is not None:
        epochs = f"refitting and {_epochs(own.epochs)} of retraining" if (own := after.first.train) else "retraining"
        parts.append(
            f"{'after' if parts else 'After'} {epochs} with the zeros held, {after.name} reaches "
            f"{phrases.accuracy(after)}, {phrases.versus_parent(after)}{_against_baseline(run, after)}"
        )
    return [f"{'; '.join(parts)}."] if parts else []


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _against_baseline(run: Run, after: Group) -> str:
    """Against what was pruned: by the paired test where the records hold one, else by the intervals."""
    baseline = _baseline(run)
    if baseline is None or after.first.parent == baseline.name:
        return ""
    paired = phrases.versus_baseline(after)
    if paired is not None:
        return f", and {paired}"
    points = units.points(after.accuracy - baseline.accuracy)
    told = {
        "unclear": "whose interval overlaps",
        "up": "whose interval lies wholly below",
        "down": "whose interval lies wholly above",
    }[accuracy_change(baseline, after)]
    return f", and {points} against CNNOptimized, {told}"


def _stored(run: Run, pruned: list[Group]) -> list[str]:
    parts = []
    retrained = [group for group in pruned if group.name.removesuffix("-magnitude").endswith("O")]
    for group in retrained or pruned:
        share, dense = _stored_share(group), group.mean(row.dense_bytes for row in group.rows)
        sparse = group.mean(row.sparse_bytes for row in group.rows)
        if share is None or dense is None or sparse is None:
            continue
        how = units.percent(share) if share < 1 else f"{units.percent(share)}, which is no saving"
        sizes = [units.bytes(sparse), units.bytes(dense)]
        if len(set(sizes)) == 1:
            sizes = [f"{each:,.0f} bytes" for each in (sparse, dense)]
        parts.append(f"{' instead of '.join(sizes)} for {group.label} ({how})")
    if not parts:
        return ["How small the pruned networks can be stored was not recorded."]
    text = f"Stored as nonzero weights and a bitmask, the file is {listed(parts)}"
    last = pruned[-1]
    parent = _baseline(run)
    if parent is not None and parent.file_bytes > 0 and last.file_bytes >= 0.98 * parent.file_bytes:
        text += (
            f"; the dense file that runs does not shrink ({units.bytes(last.file_bytes)}, before "
            f"{units.bytes(parent.file_bytes)}), for a zero there takes as much room as any number"
        )
    return [f"{text}."]


def _time(run: Run, pruned: list[Group]) -> list[str]:
    group = pruned[-1]
    parent = _baseline(run)
    if parent is None:
        return ["The time cannot be compared, because CNNOptimized is missing."]
    text = f"One call of {group.label}, against {parent.label}: {phrases.latency(parent, group)}"
    if counted := phrases.profiled(parent, group):
        text += f"; the PyTorch profiler counts {counted}"
    found = phrases.changes(parent, group)
    if found and group.first.macs == parent.first.macs:
        macs = units.count(group.first.macs)
        text += f"; a mask only writes zeros, and all {macs} multiply-accumulates are still done"
        text += "" if set(found) == {"unclear"} else ", so that zeros explain no difference"
    return [f"{text}."]


def _converged(pruned: list[Group]) -> list[str]:
    parts = []
    for group in pruned:
        trained = [row.train for row in group.rows if row.train]
        if not group.name.endswith("O") or not trained:
            continue
        ended = [str(each.converged_epoch) for each in trained if each.has_converged]
        if len(ended) == len(trained):
            at = f"epoch {ended[0]}" if len(ended) == 1 else f"epochs {listed(ended)} (by seed)"
            parts.append(f"{group.label} at {at} of {trained[0].epochs}")
        elif trained[0].epochs == 1:
            parts.append(f"{group.label} cannot be judged by its one epoch")
        else:
            whom = "" if len(trained) == 1 else f" with {len(trained) - len(ended)} of {len(trained)} seeds"
            fell = "" if any(each.has_fallen for each in trained) else NOT_FALLEN
            parts.append(f"{group.label} not within its {units.counted(trained[0].epochs, 'epoch')}{whom}{fell}")
    return [f"Convergence of the retraining, judged by the training loss alone: {listed(parts)}."] if parts else []


def _curve(results: Results) -> list[str]:
    """Random against magnitude at the run's amount, over the whole network, before retraining."""
    methods = ("random", "magnitude")
    points = [
        point for point in results.curves if point.method in methods and point.scope == "global" and not point.retrained
    ]
    if not points:
        return []
    amount = min((point.amount for point in points), key=lambda each: abs(each - results.run.amount))
    by_method: dict[str, list[CurvePoint]] = {}
    for point in points:
        if point.amount == amount:
            by_method.setdefault(point.method, []).append(point)
    random, magnitude = map(by_method.get, methods)
    if random is None or magnitude is None:
        return []
    (mean_r, low_r, high_r), (mean_m, low_m, high_m) = _over_seeds(random), _over_seeds(magnitude)
    figures = (
        f"Which weights go: at {units.percent(amount, 0)} over the whole network and before any retraining, "
        f"removing the smallest weights leaves {units.percent(mean_m)} "
        f"({units.interval(low_m, high_m)}), removing random ones {units.percent(mean_r)} "
        f"({units.interval(low_r, high_r)})"
    )
    if low_m > high_r:
        return [f"{figures}: here, the smallest weights matter less."]
    if low_r > high_m:
        return [f"{figures}: here, random removal does less harm."]
    return [f"{figures}; the intervals overlap, so this run does not tell the two apart at that amount."]


def _magnitude(run: Run) -> list[str]:
    """The smallest weights instead of random ones, before and after retraining."""
    parts = []
    for random, magnitude in (("CNNPrunedFO", "CNNPrunedFO-magnitude"), ("CNNPrunedGO", "CNNPrunedGO-magnitude")):
        one, other = run.find(random), run.find(magnitude)
        if one is None or other is None:
            continue
        if flips := run.paired(one, other):
            parts.append(f"{other.name} reaches {phrases.accuracy(other)}: {phrases.versus(other, flips)}")
            continue
        apart = {
            "unclear": "their intervals overlap",
            "up": f"the interval of {other.name} lies wholly above",
            "down": f"the interval of {other.name} lies wholly below",
        }[accuracy_change(one, other)]
        parts.append(f"{other.name} reaches {phrases.accuracy(other)}, {one.name} {phrases.accuracy(one)}: {apart}")
    if not parts:
        return []
    return [f"With the smallest weights removed instead of random ones, and retrained alike, {listed(parts)}."]


def _control(results: Results) -> list[str]:
    """Whether retraining alone, without pruning, would have brought as much."""
    points = [point for point in results.curves if point.method == "control"]
    if not points:
        return []
    value, low, high = _over_seeds(points)
    return [
        "The control, CNNOptimized retrained as long as the study's networks but not pruned (from the labels: it "
        "teaches the others, and could teach itself nothing), "
        f"reaches {units.percent(value)} ({units.interval(low, high)}): a retrained network that is no better owes "
        "nothing to being pruned; one that is better may owe it to its teacher."
    ]


def _structured(run: Run) -> list[str]:
    """Channels instead of single weights: what it costs, and what it saves when the network runs."""
    baseline, (raw, retrained) = _baseline(run), [run.find(name) for name in STRUCTURED]
    if baseline is None or retrained is None:
        return _structured_lenet(run)
    left = units.percent(retrained.first.macs / baseline.first.macs, 0)
    before = f" (before: {units.accuracy(raw.accuracy, raw.interval, raw.total)})" if raw else ""
    text = (
        f"Whole channels instead of single weights: with {left} of the multiply-accumulates left, {retrained.name} "
        f"reaches {phrases.accuracy(retrained)}{before}{_against_baseline(run, retrained)}"
    )
    text += f"; it is {phrases.size(baseline, retrained)}; in time, {phrases.latency(baseline, retrained)}."
    return [text, *_structured_int8(run), *_structured_lenet(run)]


def _structured_int8(run: Run) -> list[str]:
    """The narrowed network in int8 beside the whole one in int8: what fewer channels still bring."""
    whole, narrow = run.find("CNNOptimized-static-int8"), run.find(f"{STRUCTURED[1]}-static-int8")
    if whole is None or narrow is None:
        return []
    return [f"Both in int8, {narrow.label} against {whole.label}: {phrases.latency(whole, narrow)}."]


def _structured_lenet(run: Run) -> list[str]:
    whole, smaller = run.find("LeNet"), run.find("LeNet-structured")
    if whole is None or smaller is None:
        return []
    left = units.percent(smaller.first.parameters / whole.first.parameters)
    return [
        f"Of LeNet, with {left} of its parameters left, {smaller.name} reaches {phrases.accuracy(smaller)}, "
        f"{phrases.versus_parent(smaller)}; it is {phrases.size(whole, smaller)}; in time, "
        f"{phrases.latency(whole, smaller)}."
    ]


def _over_seeds(points: list[CurvePoint]) -> tuple[float, float, float]:
    """Mean accuracy and its interval (:func:`petiole.evidence.mean_interval`), as the report's tables have them."""
    return mean_interval([point.correct for point in points], points[0].total)
