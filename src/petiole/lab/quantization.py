"""Handout section 3.4.2: static quantization and quantization-aware training of the transferred network (PT2E)."""

import torch
from torch.fx import GraphModule

from petiole.lab import qat, quantization_eager
from petiole.lab.bench import Bench, ChapterResult
from petiole.lab.transfer import CHUNK_IMAGES
from petiole.quantization import pt2e
from petiole.records import Train
from petiole.variants import Subject

STATIC = (
    "Post-training static quantization of CNNOptimized: BatchNorm folded into the convolutions, observers calibrated "
    "with training photos only, weights int8 with a scale for each output channel, activations uint8."
)
QAT = (
    "Quantization-aware training of CNNOptimized: BatchNorm folded, fake-quantize in the forward pass (gradients pass "
    "straight through), scales fixed for the last epoch, then converted to int8."
)
PLAN = {"quantization": {"weights": "int8 per channel", "activations": "uint8 per tensor"}}
FUSED = "CNNOptimized with every BatchNorm folded into the convolution before it; still float32."


def run(bench: Bench, seed: int) -> ChapterResult:
    """Judge the fused float network, static int8 and QAT int8."""
    optimized = bench.photo_network("CNNOptimized", seed)
    task = bench.photo_task()
    graph = pt2e.export_graph(optimized, bench.backbone.preprocessing.input_shape)
    fused = pt2e.fused_float(graph)
    variants = [
        bench.line.judge_float(
            fused, task, _subject(bench, "CNNOptimized-fused", seed, FUSED, "torch"), counted=optimized
        )
    ]
    prepared = pt2e.prepare_static(graph)
    shown = pt2e.calibrate(prepared, _calibration(bench, seed))
    bench.say(f"calibrated with {shown} training photos")
    subject = _subject(bench, "CNNOptimized-static-int8", seed, STATIC, "pt2e")
    variants.append(bench.line.judge_pt2e(pt2e.convert(prepared), optimized, task, subject))
    trained, train = _qat(bench, graph, seed)
    subject = _subject(bench, "CNNOptimized-qat-int8", seed, QAT, "pt2e", train)
    variants.append(bench.line.judge_pt2e(pt2e.convert(trained), optimized, task, subject))
    if bench.backbone.name == "resnet18":
        variants += quantization_eager.run(bench, optimized, _calibration(bench, seed), seed)
    return ChapterResult(variants=variants, images=shown + train.epochs * len(bench.photo_data().train.labels))


def _calibration(bench: Bench, seed: int) -> torch.Tensor:
    """A seeded choice of training photos, ``(n, C, H, W)``."""
    inputs = bench.train_inputs()
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    return inputs[order[: bench.config.effort.calibration_images]]


def _qat(bench: Bench, graph: GraphModule, seed: int) -> tuple[GraphModule, Train]:
    prepared = pt2e.prepare_qat(graph)
    pt2e.calibrate(prepared, _calibration(bench, seed)[:32])
    return prepared, qat.train_on_photos(
        bench, prepared, seed, freeze=pt2e.freeze_observers, name="CNNOptimized-qat-int8", chunk_images=CHUNK_IMAGES
    )


def _subject(bench: Bench, name: str, seed: int, how: str, engine: str, train: Train | None = None) -> Subject:
    return Subject(
        name=name, seed=seed, parent="CNNOptimized", backbone=bench.backbone.name, how=how, engine=engine,
        weights=bench.weights_word, train=train,
        plan=PLAN if engine != "torch" else None,
    )  # fmt: skip
