"""Handout section 3.4.2 in the handout's own way, for ResNet18: eager mode, ``fuse_model``, calibrate, convert;
for QAT a combined model, whose feature extractor is quantized and whose head stays float."""

import torch
from torch import nn

from petiole.lab import qat
from petiole.lab.bench import Bench
from petiole.quantization import eager
from petiole.records import Train, Variant
from petiole.variants import Subject

STATIC = "CNNOptimized with fused modules, calibrated with training photos only, converted in eager mode (torch.ao)."
QAT = (
    "The feature extractor of CNNOptimized, fused and prepared for quantization-aware training, with its float output "
    "layer as head; fine-tuned, then converted in eager mode (torch.ao)."
)


def run(bench: Bench, optimized: nn.Module, calibration: torch.Tensor, seed: int) -> list[Variant]:
    """Judge static and QAT int8 of a ResNet18."""
    task = bench.photo_task()
    prepared = eager.prepare_static(optimized)
    eager.calibrate(prepared, calibration)
    static = _subject(bench, "CNNOptimized-static-int8", seed, STATIC, None)
    variants = [bench.line.judge_eager(eager.convert(prepared), optimized, task, static)]
    combined = eager.prepare_qat(optimized)
    train = qat.train_on_photos(
        bench, combined, seed, freeze=eager.freeze_observers, name="CNNOptimized-qat-int8 (eager)"
    )
    trained = _subject(bench, "CNNOptimized-qat-int8", seed, QAT, train)
    variants.append(bench.line.judge_eager(eager.convert(combined), optimized, task, trained, float_layers=1))
    return variants


def _subject(bench: Bench, name: str, seed: int, how: str, train: Train | None) -> Subject:
    return Subject(
        name=name, seed=seed, parent="CNNOptimized", backbone=bench.backbone.name, how=how, engine="eager",
        weights=bench.weights_word, train=train,
    )  # fmt: skip
