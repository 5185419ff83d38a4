"""The answers to section 3.4.2 of the handout: the demos, static quantization and QAT; and what LeNet's shares."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from petiole import units
from petiole.evidence import Group, Timing, timing_change
from petiole.lab import phrases
from petiole.lab.phrases import Run
from petiole.paired import Change
from petiole.units import listed

PHOTOS = ("CNNOptimized-static-int8", "CNNOptimized-qat-int8")
FUSED = "CNNOptimized-fused"


def demos(run: Run) -> list[str]:
    """The handout's two-weight layer, and the LSTM of the dynamic quantization recipe."""
    found = run.results.demos
    sentences = _dtype(found["dtype"]) if found.get("dtype") else run.missing("demo-dtype")
    return sentences + (_lstm(found["lstm"]) if found.get("lstm") else run.missing("LSTM-dynamic-int8"))


def _dtype(demo: dict[str, Any]) -> list[str]:
    weights, rounded = _flat(demo["weight_fp32"]), _flat(demo["weight_int8"])
    codes = ", ".join(f"{code:g}" for code in _flat(demo["int_repr"]))
    error = max(abs(a - b) for a, b in zip(weights, rounded, strict=True))
    half_step = demo["scale"] / 2
    bound = "at most" if error <= half_step * 1.0001 else "but more than"
    return [
        "Quantization replaces each weight of the layer by a small whole number: with scale "
        f"{demo['scale']:.6g} and zero point {demo['zero_point']}, the weights {_numbers(weights)} become "
        f"the int8 codes {codes}, which stand for {_numbers(rounded)}.",
        f"The largest rounding error of a weight is {error:.2g}, {bound} half a step ({half_step:.2g}); each "
        "code takes 1 byte where a float32 takes 4.",
        f"For the input {_numbers(_flat(demo['input']))} the output changes from {demo['output_fp32']:.4f} "
        f"to {demo['output_int8']:.4f}, by {abs(demo['output_int8'] - demo['output_fp32']):.2g} (all exact: the seed "
        "makes them).",
    ]


def _lstm(demo: dict[str, Any]) -> list[str]:
    shape = f" ({demo['shape']})" if demo.get("shape") else ""
    old, new = demo["float_bytes"], demo["int8_bytes"]
    share = f"{units.percent(new / old)} of it" if new < old else "no saving"
    error, level = demo["mean_abs_difference"], demo["mean_abs_output"]
    relative = f", {units.percent(error / level)} of their mean size {level:.3g}" if level else ""
    return [
        f"The LSTM{shape}, quantized dynamically, takes {units.bytes(new)} instead of {units.bytes(old)} ({share}).",
        f"Its outputs differ by {error:.2g} on average{relative} (exact).",
        _lstm_time(demo),
    ]


def _lstm_time(demo: dict[str, Any]) -> str:
    """Faster or slower only where the quartiles were recorded and lie apart."""
    old, new = (_demo_timing(demo, kind) for kind in ("float", "int8"))
    texts = [units.spread(each.p50_ms, each.p25_ms, each.p75_ms) for each in (new, old)]
    pair = f"{texts[0]} a call, the float one {texts[1]}"
    if min(old.p25_ms, new.p25_ms) <= 0:
        return f"It needs {pair} (medians; their spread is not in the records, so neither is called faster)."
    change = timing_change(old, new)
    ratio, low, high = (demo.get(key) for key in ("speed_up", "speed_up_low", "speed_up_high"))
    measured = (ratio, low, high) if ratio and low and high else None
    if change == "unclear":
        if measured and units.leaves_out_one(measured):
            return f"It needs {pair}: middle halves that overlap; {units.within_spread(measured)}."
        return f"It needs {pair}: no measurable difference, for that is within the spread."
    times = units.speed(old.p50_ms / new.p50_ms, measured)
    if change == "down":
        return f"It needs {pair}: {times}; beyond the spread."
    return (
        f"It needs {pair}: it is slower ({times}); in so small a network, quantizing each input can cost more than the "
        "int8 arithmetic saves."
    )


def _demo_timing(demo: dict[str, Any], kind: str) -> Timing:
    return Timing(
        runtime="torch",
        batch=1,
        threads=1,
        p25_ms=demo.get(f"{kind}_p25_ms", 0.0),
        p50_ms=demo[f"{kind}_p50_ms"],
        p75_ms=demo.get(f"{kind}_p75_ms", 0.0),
        p90_ms=demo.get(f"{kind}_p90_ms", 0.0),
    )


def static_and_qat(run: Run) -> list[str]:
    """What both bring in size, accuracy and time, for each engine; then QAT against static quantization."""
    quantized = present(run, PHOTOS)
    if not quantized:
        return run.missing(*PHOTOS)
    return [
        *achievements(run, quantized),
        *(against_parent(run, group) for group in [*present(run, [FUSED]), *quantized]),
        *trained_longer(quantized),
        *_deployed(run, quantized),
        *(sentence for engine in ("eager", "pt2e") for sentence in _qat_or_static(run, engine)),
        *run.missing(*PHOTOS),
    ]


def present(run: Run, names: Iterable[str]) -> list[Group]:
    """The variants of these names, on every engine."""
    found = [(each.name, each.engine) for name in names for each in run.groups if each.name == name]
    return [group for name, engine in found if (group := run.find(name, engine)) is not None]


def achievements(run: Run, quantized: Sequence[Group]) -> list[str]:
    """A verdict, then a sentence each on size, accuracy and time; variants are named where they are not all alike."""
    compared = [(group, run.parent(group)) for group in quantized]
    smaller = [g.label for g, parent in compared if parent and 0 < g.file_bytes < parent.file_bytes]
    changed = {
        change: [g.label for g in quantized if g.flips and g.flips.change == change]
        for change in ("up", "down", "unclear")
    }
    words = {
        "up": "the paired test shows a gain for {}",
        "down": "the paired test shows a loss for {}",
        "unclear": "for {} the paired test sees no difference",
    }
    accuracy = [words[each].format(named(labels, quantized)) for each, labels in changed.items() if labels]
    size_words = f"smaller than its float parent's for {named(smaller, quantized)}" if smaller else "never smaller"
    accuracy_words = ", while ".join(accuracy) if accuracy else "no paired comparison was recorded"
    return [
        f"{_verdict(run, quantized, smaller, changed)}.", f"The file is {size_words}.",
        f"Of accuracy, {accuracy_words}.", f"In time, {_time(run, quantized)}.",
    ]  # fmt: skip


def _verdict(run: Run, quantized: Sequence[Group], smaller: list[str], changed: Mapping[str, list[str]]) -> str:
    """Size, accuracy and time in a line: counts of what is told below."""
    parts = [f"makes {_of(len(smaller), len(quantized), 'file')} smaller"]
    told = {
        "up": "raises the accuracy of {}",
        "down": "lowers that of {}",
        "unclear": "for {} shows no difference in accuracy",
    }
    parts += [
        told[each].format(_of(len(labels), len(quantized), "network")) for each, labels in changed.items() if labels
    ]
    found = [
        change
        for runtime in phrases.RUNTIMES
        for group in quantized
        if not group.computes_in_float(runtime)
        and (change := phrases.change_on(runtime, run.parent(group), group)) is not None
    ]
    counts = (("down", "faster"), ("up", "slower"), ("unclear", "neither, for the middle halves of the calls overlap,"))
    times = [
        f"{word} in {_of(found.count(change), len(found), 'timing')}" for change, word in counts if change in found
    ]
    text = f"Quantization {listed(parts)}"
    return f"{text}; int8 is {listed(times)} against float on the same runtime" if times else text


def _of(count: int, of: int, what: str) -> str:
    """How many of some.

    >>> _of(2, 2, "file"), _of(1, 3, "file"), _of(0, 2, "file"), _of(1, 1, "file")
    ('both files', '1 of 3 files', 'none of 2 files', '1 of 1 file')
    """
    whole = units.counted(of, what)
    if count == of == 2:
        return f"both {what}s"
    return f"all {whole}" if count == of > 1 else f"{count or 'none'} of {whole}"


def _time(run: Run, quantized: Sequence[Group]) -> str:
    """Who is faster and who slower, runtime by runtime, always against the float parent on the same one."""
    words = by_runtime(quantized, lambda runtime, group: phrases.change_on(runtime, run.parent(group), group))
    words += [
        f"{where} computes {named(labels, quantized)} in float, which tells nothing of int8"
        for runtime, where in phrases.RUNTIMES.items()
        if (labels := [group.label for group in quantized if group.computes_in_float(runtime)])
    ]
    if not words:
        return "nothing can be said, for no runtime timed both a quantized network and its float parent"
    return f"against float on the same runtime, one picture at a time, {listed(words)}"


def by_runtime(quantized: Sequence[Group], changed: Callable[[str, Group], Change | None]) -> list[str]:
    """For each runtime that computes them in int8, whose time ``changed`` which way."""
    words = []
    for runtime, where in phrases.RUNTIMES.items():
        really = [group for group in quantized if not group.computes_in_float(runtime)]
        found = [(group.label, changed(runtime, group)) for group in really]
        for change, told in (
            ("down", "is faster"),
            ("up", "is slower"),
            ("unclear", "overlaps with float in the middle half of its calls"),
        ):
            labels = [label for label, each in found if each == change]
            if labels:
                words.append(f"int8 {told} on {where} for {named(labels, quantized)}")
    return words


def named(labels: Sequence[str], of: Sequence[Group]) -> str:
    return phrases.named(labels, of, "quantized networks")


def against_parent(run: Run, group: Group) -> str:
    parent = run.parent(group)
    start = f"{group.label} has {phrases.accuracy(group)}, {phrases.versus_parent(group)}"
    if parent is None:
        return f"{start}; its parent's size and time are missing."
    return f"{start}; {phrases.size(parent, group)}; {phrases.latency(parent, group)}."


def trained_longer(quantized: Sequence[Group]) -> list[str]:
    """A gain of QAT is not yet a gain of quantization: it trains on where its parent stopped."""
    gained = [g for g in quantized if g.flips and g.flips.change == "up" and g.first.train]
    if not gained:
        return []
    epochs = max(group.first.train.epochs for group in gained if group.first.train)
    return [
        f"The gain of {listed([group.label for group in gained])} need not come from int8: quantization-aware training "
        f"also trained for {epochs} more epoch{'' if epochs == 1 else 's'} than the float parent."
    ]


def _deployed(run: Run, quantized: Sequence[Group]) -> list[str]:
    """The step from the float network in eager PyTorch to the int8 file on OpenVINO, where it is faster."""
    for group in sorted(quantized, key=lambda each: each.timing("openvino") is None):
        parent = run.parent(group)
        text = phrases.across_runtimes(parent, group) if parent else None
        if text:
            return [
                f"As deployed, {group.label} takes {text}; that step holds the int8 arithmetic, the "
                "folded BatchNorm and the change of runtime."
            ]
    return []


def _qat_or_static(run: Run, engine: str) -> list[str]:
    static, qat = (run.find(name, engine) for name in PHOTOS)
    if static is None or qat is None:
        return []
    flips, change = run.paired(static, qat), run.change(static, qat)
    told = f"Wilson intervals {'overlap' if change == 'unclear' else 'lie apart'}"
    if flips is not None:
        told = phrases.versus(qat, flips)
    of_qat, of_static = (units.accuracy(each.accuracy, each.interval, each.total) for each in (qat, static))
    figures = f"{of_qat} against {of_static}, {told}"
    cost = ""
    if qat.train_seconds is not None:
        cost = f" of {units.seconds(qat.train_seconds)} ({'mean of its seeds' if len(qat.rows) > 1 else 'this once'})"
    if change == "unclear":
        return [
            f"With {engine}, QAT and static quantization cannot be told apart in accuracy ({figures}), so its extra "
            f"training{cost} is not shown to pay."
        ]
    more, but = ("more", "at the price of") if change == "up" else ("less", "in spite of")
    return [f"With {engine}, QAT is {more} accurate than static quantization ({figures}), {but} its training{cost}."]


def _flat(values: Any) -> list[float]:
    """Numbers out of nested lists, in order."""
    if isinstance(values, list | tuple):
        return [number for value in values for number in _flat(value)]
    return [float(values)]


def _numbers(values: Iterable[float]) -> str:
    return listed([f"{value:.4f}" for value in values])
