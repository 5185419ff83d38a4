"""The answer to section 3.1 of the handout: whether CNNScratch is above 90%, and why or why not."""

from petiole import stats, units
from petiole.caveats import random_weights, seen_before
from petiole.evidence import Group, mean_interval
from petiole.lab import phrases
from petiole.lab.phrases import Run

TARGET = 0.9
"""The handout's mark for CNNScratch (section 3.1)."""
MANY, WORST = 12, 3
"""Of more classes than that, only so many are told: the worst."""


def scratch(run: Run) -> list[str]:
    """A verdict by the interval, then why: photos for parameters, fit, epochs, classes, and what pretraining does."""
    group = run.find("CNNScratch")
    if group is None:
        return run.missing("CNNScratch")
    return [
        _above(group),
        _photos_for_parameters(run, group),
        *_fit(run, group),
        *_epochs(group),
        *_by_class(group),
        *_pretrained_instead(run, group),
        *run.missing("CNNScratch"),
    ]


def _above(scratch: Group) -> str:
    low, high = scratch.pictures_interval
    reached = f"CNNScratch reaches {phrases.counted(scratch)}"
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
    """Overfitting, underfitting or what is not shown, from the training accuracy of the last epoch."""
    photos = run.results.data.photos
    epochs = [row.train.history[-1] for row in scratch.rows if row.train and row.train.history]
    last = [epoch.train_accuracy for epoch in epochs if epoch.train_accuracy is not None]
    if not last or photos is None or photos.train == 0:
        return []
    trained = mean_interval([round(share * photos.train) for share in last], photos.train)
    ends = stats.unpaired_difference((scratch.accuracy, *scratch.interval), trained)
    low, high = (units.points(end).removesuffix(" points") for end in ends)
    found = (
        f"In its last epoch it classified {units.percent(trained[0])} of the training photos correctly (counted while "
        f"it trained, on augmented photos; the 95% interval that {photos.train:,} of them allow is "
        f"{units.interval(*trained[1:])}), {units.points(trained[0] - scratch.accuracy)} against the test photos (95% "
        f"interval {low} to {high})"
    )
    overfits, underfits = ends[0] > 0, trained[2] < TARGET
    if overfits:
        text = (
            f"{found}: it overfits, that is, it knows its training photos better than what all photos of a class have "
            "in common"
        )
        return [
            f"{text}, and as even the training photos stay below 90%, it also underfits." if underfits else f"{text}."
        ]
    if underfits:
        return [f"{found}: overfitting is not shown; it underfits, for even its own training photos stay below 90%."]
    return [f"{found}: overfitting is not shown."]


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
