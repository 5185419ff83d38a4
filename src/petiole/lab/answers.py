"""The handout's questions, answered from one run's records; the sentences change when the numbers do.

A benefit is claimed only where :mod:`petiole.evidence` finds it: a paired test, intervals that do not
overlap, or times further apart than their spread. A variant that is missing is named as missing.
"""

from collections.abc import Callable
from statistics import fmean

from petiole import units
from petiole.caveats import random_weights, seen_before
from petiole.evidence import Group, accuracy_change
from petiole.lab import answers_lenet, answers_pruning, answers_quantization, answers_scratch, phrases
from petiole.lab.phrases import Run
from petiole.records import Answer, Results

NEAR = 0.1
"""Training times closer than this share of the longer one are called about the same: each is timed once."""


def answer(results: Results) -> list[Answer]:
    """Every question of the handout in its order, answered by 3 to 8 sentences from ``results``.

    ``evidence`` lists the variants that an answer used; it is empty where the run holds none of them.
    """
    questions: list[tuple[str, str, Callable[[Run], list[str]]]] = [
        ("3.1", "Is the accuracy of CNNScratch above 90%? Why or why not?", answers_scratch.scratch),
        ("3.2", "What are the benefits of transfer learning?", _transfer),
        ("3.3", "What are the benefits of pruning?", answers_pruning.pruning),
        (
            "3.4.2-demos",
            "What does quantization do to a layer, and to an LSTM?",
            answers_quantization.demos,
        ),
        (
            "3.4.2",
            "What are the achievements in size, accuracy and time of static quantization and QAT?",
            answers_quantization.static_and_qat,
        ),
        (
            "3.4.3",
            "Does quantization improve the performance of LeNet? Why or why not?",
            answers_lenet.lenet,
        ),
    ]
    answers = []
    for name, question, write in questions:
        run = Run(results)
        text = " ".join(write(run))
        answers.append(Answer(id=name, question=question, answer=text, evidence=run.evidence))
    return answers


def _transfer(run: Run) -> list[str]:
    names = ("CNNScratch", "CNNAdapted", "CNNOptimized")
    scratch, adapted, optimized = (run.find(name) for name in names)
    transferred = [group for group in (adapted, optimized) if group is not None]
    if scratch is None or not transferred:
        return [
            *run.missing(*names),
            "Without CNNScratch and a transferred network side by side, this run cannot tell.",
        ]
    if random_weights(run.results):
        lead = (
            "This run cannot tell, because its backbone started from random weights (--weights random): "
            "nothing was transferred, and the figures below only show what the steps do."
        )
    else:
        lead = _transfer_benefits(run, scratch, transferred)
    sentences = [lead, *(_against_scratch(run, scratch, group) for group in transferred)]
    if optimized is not None and optimized.flips is not None:
        sentences.append(f"Retraining all layers (CNNOptimized) changes {phrases.versus_parent(optimized)}.")
    sentences += _training_cost(scratch, transferred)
    return [*sentences, *run.missing(*names)]


def _transfer_benefits(run: Run, scratch: Group, transferred: list[Group]) -> str:
    better = [group.label for group in transferred if run.change(scratch, group) == "up"]
    quicker = [
        group.label
        for group in transferred
        if len(scratch.rows) > 1 and _training_time(scratch, group, transferred) == "shorter"
    ]  # one seed has no spread to judge a time by
    shown = []
    if better:
        who = phrases.named(better, transferred, "transferred networks")
        shown.append(f"higher accuracy from the same training photos ({who})")
    if quicker:
        who = phrases.named(quicker, transferred, "transferred networks")
        shown.append(f"a shorter training ({who})")
    if not shown:
        return "This run shows no benefit of transfer learning, neither in accuracy nor in training time."
    return (
        f"In this run, transfer learning brings {units.listed(shown)}, compared with CNNScratch. The networks differ "
        f"in architecture, size and the size of the photos they see as well{_unfinished(scratch)}, so that not all of "
        "it need be owed to pretrained weights: a run from random weights (--weights random) would tell how much is."
        f"{seen_before(run.results)}"
    )


def _unfinished(scratch: Group) -> str:
    train = scratch.first.train
    if train is None or train.has_converged:
        return ""
    return f", and CNNScratch had not converged within its {train.epochs} epochs"


def _against_scratch(run: Run, scratch: Group, group: Group) -> str:
    points = units.points(group.accuracy - scratch.accuracy)
    if flips := run.paired(scratch, group):
        figures = f"{group.label} reaches {phrases.accuracy(group)}, CNNScratch {phrases.accuracy(scratch)}"
        return f"{figures}: {phrases.versus(group, flips)}."
    figures = f"{group.label} reaches {phrases.counted(group)}, CNNScratch {phrases.counted(scratch)}"
    intervals = f"{units.interval(*group.pictures_interval)} and {units.interval(*scratch.pictures_interval)}"
    change = accuracy_change(scratch, group)
    if change == "unclear":
        return (
            f"{figures}: {points}, but as the Wilson intervals of {group.total:,} test photos ({intervals}) "
            "overlap, this run cannot call it a difference."
        )
    verb = "a gain" if change == "up" else "a loss"
    return (
        f"{figures}: {points}, {verb} beyond chance, for the Wilson intervals of {group.total:,} test photos "
        f"({intervals}) do not overlap."
    )


def _training_seconds(group: Group, transferred: list[Group]) -> list[float]:
    """Seconds of training for each seed, with those of the step before: CNNOptimized starts from CNNAdapted."""
    before = {
        row.seed: row.train.seconds
        for each in transferred
        if each.name == "CNNAdapted" and group.name == "CNNOptimized"
        for row in each.rows
        if row.train
    }
    return [row.train.seconds + before.get(row.seed, 0.0) for row in group.rows if row.train]


def _training_time(scratch: Group, group: Group, transferred: list[Group]) -> str:
    """Shorter, longer or about the same: over all seeds, and by more than ``NEAR``."""
    before, after = _training_seconds(scratch, []), _training_seconds(group, transferred)
    if not before or not after:
        return "not recorded"
    if max(after) < min(before) * (1 - NEAR):
        return "shorter"
    return "longer" if min(after) * (1 - NEAR) > max(before) else "about the same"


def _training_cost(scratch: Group, transferred: list[Group]) -> list[str]:
    parts = []
    for group in transferred:
        if seconds := _training_seconds(group, transferred):
            parts.append(f"{units.seconds(fmean(seconds))} for {group.label}")
    sentences = []
    if parts and scratch.train_seconds is not None:
        own = units.seconds(scratch.train_seconds)
        judged: dict[str, list[str]] = {}
        for group in transferred:
            judged.setdefault(_training_time(scratch, group, transferred), []).append(group.label)
        words = [f"{verdict} for {units.listed(labels)}" for verdict, labels in judged.items()]
        if len(scratch.rows) == 1:
            words = ["one training each, so that no verdict is passed on them"]
        took = f"{units.listed(parts)} (from the pretrained weights on, all steps together)"
        sentences.append(f"Training took {took}, and {own} for CNNScratch: {units.listed(words)}.")
    for group in transferred:
        if group.name == "CNNAdapted":
            trained = group.first.gates.get("trained_parameters")
            only = (
                f"{units.count(trained)} parameters, those of its new output layer, out of"
                if isinstance(trained, int)
                else "its new output layer, out of"
            )
            sentences.append(
                f"CNNAdapted trained only {only} {units.count(group.first.parameters)} parameters; "
                f"CNNScratch trained all of its {units.count(scratch.first.parameters)}."
            )
    group = transferred[-1]
    if group.file_bytes > scratch.file_bytes > 0:
        sentences.append(
            f"The price is a larger network: a file of {units.bytes(group.file_bytes)} against "
            f"{units.bytes(scratch.file_bytes)} for CNNScratch, and {units.count(group.first.macs)} against "
            f"{units.count(scratch.first.macs)} multiply-accumulates for each photo."
        )
    return sentences
