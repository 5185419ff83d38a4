"""Handout section 3.4.3: LeNet on MNIST: float, dynamic, static and quantization-aware training."""

import torch

from petiole.data.augment import TensorBatches, normalize
from petiole.lab.bench import Bench, ChapterResult
from petiole.models.lenet import LeNet
from petiole.preprocessing import DIGITS
from petiole.quantization import eager, pt2e
from petiole.records import Train, Variant
from petiole.training.fit import FitConfig, Hooks, fit
from petiole.variants import Subject

PARENT = "LeNet"
CALIBRATION_DIGITS = 1000
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
    train = fit(network, batches, config, on_epoch=bench.on_epoch("LeNet", config.epochs))
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
    variants = [_judge_eager(bench, eager.dynamic(network), network, "LeNet-dynamic-int8", seed, None)]
    prepared = eager.prepare_static(network)
    eager.calibrate(prepared, _calibration(batches))
    variants.append(_judge_eager(bench, eager.convert(prepared), network, "LeNet-static-int8", seed, None))
    prepared = eager.prepare_qat(network)
    config = _qat_config(bench, seed)

    def freeze(epoch: int) -> None:
        if epoch == config.epochs and epoch > 1:
            eager.freeze_observers(prepared)

    train = fit(
        prepared, batches, config, hooks=Hooks(before_epoch=freeze),
        on_epoch=bench.on_epoch("LeNet-qat-int8 (eager)", config.epochs),
    )  # fmt: skip
    variants.append(_judge_eager(bench, eager.convert(prepared), network, "LeNet-qat-int8", seed, train))
    return variants


def _judge_eager(bench: Bench, quantized: torch.nn.Module, network: LeNet, name: str, seed: int,
                 train: Train | None) -> Variant:  # fmt: skip
    subject = _subject(name, seed, "eager", train, PARENT)
    folder = bench.line.rundir.artifact(subject.folder)
    folder.mkdir(parents=True, exist_ok=True)
    file_bytes = eager.save_state(quantized, folder / "state.pth")
    done, total = eager.quantized_layers(quantized)
    return bench.line.judge_eager(
        quantized, network, bench.digit_task(), subject, file_bytes=file_bytes, quantized=f"{done}/{total}"
    )


def _pt2e(bench: Bench, network: LeNet, batches: TensorBatches, seed: int) -> list[Variant]:
    """The engine whose networks are deployed: static, QAT."""
    prepared = pt2e.prepare_static(network, DIGITS.input_shape)
    pt2e.calibrate(prepared, _calibration(batches))
    static = _subject("LeNet-static-int8", seed, "pt2e", None, PARENT)
    variants = [bench.line.judge_pt2e(pt2e.convert(prepared), network, bench.digit_task(), static)]
    trained = pt2e.prepare_qat(network, DIGITS.input_shape)
    pt2e.calibrate(trained, _calibration(batches))
    config = _qat_config(bench, seed)

    def freeze(epoch: int) -> None:
        if epoch == config.epochs and epoch > 1:
            pt2e.freeze_observers(trained)

    train = fit(
        trained, batches, config, hooks=Hooks(before_epoch=freeze),
        on_epoch=bench.on_epoch("LeNet-qat-int8 (pt2e)", config.epochs),
    )  # fmt: skip
    qat = _subject("LeNet-qat-int8", seed, "pt2e", train, PARENT)
    variants.append(bench.line.judge_pt2e(pt2e.convert(trained), network, bench.digit_task(), qat))
    return variants


def _subject(name: str, seed: int, engine: str, train: Train | None, parent: str | None) -> Subject:
    return Subject(
        name=name, seed=seed, parent=parent, backbone="LeNet", how=HOW[name], engine=engine, weights="from scratch",
        train=train, architecture="LeNet" if engine == "torch" else "",
    )  # fmt: skip
