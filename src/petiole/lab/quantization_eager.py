"""Handout section 3.4.2 in the handout's own way, for ResNet18: eager mode, ``fuse_model``, calibrate, convert;
for QAT a combined model, whose feature extractor is quantized and whose head stays float."""

import torch
from torch import nn

from petiole.data.augment import Augmentation, PhotoBatches
from petiole.errors import GateError
from petiole.lab.bench import Bench
from petiole.quantization import eager
from petiole.records import Train, Variant
from petiole.training.fit import FitConfig, Hooks, fit
from petiole.variants import Subject

STATIC = "CNNOptimized with fused modules, calibrated with training photos only, converted in eager mode (torch.ao)."
QAT = (
    "The feature extractor of CNNOptimized, fused and prepared for quantization-aware training, with its float output "
    "layer as head; fine-tuned, then converted in eager mode (torch.ao)."
)


def run(bench: Bench, optimized: nn.Module, calibration: torch.Tensor, seed: int) -> list[Variant]:
    """Judge static and QAT int8 of a ResNet18."""
    prepared = eager.prepare_static(optimized)
    eager.calibrate(prepared, calibration)
    static = eager.convert(prepared)
    variants = [_judge(bench, static, optimized, "CNNOptimized-static-int8", seed, STATIC, None, float_layers=0)]
    combined = eager.prepare_qat(optimized)
    train = _fine_tune(bench, combined, seed)
    qat = eager.convert(combined)
    variants.append(_judge(bench, qat, optimized, "CNNOptimized-qat-int8", seed, QAT, train, float_layers=1))
    return variants


def _fine_tune(bench: Bench, combined: nn.Module, seed: int) -> Train:
    epochs = bench.config.effort.photo_qat_epochs

    def freeze(epoch: int) -> None:
        if epoch == epochs and epoch > 1:
            eager.freeze_observers(combined)

    config = FitConfig(epochs=epochs, lr=2e-5, weight_decay=0.0, label_smoothing=0.1, seed=seed)
    batches = PhotoBatches(
        split=bench.photo_data().train,
        preprocessing=bench.backbone.preprocessing,
        augmentation=Augmentation(colour=0.2),
    )
    told = bench.on_epoch("CNNOptimized-qat-int8 (eager)", epochs)
    return fit(combined, batches, config, hooks=Hooks(before_epoch=freeze), on_epoch=told)


def _judge(
    bench: Bench,
    quantized: nn.Module,
    optimized: nn.Module,
    name: str,
    seed: int,
    how: str,
    train: Train | None,
    *,
    float_layers: int,
) -> Variant:
    """Judge an eager int8 network; all layers but ``float_layers`` must be quantized."""
    subject = Subject(
        name=name, seed=seed, parent="CNNOptimized", backbone=bench.backbone.name, how=how, engine="eager",
        weights=bench.weights_word, train=train,
    )  # fmt: skip
    done, total = eager.quantized_layers(quantized)
    if done != total - float_layers:
        raise GateError(f"only {done} of {total} layers of {name} (eager) are quantized, not {total - float_layers}")
    folder = bench.line.rundir.artifact(subject.folder)
    folder.mkdir(parents=True, exist_ok=True)
    file_bytes = eager.save_state(quantized, folder / "state.pth")
    return bench.line.judge_eager(
        quantized, optimized, bench.photo_task(), subject, file_bytes=file_bytes, quantized=f"{done}/{total}"
    )
