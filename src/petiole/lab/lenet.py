"""Handout section 3.4.3: LeNet on MNIST: float, dynamic, static and quantization-aware training."""

import torch

from petiole.data.augment import TensorBatches, normalize
from petiole.lab import qat
from petiole.lab.bench import Bench, ChapterResult
from petiole.models.lenet import LeNet
from petiole.preprocessing import DIGITS
from petiole.quantization import eager, pt2e
from petiole.records import Train, Variant
from petiole.training.fit import FitConfig, fit
from petiole.variants import Subject

PARENT = "LeNet"
CALIBRATION_DIGITS = 1000
CONVOLUTIONS = 2
"""They stay float in dynamic quantization, which knows linear layers and LSTMs only."""
HOW = {
    "LeNet": "LeNet-5 on digits padded to 32x32, trained from random weights with the digits held in memory.",
    "LeNet-dynamic-int8": "Linear layers' weights int8; activations quantized at run time; convolutions stay float.",
    "LeNet-static-int8": "Post-training static quantization, observers calibrated with training digits only.",
    "LeNet-qat-int8": "Quantization-aware training of LeNet at a small learning rate, then converted to int8.",
}


def run(bench: Bench, seed: int) -> ChapterResult:
    """Train LeNet, then judge its quantizations by both engines."""
    digits, effort = bench.digit_data(), bench.config.effort
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LeNet()
    batches = TensorBatches(images=digits.train_images[:, None], labels=digits.train_labels, preprocessing=DIGITS)
    config = FitConfig(epochs=effort.lenet_epochs, lr=2e-3, weight_decay=0.01, seed=seed)
    with bench.training("LeNet", config.epochs) as on_epoch:
        train = fit(network, batches, config, on_epoch=on_epoch)
    variants = [bench.line.judge_float(network, bench.digit_task(), _subject("LeNet", seed, "torch", train, None))]
    variants += _eager(bench, network, batches, seed)
    variants += _pt2e(bench, network, batches, seed)
    return ChapterResult(variants=variants, images=len(batches) * (train.epochs + 2 * effort.lenet_qat_epochs))


def _calibration(batches: TensorBatches) -> torch.Tensor:
    return normalize(batches.images[:CALIBRATION_DIGITS], DIGITS)


def _qat_config(bench: Bench, seed: int) -> FitConfig:
    return FitConfig(epochs=bench.config.effort.lenet_qat_epochs, lr=2e-4, weight_decay=0.0, seed=seed)


def _eager(bench: Bench, network: LeNet, batches: TensorBatches, seed: int) -> list[Variant]:
    """The handout's own engine: dynamic, static, QAT."""

    def judge(int8: torch.nn.Module, name: str, train: Train | None = None, float_layers: int = 0) -> Variant:
        subject = _subject(name, seed, "eager", train, PARENT)
        return bench.line.judge_eager(int8, network, bench.digit_task(), subject, float_layers=float_layers)

    variants = [judge(eager.dynamic(network), "LeNet-dynamic-int8", float_layers=CONVOLUTIONS)]
    prepared = eager.prepare_static(network)
    eager.calibrate(prepared, _calibration(batches))
    variants.append(judge(eager.convert(prepared), "LeNet-static-int8"))
    trained = eager.prepare_qat(network)
    train = qat.train_prepared(
        bench, trained, batches, _qat_config(bench, seed), freeze=eager.freeze_observers,
        name="LeNet-qat-int8 (eager)",
    )  # fmt: skip
    return [*variants, judge(eager.convert(trained), "LeNet-qat-int8", train)]


def _pt2e(bench: Bench, network: LeNet, batches: TensorBatches, seed: int) -> list[Variant]:
    """The engine whose networks are deployed: static, QAT."""

    def judge(int8: torch.fx.GraphModule, name: str, train: Train | None = None) -> Variant:
        return bench.line.judge_pt2e(int8, network, bench.digit_task(), _subject(name, seed, "pt2e", train, PARENT))

    graph = pt2e.export_graph(network, DIGITS.input_shape)
    prepared = pt2e.prepare_static(graph)
    pt2e.calibrate(prepared, _calibration(batches))
    static = judge(pt2e.convert(prepared), "LeNet-static-int8")
    trained = pt2e.prepare_qat(graph)
    pt2e.calibrate(trained, _calibration(batches))
    train = qat.train_prepared(
        bench, trained, batches, _qat_config(bench, seed), freeze=pt2e.freeze_observers,
        name="LeNet-qat-int8 (pt2e)",
    )  # fmt: skip
    return [static, judge(pt2e.convert(trained), "LeNet-qat-int8", train)]


def _subject(name: str, seed: int, engine: str, train: Train | None, parent: str | None) -> Subject:
    return Subject(
        name=name, seed=seed, parent=parent, backbone="LeNet", how=HOW[name], engine=engine, weights="from scratch",
        train=train, architecture="LeNet" if engine == "torch" else "",
    )  # fmt: skip
