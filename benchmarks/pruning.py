"""What removing channels brings when the network runs, and what masks do not: times as ratios of one interleaved run.

    python benchmarks/pruning.py [--backbone resnet18] [--macs 0.75 0.5 0.45 0.25] [--data FOLDER] [--weights FILE]

Each network is cut to shares of its multiply-accumulates (channels chosen by what they contribute, over all layers
together, as the lab does it), written as float and as static int8 files, and timed against the whole one on OpenVINO
and ONNX Runtime, one picture at a time, in rounds A B C A B C ... The first row below the whole network has half of
its weights masked with zeros: it is as slow and its file as large as before.

Times and sizes depend neither on photos nor on weights: without ``--data`` photos are drawn, and weights are random
where none are installed. With both, accuracy stands beside them, of what each file says on OpenVINO: an output layer
is trained on each network's own features, and nothing else is retrained or refitted (the lab does that), so that it
shows what the cut alone costs.
"""

import argparse
import copy
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from petiole import api, stats, units
from petiole.bench.footprint import layer_macs, macs, parameters
from petiole.bench.latency import measure
from petiole.bench.machine import available_threads, cpu_name
from petiole.chain.channel_choice import behind_first, scorer, share_of_costs
from petiole.data.augment import Views
from petiole.data.folder import PhotoData, open_photos
from petiole.deploy import runtimes
from petiole.deploy.export import OnnxExporter
from petiole.errors import GateError, GoalError, PetioleError, UserError
from petiole.models import backbones
from petiole.models.weights import State, find_weights
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.unstructured import Masks, hold, prunable, prune_weights
from petiole.quantization import pt2e
from petiole.training.evaluate import predict
from petiole.training.features import FeatureBatches, features, gathered
from petiole.training.fit import FitConfig, Hooks, fit

ROUNDS = 20
EPOCHS = 100
"""Of an output layer, on features that were computed once."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A backbone with its weights (None: random) and what its networks are shown; ``unjudged`` says why no accuracy is
    measured, if none is."""

    backbone: backbones.Backbone
    state: State | None
    photos: PhotoData
    train: Views
    test: Views
    choosing: torch.Tensor
    labels: torch.Tensor
    unjudged: str


def main() -> int:
    """Cut, write, time, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--backbone",
        nargs="+",
        default=["efficientnet_lite0", "resnet18"],
        help="networks to cut (default: efficientnet_lite0 resnet18)",
    )
    parser.add_argument(
        "--macs",
        nargs="+",
        type=float,
        default=[0.75, 0.5, 0.45, 0.25],
        help="shares of the multiply-accumulates that are left (default: 0.75 0.5 0.45 0.25)",
    )
    parser.add_argument("--data", type=Path, help="folder of photos (default: drawn ones, and no accuracy)")
    parser.add_argument("--weights", help="file of pretrained weights of the one --backbone (default: installed ones)")
    parser.add_argument("--photos", type=int, default=64, help="photos to choose channels by, at most (default: 64)")
    parser.add_argument("--samples", type=int, default=300, help="timings of each file at least (default: 300)")
    try:
        run(parser.parse_args())
    except PetioleError as error:
        print(units.one_line(f"pruning.py: {error}"), file=sys.stderr)
        return error.exit_code
    return 0


def run(options: argparse.Namespace) -> None:
    """All networks, one backbone after the other.

    Raises:
        UserError: an option is out of its range; nothing has been cut then.
    """
    for share in options.macs:
        if not 0 < share < 1:
            raise UserError(f"--macs {share:g} is not between 0 and 1: give shares that are left, such as 0.5")
    for option in ("photos", "samples"):
        if getattr(options, option) < 1:
            raise UserError(f"--{option} {getattr(options, option)} is too few: give 1 or more")
    if options.weights is not None and len(options.backbone) > 1:
        raise UserError(f"--weights {options.weights} is of one network: name it with --backbone")
    states = {name: weights(name, options.weights) for name in options.backbone}
    threads = available_threads()
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        photos = open_photos(
            options.data or api.draw(Path(folder) / "photos", count=max(8, options.photos)),
            source="given" if options.data else "synthetic", synthetic=options.data is None, seed=0,
        )  # fmt: skip
        print(f"{cpu_name()}, {threads} threads")
        for name, state in states.items():
            subject = prepared(name, state, photos, options)
            networks = dict(variants(subject, options.macs))
            table(subject, networks, Path(folder), threads=threads, samples=options.samples)


def weights(name: str, file: str | None) -> State | None:
    """The state of a backbone: that of the file, or the installed one; None where there is none.

    Raises:
        UserError: there is no such backbone, or the file is not of it.
    """
    backbone = backbones.find(name)
    try:
        state = find_weights(name, weights=file, offline=True).state
    except UserError:
        if file is not None:
            raise
        return None
    backbones.adapt(backbone, state, classes=2, seed=0)
    return state


def prepared(name: str, state: State | None, photos: PhotoData, options: argparse.Namespace) -> Subject:
    """What the networks of one backbone share."""
    backbone, labels = backbones.find(name), photos.train.labels
    train, test = (Views(split, backbone.preprocessing) for split in (photos.train, photos.test))
    shown = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[: options.photos].sort().values
    lacking = [word for word, have in (("weights", state), ("photos (give --data)", options.data)) if have is None]
    return Subject(
        backbone=backbone, state=state, photos=photos, train=train, test=test, labels=labels[shown],
        choosing=train[shown].contiguous(),
        unjudged=f"not measured: no {' and no '.join(lacking)}" if lacking else "",
    )  # fmt: skip


def variants(subject: Subject, shares: list[float]) -> Iterator[tuple[str, nn.Module]]:
    """The whole network, one with masks, and one for each share of MACs that can be reached."""
    classes = len(subject.photos.record.classes)
    whole = with_output_layer(subject, backbones.adapt(subject.backbone, subject.state, classes=classes, seed=0).eval())
    yield "whole", whole
    masked = copy.deepcopy(whole)
    masks = prune_weights(masked, amount=0.5, method="random", scope="global", seed=0)
    yield "half of the weights masked", with_output_layer(subject, masked, masks)
    for share in shares:
        network = copy.deepcopy(whole)
        (first, _), *_ = prunable(network, "first")
        output, _ = backbones.output_layer(network)
        costs = layer_macs(network, subject.backbone.preprocessing.input_shape)
        try:
            pruner = ChannelPruner(
                network, subject.choosing[:1], protected=[output], choose=partial(behind_first, first=first),
                score=scorer("contribution", subject.choosing, subject.labels, 0),
                keep=share_of_costs(costs, share, "global"), costs=costs,
            )  # fmt: skip
            pruner.prune(1.0)
            pruner.finish()
        except (GateError, GoalError) as error:
            print(f"{subject.backbone.name}: {error}")
            continue
        yield f"channels, {share * 100:g}% of the MACs", with_output_layer(subject, network)


def with_output_layer(subject: Subject, network: nn.Module, masks: Masks | None = None) -> nn.Module:
    """The network, its output layer trained on its features of the training photos, where accuracy is measured; the
    zeros of ``masks`` stay."""
    if not subject.unjudged:
        _, layer = backbones.output_layer(network)
        labels = subject.photos.train.labels
        seen = gathered(features(network, layer, subject.train.split(16)), rows=len(labels))
        fit(
            layer,
            FeatureBatches(features=seen, labels=labels),
            FitConfig(epochs=EPOCHS, lr=1e-3, weight_decay=0.05, warmup=0.0, seed=0),
            hooks=Hooks(after_step=partial(hold, network, masks or {})),
        )
    return network


def judged(subject: Subject, path: Path, threads: int) -> str:
    """How many test photos a file gets right, with the 95% interval."""
    if subject.unjudged:
        return "-"
    opened = runtimes.of_file("openvino", path, threads=threads)
    found = predict(opened, subject.test, subject.photos.test.labels, batch_images=1)
    accuracy = found.accuracy(subject.photos.record.classes)
    low, high = accuracy.ci95
    return f"{accuracy.correct} of {accuracy.total} ({units.percent(low)}-{units.percent(high)})"


def table(
    subject: Subject, networks: dict[str, nn.Module], folder: Path, *, threads: int, samples: int
) -> None:  # fmt: skip
    """Write every network as float and int8, time all files together, and print their ratios to the whole one's."""
    exporter, shape = OnnxExporter(), subject.backbone.preprocessing.input_shape
    name, picture, calls, sizes, right = subject.backbone.name, subject.choosing[:1].numpy(), {}, {}, {}
    for label, network in networks.items():
        prepared = pt2e.prepare_static(pt2e.export_graph(network, shape))
        pt2e.calibrate(prepared, subject.choosing[:32])
        for kind, exported in (("float", network), ("int8", pt2e.convert(prepared))):
            path = folder / f"{name} {label} {kind}.onnx"
            sizes[label, kind] = exporter.export(exported, shape, path)
            right[label, kind] = judged(subject, path, threads)
            for runtime in runtimes.OF_FILES:
                opened = runtimes.of_file(runtime, path, threads=threads)
                calls[label, kind, runtime] = partial(opened.run, picture)
    raw_ms = measure(calls, min_samples=samples, min_seconds=1.0, rounds=ROUNDS)
    whole = networks["whole"]
    for kind in ("float", "int8"):
        print(
            f"\n{name}, {kind}: median ms of one picture, and how many times as fast as the whole one (95% interval);"
        )
        print(f"accuracy {subject.unjudged or 'without retraining: right of the test photos (95% interval)'}")
        wide = "  ".join(f"{each:<28}" for each in runtimes.OF_FILES)
        print(f"{'':<28} {'MACs':>6} {'weights':>8} {'file':>9}  {'accuracy':<26}  {wide}")
        for label, network in networks.items():
            shares = (macs(network, shape) / macs(whole, shape), parameters(network) / parameters(whole))
            cells = []
            for runtime in runtimes.OF_FILES:
                mine, reference = raw_ms[label, kind, runtime], raw_ms["whole", kind, runtime]
                ratio, low, high = stats.median_ratio_interval(reference, mine, rounds=ROUNDS, seed=0)
                cells.append(f"{statistics.median(mine):6.2f} ms {ratio:5.2f} ({low:.2f}-{high:.2f})")
            size = f"{sizes[label, kind] / 1e6:.2f} MB"
            print(
                f"{label:<28} {shares[0]:>6.0%} {shares[1]:>8.0%} {size:>9}  "
                f"{right[label, kind]:<26}  " + "  ".join(f"{c:<28}" for c in cells)
            )


if __name__ == "__main__":
    sys.exit(main())
