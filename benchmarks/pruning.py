"""What removing channels brings when the network runs, and what masks do not: times as ratios of one interleaved run.

    python benchmarks/pruning.py [--backbone resnet18] [--macs 0.75 0.5 0.45 0.25] [--photos 64]

Each network is cut to shares of its multiply-accumulates (channels chosen by what they contribute, over all layers
together, as the lab does it), written as float and as static int8 files, and timed against the whole one on OpenVINO
and ONNX Runtime, one picture at a time, in rounds A B C A B C ... The first row below the whole network has half of
its weights masked with zeros: it is as slow and its file as large as before. Photos are drawn ones, and weights random
where none are installed: times and sizes do not depend on them, and accuracy is not this benchmark's subject (the lab
measures it).
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from petiole import api, stats
from petiole.bench.footprint import layer_macs, macs, parameters
from petiole.bench.latency import measure
from petiole.bench.machine import available_threads, cpu_name
from petiole.chain.channel_choice import behind_first, scorer, share_of_costs
from petiole.data.augment import centre_views, normalize
from petiole.data.folder import open_photos
from petiole.deploy import runtimes
from petiole.deploy.export import OnnxExporter
from petiole.errors import GateError, GoalError, UserError
from petiole.models import backbones
from petiole.models.weights import find_weights
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.unstructured import prunable, prune_weights
from petiole.quantization import pt2e

ROUNDS = 20


def main() -> None:
    """Cut, write, time, print."""
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
    parser.add_argument("--photos", type=int, default=64, help="drawn photos to choose channels by (default: 64)")
    parser.add_argument("--samples", type=int, default=300, help="timings of each file at least (default: 300)")
    options = parser.parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    print(f"{cpu_name()}, {threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        drawn = api.draw(Path(folder) / "photos", count=options.photos)
        data = open_photos(drawn, source="synthetic", synthetic=True, seed=0)
        for name in options.backbone:
            backbone = backbones.find(name)
            inputs = normalize(centre_views(data.train, backbone.preprocessing), backbone.preprocessing)
            networks = dict(variants(backbone, inputs.contiguous(), data.train.labels, options.macs))
            table(name, networks, inputs.contiguous(), Path(folder), threads=threads, samples=options.samples)


def variants(
    backbone: backbones.Backbone, inputs: torch.Tensor, labels: torch.Tensor, shares: list[float]
) -> Iterator[tuple[str, nn.Module]]:
    """The whole network, one with masks, and one for each share of MACs."""
    try:
        state = find_weights(backbone.name, weights=None, offline=True).state
    except UserError:
        state = None  # random weights

    def whole() -> nn.Module:
        return backbones.adapt(backbone, state, classes=2, seed=0).eval()

    yield "whole", whole()
    masked = whole()
    prune_weights(masked, amount=0.5, method="random", scope="global", seed=0)
    yield "half of the weights masked", masked
    for share in shares:
        network = whole()
        (first, _), *_ = prunable(network, "first")
        output, _ = backbones.output_layer(network)
        costs = layer_macs(network, tuple(inputs.shape[1:]))
        try:
            pruner = ChannelPruner(
                network, inputs[:1], protected=[output], choose=partial(behind_first, first=first),
                score=scorer("contribution", inputs, labels, 0),
                keep=share_of_costs(costs, share, "global"), costs=costs,
            )  # fmt: skip
            pruner.prune(1.0)
            pruner.finish()
        except (GateError, GoalError, UserError) as error:
            print(f"{backbone.name}: {error}")
            continue
        yield f"channels, {share:.0%} of the MACs", network


def table(
    name: str, networks: dict[str, nn.Module], inputs: torch.Tensor, folder: Path, *, threads: int, samples: int
) -> None:
    """Write every network as float and int8, time all files together, and print their ratios to the whole one's."""
    exporter, shape, calls, sizes = OnnxExporter(), tuple(inputs.shape[1:]), {}, {}
    for label, network in networks.items():
        graph = pt2e.export_graph(network, shape)
        prepared = pt2e.prepare_static(graph)
        pt2e.calibrate(prepared, inputs[:32])
        for kind, exported in (("float", network), ("int8", pt2e.convert(prepared))):
            path = folder / f"{name} {label} {kind}.onnx"
            sizes[label, kind] = exporter.export(exported, shape, path)
            for runtime in runtimes.OF_FILES:
                opened = runtimes.of_file(runtime, path, threads=threads)
                calls[label, kind, runtime] = partial(opened.run, inputs[:1].numpy())
    raw_ms = measure(calls, min_samples=samples, min_seconds=1.0, rounds=ROUNDS)
    whole = networks["whole"]
    for kind in ("float", "int8"):
        print(f"\n{name}, {kind}: median ms of one picture, and how many times as fast as the whole one (95% interval)")
        print(
            f"{'':<28} {'MACs':>6} {'weights':>8} {'file':>9}  "
            + "  ".join(f"{each:<28}" for each in runtimes.OF_FILES)
        )
        for label, network in networks.items():
            shares = (macs(network, shape) / macs(whole, shape), parameters(network) / parameters(whole))
            cells = []
            for runtime in runtimes.OF_FILES:
                mine, reference = raw_ms[label, kind, runtime], raw_ms["whole", kind, runtime]
                ratio, low, high = stats.median_ratio_interval(reference, mine, rounds=ROUNDS, seed=0)
                cells.append(f"{statistics.median(mine):6.2f} ms {ratio:5.2f} ({low:.2f}-{high:.2f})")
            size = f"{sizes[label, kind] / 1e6:.2f} MB"
            print(f"{label:<28} {shares[0]:>6.0%} {shares[1]:>8.0%} {size:>9}  " + "  ".join(f"{c:<28}" for c in cells))


if __name__ == "__main__":
    main()
