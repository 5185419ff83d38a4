"""The handout's questions, answered from one run's records; the sentences change when the numbers do.

A benefit is claimed only where :mod:`petiole.evidence` finds it: a paired test, intervals that do not
overlap, or times further apart than their spread. A variant that is missing is named as missing.
"""

from collections.abc import Callable
from statistics import fmean

from petiole import stats, units
from petiole.caveats import random_weights, seen_before
from petiole.evidence import Group, accuracy_change
from petiole.lab import answers_lenet, answers_pruning, answers_quantization, phrases
from petiole.lab.phrases import Run
from petiole.records import Answer, Results

TARGET = 0.9
"""The handout's mark for CNNScratch (section 3.1)."""
MANY, WORST = 12, 3
"""Of more classes than that, only so many are told: the worst."""

NEAR = 0.1
"""Training times closer than this share of the longer one are called about the same: each is timed once."""


def answer(results: Results) -> list[Answer]:
    """Every question of the handout in its order, answered by 3 to 8 sentences from ``results``.

    ``evidence`` lists the variants that an answer used; it is empty where the run holds none of them.
    """
    questions: list[tuple[str, str, Callable[[Run], list[str]]]] = [
        ("3.1", "Is the accuracy of CNNScratch above 90%? Why or why not?", _scratch),
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


def _scratch(run: Run) -> list[str]:
    scratch = run.find("CNNScratch")
    if scratch is None:
        return run.missing("CNNScratch")
    return [
        _above(scratch),
        _photos_for_parameters(run, scratch),
        *_fit(run, scratch),
        *_epochs(scratch),
        *_by_class(scratch),
        *_pretrained_instead(run, scratch),
        *run.missing("CNNScratch"),
    ]


def _above(scratch: Group) -> str:
    low, high = scratch.pictures_interval
    reached = f"CNNScratch reaches {phrases.accuracy(scratch)}"
    told = f"the 95% interval that {scratch.total:,} test photos allow ({units.interval(low, high)})"
    if scratch.accuracy > TARGET:
        if low > TARGET:
            return f"Yes: {reached}, and {told} lies wholly above 90%."
        return f"On these photos yes, but not for certain: {reached}, and {told} begins below 90%."
    if high > TARGET:
        return f"Not on these photos, though it may be on others: {reached}, and {told} includes 90%."
    return f"No: {reached}, and {told} lies wholly below 90%."


def _photos_for_parameters(run: Run, scratch: Group) -> str:
    parameters = scratch.first.parameters
    photos = run.results.data.photos
    if photos is None or photos.train == 0:
        return f"It started from random weights, with {units.count(parameters)} parameters to learn."
    return (
        f"It started from random weights, so {units.count(parameters)} parameters had to learn edges, "
        f"textures and body shapes from {units.count(photos.train)} training photos and nothing else, which "
        f"is {units.count(parameters / photos.train)} parameters for each photo."
    )


def _fit(run: Run, scratch: Group) -> list[str]:
    """Overfitting, underfitting or neither, from the training accuracy of the last epoch."""
    trained = scratch.mean(
        row.train.history[-1].train_accuracy if row.train and row.train.history else None for row in scratch.rows
    )
    if trained is None:
        return []
    photos = run.results.data.photos
    high, allowed = trained, ""
    if photos and photos.train:
        low, high = stats.wilson(round(trained * photos.train), photos.train)
        allowed = f"; the 95% interval that {photos.train:,} of them allow is {units.interval(low, high)}"
    pair = (
        f"In its last epoch it classified {units.percent(trained)} of the training photos correctly (counted while "
        f"it trained, on augmented photos{allowed})"
    )
    if trained > scratch.pictures_interval[1]:
        text = (
            f"{pair}, {units.points(trained - scratch.accuracy).lstrip('+')} more than of the test photos: it "
            "overfits, that is, it knows its training photos better than what all photos of a class have in common"
        )
        if high < TARGET:
            text += ", and as even the training photos stay below 90%, it also underfits"
        return [f"{text}."]
    if high < TARGET:
        return [
            f"{pair}, no more than test photos can confirm: it does not overfit but underfits, for even its "
            "own training photos stay below 90%."
        ]
    return [f"{pair}, which the test photos bear out: what it learned holds for photos it has not seen."]


def _epochs(scratch: Group) -> list[str]:
    """Where the training loss ended; whether more epochs would help is not for one run to say."""
    train = scratch.first.train
    if train is None or len(train.history) < 2:
        return []
    first, last = train.history[0].loss, train.history[-1].loss
    if not train.has_converged:
        rest = "it had not converged then"
    else:
        rest = f"from epoch {train.converged_epoch} on it stayed within 5% of that fall above its lowest value"
    went = f"{'fell' if last < first else 'rose'} from {first:.2f} to {last:.2f}"
    return [f"In {train.epochs} epochs its training loss {went} (exact, of one training); {rest}."]


def _by_class(scratch: Group) -> list[str]:
    """What it is right about, class by class; of many classes the worst."""
    shares = {
        name: sum(row.accuracy.by_class.get(name, 0.0) for row in scratch.rows) / len(scratch.rows)
        for name in scratch.first.accuracy.by_class
    }
    if len(shares) < 2:
        return []
    if len(shares) > MANY:
        worst = sorted(shares.items(), key=lambda each: each[1])[:WORST]
        named = units.listed([f"{name} ({units.percent(share)})" for name, share in worst])
        return [f"Of the {len(shares):,} classes it classifies {named} worst."]
    each = [f"{units.percent(share)} of the {name}" for name, share in shares.items()]
    return [f"By class (intervals: see the table), it classifies {units.listed(each)} correctly."]


def _pretrained_instead(run: Run, scratch: Group) -> list[str]:
    optimized = run.find("CNNOptimized")
    if optimized is None or random_weights(run.results):
        return []
    reached = units.accuracy(optimized.accuracy, optimized.interval, optimized.total)
    if run.change(scratch, optimized) == "up":
        return [
            f"CNNOptimized, which starts from pretrained weights, reaches {reached} with the same training photos: "
            f"a larger network that sees larger photos, and is pretrained, does it.{seen_before(run.results)}"
        ]
    return [
        f"CNNOptimized, which starts from pretrained weights, reaches {reached}, "
        f"and {scratch.total:,} test photos do not show that this is more: missing pretraining is not shown "
        "to be the cause."
    ]


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
        "in architecture, size and the size of the photos they see as well, so that not all of it need be owed to "
        f"pretrained weights: the same network from random ones tells (--weights random).{seen_before(run.results)}"
    )


def _against_scratch(run: Run, scratch: Group, group: Group) -> str:
    points = units.points(group.accuracy - scratch.accuracy)
    figures = f"{group.label} reaches {phrases.accuracy(group)}, CNNScratch {phrases.accuracy(scratch)}"
    if flips := run.paired(scratch, group):
        return f"{figures}: {phrases.versus(group, flips)}."
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
