"""Handout section 3.4.2 in the handout's own way, for ResNet18: eager mode, ``fuse_model``, calibrate, convert;
for QAT a combined model, whose feature extractor is quantized and whose head stays float."""

import torch
from torch import nn

from petiole.chain import qat
from petiole.lab.bench import Bench, ChapterResult
from petiole.quantization import eager
from petiole.records import Train
from petiole.variants import Subject

STATIC, QAT = "CNNOptimized-static-int8", "CNNOptimized-qat-int8"
HOW_STATIC = "CNNOptimized with fused modules, calibrated with training photos only, converted (eager mode, torch.ao)."
HOW_QAT = (
    "The feature extractor of CNNOptimized, fused and prepared for quantization-aware training, with its float output "
    "layer as head; fine-tuned with BatchNorm's statistics held, then converted in eager mode (torch.ao)."
)


def run(bench: Bench, optimized: nn.Module, calibration: torch.Tensor, seed: int, result: ChapterResult) -> None:
    """Judge static and QAT int8 of a ResNet18."""
    task = bench.photo_task()
    with result.attempt(f"{STATIC} (eager)", "quantization", seed, bench.say):
        prepared = eager.prepare_static(optimized)
        eager.calibrate(prepared, calibration)
        subject = _subject(bench, STATIC, seed, HOW_STATIC, None, len(calibration))
        result.variants.append(bench.line.judge_eager(eager.convert(prepared), optimized, task, subject))
    with result.attempt(f"{QAT} (eager)", "quantization", seed, bench.say):
        combined = eager.prepare_qat(optimized)
        eager.hold_statistics(combined)
        first = calibration[: qat.CALIBRATION_IMAGES]
        eager.calibrate(combined, first)
        train = qat.train_on_photos(bench, combined, seed, freeze=eager.freeze_observers, name=f"{QAT} (eager)")
        subject = _subject(bench, QAT, seed, HOW_QAT, train, len(first))
        int8 = eager.convert(combined)
        result.variants.append(
            bench.line.judge_eager(int8, optimized, task, subject, float_layers=1, trained=combined.state_dict())
        )


def _subject(bench: Bench, name: str, seed: int, how: str, train: Train | None, shown: int) -> Subject:
    return Subject(
        name=name, seed=seed, parent="CNNOptimized", backbone=bench.backbone.name, how=how, engine="eager",
        weights=bench.weights_word, train=train,
        plan=qat.plan(name, "eager", shown),
    )  # fmt: skip
