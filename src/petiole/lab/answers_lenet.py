"""The answer to section 3.4.3 of the handout: whether quantization improves LeNet, and why or why not."""

from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group, latency_change
from petiole.lab import phrases
from petiole.lab.answers_quantization import achievements, against_parent, by_runtime, present, trained_longer
from petiole.lab.phrases import Run
from petiole.units import listed

DIGITS = ("LeNet-dynamic-int8", "LeNet-static-int8", "LeNet-qat-int8")


def lenet(run: Run) -> list[str]:
    """Performance is size, accuracy and time: each is judged alone, and then the reason is given."""
    float_lenet, quantized = run.find("LeNet"), present(run, DIGITS)
    if float_lenet is None or not quantized:
        return run.missing("LeNet", *DIGITS)
    return [
        *achievements(run, quantized),
        *(against_parent(run, group) for group in quantized),
        *trained_longer(quantized),
        *_why_lenet(run, float_lenet, quantized),
        *_by_profiler(run, quantized),
        *_in_batches(run, float_lenet, quantized),
        *run.missing("LeNet", *DIGITS),
    ]


def _why_lenet(run: Run, lenet: Group, quantized: Sequence[Group]) -> list[str]:
    sentences = []
    if any(group.name == "LeNet-dynamic-int8" for group in quantized):
        sentences.append(
            "Dynamic quantization touches the linear layers only: the convolutions stay float, and each "
            "input of a linear layer is quantized anew in every call."
        )
    work = f"{units.count(lenet.first.macs)} multiply-accumulates"
    found = [
        change
        for group in quantized
        for runtime in phrases.RUNTIMES
        if not group.computes_in_float(runtime)
        and (change := phrases.change_on(runtime, run.parent(group), group)) is not None
    ]
    if not found:
        return [*sentences, "Why the time is as it is cannot be said, because it was not measured for both."]
    if "down" not in found:
        calls = ""
        if lenet.timings:
            fastest = min(lenet.singles, key=lambda time: time.p50_ms, default=lenet.timings[0])
            where = phrases.RUNTIMES.get(fastest.runtime, fastest.runtime)
            calls = f", {units.spread(fastest.p50_ms, fastest.p25_ms, fastest.p75_ms)} a call on {where}"
        sentences.append(
            f"Why no time is saved with one picture at a time: LeNet has only {work}{calls}; where a call is so "
            "short, starting each layer and converting numbers to int8 and back can weigh as much as the arithmetic "
            "that int8 speeds up; what each of these takes was not measured on the deployed runtimes."
        )
    elif "up" in found or "unclear" in found:
        sentences.append(
            f"Why the time depends: LeNet has only {work}, so that starting each layer, converting numbers to int8 and "
            "back, and how well each runtime's int8 kernels fit such small layers decide whether int8 pays."
        )
    else:
        sentences.append(f"The time falls although LeNet has only {work}: int8 pays even here.")
    return sentences


def _by_profiler(run: Run, quantized: Sequence[Group]) -> list[str]:
    """Where the profiler, which times operators, has it the other way round than the clock around whole calls."""
    opposite = {("down", "up"), ("up", "down")}
    found = [
        group.label
        for group in quantized
        if (parent := run.parent(group)) is not None
        and (phrases.profiled_change(parent, group), phrases.change_on("torch", parent, group)) in opposite
    ]
    if not found:
        return []
    return [
        f"The profiler in eager-mode PyTorch has it the other way round for {listed(found)} (see the table of "
        "operators): it adds its own time to every operator, and float and int8 networks do not have the same ones. "
        "What counts here are whole calls without it."
    ]


def _in_batches(run: Run, lenet: Group, quantized: Sequence[Group]) -> list[str]:
    """Whether int8 pays where many pictures share the cost of a call."""
    pairs = {
        (runtime, group.label): pair
        for runtime in phrases.RUNTIMES
        for group in quantized
        if (pair := phrases.batch_times(runtime, run.parent(group), group)) is not None
    }
    changes = {key: latency_change(*pair) for key, pair in pairs.items()}
    words = by_runtime(quantized, lambda runtime, group: changes.get((runtime, group.label)))
    if not words:
        return []  # none was timed so, or none that is computed in int8
    batch = max(new.batch for _, new in pairs.values())
    text = f"With {batch} pictures in a call, which share what a call costs, {listed(words)}"
    slower = [
        (runtime, group, *pairs[runtime, group.label])
        for group in quantized
        for runtime in phrases.RUNTIMES
        if changes.get((runtime, group.label)) == "up" and not group.computes_in_float(runtime)
    ]
    if slower:
        runtime, group, old, new = max(slower, key=lambda each: each[3].p50_ms / each[2].p50_ms)
        times = phrases.ratio(run.parent(group) or lenet, group, old, new)
        text += (
            f" (most so {group.label} on {phrases.RUNTIMES[runtime]}, {times}): "
            "where it is slower, it is not the cost of a call alone; the int8 kernels for layers as small as these, or "
            "the conversions around them, may take longer than float does (no operator was timed there)"
        )
    return [f"{text}."]
