"""Before anything is trained: data and weights found, photos checked, the backbone tried on one input."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from petiole.bench.machine import available_threads, cpu_name, isa, library_versions
from petiole.chain.channel_choice import ShareError
from petiole.chain.channel_pruner import Shown, first_pruner, inner_pruner
from petiole.chain.made_by import made_by
from petiole.chain.prune_retrain import require_smaller
from petiole.data.digits import DigitData, load_digits
from petiole.data.folder import PhotoData, open_photos
from petiole.data.sources import hymenoptera
from petiole.errors import GateError, UserError
from petiole.lab.bench import Bench
from petiole.lab.config import LabConfig
from petiole.lab.timing import PROFILED
from petiole.models import backbones
from petiole.models.weights import choose_backbone, find_weights
from petiole.progress import Say
from petiole.pruning.channels import ALL, UnreachableError
from petiole.pruning.structured import ImportanceError
from petiole.records import Variant
from petiole.rundir import RunDir, digest
from petiole.variants import AssemblyLine

FEW = 4
"""Photos with which the removal of channels is tried."""
PHOTO_STAGES = {"scratch", "transfer", "pruning", "structured", "quantization"}


def set_up(config: LabConfig, rundir: RunDir, say: Say, *, progress: bool) -> Bench:
    """Find data and weights, check the photos, and tell what was found.

    Raises:
        UserError: wrong input, or a run that goes on would go on with other data; nothing has been trained then.
    """
    threads = available_threads()
    torch.set_num_threads(threads)
    name, why = config.backbone, "as asked for"
    if name is None:
        name, why = choose_backbone(weights=config.weights, offline=config.offline)
    weights = find_weights(name, weights=config.weights, offline=config.offline)
    backbone = backbones.find(name)
    if weights.state is not None:
        backbones.load_state(backbone.build(), weights.state, what=f"the weights ({weights.source})")
    digits: DigitData | None = None
    if "lenet" in config.stages:  # before photos, which may have to be drawn
        digits = load_digits(mnist=config.mnist, offline=config.offline)
        say(f"digits: {digits.record.source}, {digits.record.train} for training, {digits.record.test} for testing")
    photos = _photos(config, say, progress=progress) if set(config.stages) & PHOTO_STAGES else None
    if photos:
        backbones.require_trainable(backbone, classes=len(photos.record.classes))
    say(f"backbone: {backbone.name} ({why}), weights: {weights.source}")
    bench = Bench(
        config=config, line=AssemblyLine(rundir, threads=threads), backbone=backbone, weights=weights, photos=photos,
        digits=digits, say=say, progress=progress,
    )  # fmt: skip
    _require_same_sources(bench, rundir)
    if "structured" in config.stages or config.study:
        _try_channels(bench)
    return bench


def _photos(config: LabConfig, say: Say, *, progress: bool) -> PhotoData:
    source = hymenoptera(
        data=config.data, offline=config.offline, synthetic_count=config.count or config.effort.drawn_photos,
        seed=config.seed, fallback=config.out, progress=progress,
    )  # fmt: skip
    photos = open_photos(
        source.root, source=source.source, synthetic=source.synthetic, note=source.note, seed=config.seed,
        split_file=config.out / "split.json", progress=progress,
    )  # fmt: skip
    record = photos.record
    say(f"photos: {record.source}, {record.train} to train, {record.test} to test, {len(record.skipped)} skipped")
    return photos


def _try_channels(bench: Bench) -> None:
    """Let channels leave a network that has learned nothing yet, those behind its first convolution
    and, where the run will remove them, those of it: what stands against it is known before anything is trained. What
    other options would mend ends the run; what lies in the backbone will be a failure of that stage.

    A network that has learned nothing may have no gradients inside (``taylor``), and of sensitivity it is known how far
    it will be measured. For a study alone its smallest share is tried, and one that cannot be reached is told there,
    point by point.

    Raises:
        UserError: ``--macs`` cannot be reached, ``--channels`` or ``--amount`` rounds to none, or ``--importance`` says
            nothing about this network.
    """
    photos = bench.photo_data()
    instead: dict[str, Any] = {}
    if bench.config.importance == "taylor":
        instead["importance"] = "l1"
    alone = "structured" not in bench.config.stages
    if alone:
        instead |= {"macs": 1 - min(bench.config.effort.study_amounts), "channels": None}
    config = bench.config.model_copy(update=instead)
    network = backbones.adapt(bench.backbone, bench.weights.state, classes=len(photos.record.classes), seed=0).eval()
    bench, shown = replace(bench, config=config), (bench.train_inputs()[:FEW], photos.train.labels[:FEW])
    if config.effort.structured_first and not alone:
        _try_first(bench, network, shown)
    trial = partial(
        inner_pruner, bench, network, 0, left=config.macs, channels=config.channels, shown=shown
    )  # fmt: skip
    try:
        pruner = trial()
        if config.spread == "sensitivity":
            most_measured = max(config.effort.sensitivity_amounts)
            pruner = trial(damage={group.name: [(most_measured, 1.0)] for group in pruner.groups})
        pruner.prune(1.0)
        pruner.finish()
        most = {"macs_left": config.macs} if config.channels is None else {}
        shape = bench.backbone.preprocessing.input_shape
        require_smaller(bench.backbone.name, pruner.network, network, shape, **most)
    except (GateError, UnreachableError) as error:
        too_far = isinstance(error, UnreachableError) and error.least <= ALL
        if too_far and alone:
            return
        if too_far or isinstance(error, ImportanceError | ShareError):
            raise UserError(str(error)) from error
        bench.say(f"no channels will leave behind the first convolution of {bench.backbone.name}: {error}")


def _try_first(bench: Bench, network: nn.Module, shown: Shown) -> None:
    """The same for channels of the first convolution.

    Raises:
        UserError: ``--amount`` rounds to none of them.
    """
    try:
        first_pruner(bench, network, 0, amount=bench.config.amount, shown=shown).prune(1.0)
    except ShareError as error:
        raise UserError(str(error)) from error
    except GateError as error:
        bench.say(f"no channels of the first convolution of {bench.backbone.name} will leave: {error}")


def _require_same_sources(bench: Bench, rundir: RunDir) -> None:
    """A run goes on with what it began with, also when the network has come back in the meantime."""
    asked = bench.config.model_dump(mode="json", include={"data", "mnist", "backbone", "weights", "count"})
    found = {
        "backbone": bench.backbone.name,
        "photos": bench.photos.record.source if bench.photos else None,
        "digits": f"{bench.digits.record.source}, {bench.digits.record.train} to train" if bench.digits else None,
    }
    before = rundir.load("sources", asked) or {}
    for what, now in found.items():
        then = before.get(what)
        if then is not None and now is not None and then != now:
            raise UserError(
                f"{bench.config.out} began with {what} {then}, and now {now} would be taken: choose another --out, or "
                "name what you want (--data, --mnist, --backbone)"
            )
    rundir.save("sources", asked, {**before, **{what: now for what, now in found.items() if now is not None}})


def basis(bench: Bench, chapter: str) -> dict[str, Any]:
    """All that a chapter's result depends on, by content where it is data."""
    on_digits = chapter == "lenet"
    photos = {
        "photos": bench.photos.digest if bench.photos else None,
        "backbone": bench.backbone.name,
        "weights": bench.weights.digest,
    }
    return {
        "made_by": made_by(bench.line.threads),
        "effort": bench.config.effort.model_dump(),
        "data": bench.digits.digest if on_digits and bench.digits else photos,
        "choices": bench.config.choices_of(chapter),
    }


def timing_basis(bench: Bench, variants: Sequence[Variant]) -> dict[str, Any]:
    """What times depend on: the networks, and the machine."""
    networks = {variant.key: variant.model_dump(mode="json") for variant in variants}
    return {
        "made_by": made_by(bench.line.threads),
        "networks": digest(networks),
        "profiled": PROFILED,
        "effort": bench.config.effort.model_dump(),
        "cpu": cpu_name(),
        "isa": isa(),
        "threads": bench.line.threads,
        "versions": library_versions(),
    }
