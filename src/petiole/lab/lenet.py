"""Handout section 3.4.3: LeNet on MNIST: float, dynamic, static and quantization-aware training."""

from collections.abc import Mapping

import torch
from torch import nn

from petiole.chain import qat
from petiole.data.augment import TensorBatches, normalize
from petiole.lab import lenet_structured
from petiole.lab.bench import Bench, ChapterResult
from petiole.models.lenet import LeNet
from petiole.preprocessing import DIGITS
from petiole.quantization import eager, pt2e
from petiole.quantization.mixed import Mixed, quantize_within
from petiole.records import Train
from petiole.training.fit import FitConfig, fit
from petiole.variants import Subject

PARENT = "LeNet"
CALIBRATION_DIGITS, HELD_OUT_DIGITS = 1000, 1000
MANY_DIGITS = 20_000
"""From here on batches are large; the 4,000 embedded digits would make too few steps with them."""
CONVOLUTIONS = 2
"""They stay float in dynamic quantization, which knows linear layers and LSTMs only."""
HOW = {
    "LeNet": "LeNet-5 on digits padded to 32x32, trained from random weights with the digits held in memory, "
    "each moved by at most one pixel at random.",
    "LeNet-dynamic-int8": "Linear layers' weights int8; activations quantized at run time; convolutions stay float. "
    "The int8 kernels are torch's: the exported file rounds alike, but computes in float.",
    "LeNet-static-int8": "Post-training static quantization, observers calibrated with training digits only.",
    "LeNet-qat-int8": "Quantization-aware training of LeNet at a small learning rate, then converted to int8.",
}


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Train LeNet, then judge its quantizations by both engines."""
    digits, effort = bench.digit_data(), bench.config.effort
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LeNet()
    many = len(digits.train_labels) >= MANY_DIGITS
    batches = TensorBatches(
        images=digits.train_images[:, None], labels=digits.train_labels, preprocessing=DIGITS, shift_px=1,
        batch_images=256 if many else 32,
    )  # fmt: skip
    config = FitConfig(epochs=effort.lenet_epochs, lr=4e-3 if many else 2e-3, weight_decay=0.01, seed=seed)
    with bench.training("LeNet", config.epochs) as on_epoch:
        train = fit(network, batches, config, on_epoch=on_epoch, checkpoint=bench.checkpoint("LeNet"))
    subject = _subject("LeNet", seed, "torch", train, None)
    result.variants.append(bench.line.judge_float(network, bench.digit_task(), subject))
    with result.attempt(lenet_structured.NAME, "lenet", seed, bench.say):
        shown = calibration(batches, seed), batches.labels[_order(batches, seed)[:CALIBRATION_DIGITS]]
        pruned = lenet_structured.judge(bench, network, batches, shown, seed)
        result.variants.append(pruned)
        result.images += len(batches) * (pruned.train.epochs if pruned.train else 0)
    _eager(bench, network, batches, seed, result)
    _pt2e(bench, network, batches, seed, result)
    result.images += len(batches) * (train.epochs + 2 * effort.lenet_qat_epochs)


def calibration(batches: TensorBatches, seed: int) -> torch.Tensor:
    """A seeded choice of training digits of all kinds, ``(n, 1, 32, 32)``: files may be sorted by class."""
    return normalize(batches.images[_order(batches, seed)[:CALIBRATION_DIGITS]], DIGITS)


def _order(batches: TensorBatches, seed: int) -> torch.Tensor:
    return torch.randperm(len(batches), generator=torch.Generator().manual_seed(seed))


def _held_out(batches: TensorBatches, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Other training digits than :func:`calibration` shows, with their labels: what int8 costs is judged on them."""
    chosen = _order(batches, seed)[CALIBRATION_DIGITS : CALIBRATION_DIGITS + HELD_OUT_DIGITS]
    return normalize(batches.images[chosen], DIGITS), batches.labels[chosen]


def _qat_config(bench: Bench, seed: int) -> FitConfig:
    return FitConfig(epochs=bench.config.effort.lenet_qat_epochs, lr=2e-4, weight_decay=0.0, seed=seed)


def _eager(bench: Bench, network: LeNet, batches: TensorBatches, seed: int, result: ChapterResult) -> None:
    """The handout's own engine: dynamic, static, QAT."""
    dynamic, static, trained = (f"LeNet-{how}-int8" for how in ("dynamic", "static", "qat"))

    def judge(
        int8: nn.Module, name: str, train: Train | None = None, float_layers: int = 0,
        state: Mapping[str, torch.Tensor] | None = None,
    ) -> None:  # fmt: skip
        subject = _subject(name, seed, "eager", train, PARENT)
        result.variants.append(
            bench.line.judge_eager(int8, network, bench.digit_task(), subject, float_layers=float_layers, trained=state)
        )

    with result.attempt(f"{dynamic} (eager)", "lenet", seed, bench.say):
        judge(eager.dynamic(network), dynamic, float_layers=CONVOLUTIONS)
    with result.attempt(f"{static} (eager)", "lenet", seed, bench.say):
        prepared = eager.prepare_static(network)
        eager.calibrate(prepared, calibration(batches, seed))
        judge(eager.convert(prepared), static)
    with result.attempt(f"{trained} (eager)", "lenet", seed, bench.say):
        prepared = eager.prepare_qat(network)
        train = qat.train_prepared(
            bench, prepared, batches, _qat_config(bench, seed), freeze=eager.freeze_observers, name=f"{trained} (eager)"
        )
        judge(eager.convert(prepared), trained, train, state=prepared.state_dict())


def _pt2e(bench: Bench, network: LeNet, batches: TensorBatches, seed: int, result: ChapterResult) -> None:
    """The engine whose networks are deployed: static, QAT."""
    static, trained = "LeNet-static-int8", "LeNet-qat-int8"
    graph = pt2e.export_graph(network, DIGITS.input_shape)
    with result.attempt(f"{static} (pt2e)", "lenet", seed, bench.say):
        mixed = quantize_within(
            graph, calibration(batches, seed), _held_out(batches, seed), max_drop=bench.config.max_drop / 100,
            say=bench.say,
        )  # fmt: skip
        subject = _subject(static, seed, "pt2e", None, PARENT, mixed)
        result.variants.append(
            bench.line.judge_pt2e(mixed.graph, network, bench.digit_task(), subject, floating=mixed.floating)
        )
        result.add_layer_errors(subject, mixed)
    with result.attempt(f"{trained} (pt2e)", "lenet", seed, bench.say):
        prepared = pt2e.prepare_qat(graph)
        pt2e.calibrate(prepared, calibration(batches, seed))
        train = qat.train_prepared(
            bench, prepared, batches, _qat_config(bench, seed), freeze=pt2e.freeze_observers, name=f"{trained} (pt2e)"
        )
        subject = _subject(trained, seed, "pt2e", train, PARENT)
        int8 = pt2e.convert(prepared)
        result.variants.append(
            bench.line.judge_pt2e(int8, network, bench.digit_task(), subject, trained=prepared.state_dict())
        )


def _subject(
    name: str, seed: int, engine: str, train: Train | None, parent: str | None, mixed: Mixed | None = None
) -> Subject:
    return Subject(
        name=name, seed=seed, parent=parent, backbone="LeNet", how=HOW[name] + (mixed.describe() if mixed else ""),
        engine=engine, weights="from scratch", train=train, architecture="LeNet" if engine == "torch" else "",
        plan=qat.plan(name, engine, CALIBRATION_DIGITS, mixed) if engine != "torch" else None,
    )  # fmt: skip
