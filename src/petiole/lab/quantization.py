"""Handout section 3.4.2: static quantization and quantization-aware training of the transferred network (PT2E)."""

import torch
from torch.fx import GraphModule

from petiole.chain import qat
from petiole.chain.calibration import calibration
from petiole.lab import quantization_eager
from petiole.lab.bench import Bench, ChapterResult
from petiole.quantization import pt2e
from petiole.quantization.mixed import Mixed, quantize_within
from petiole.records import Train
from petiole.variants import Subject

FUSED, STATIC, QAT = "CNNOptimized-fused", "CNNOptimized-static-int8", "CNNOptimized-qat-int8"
HOW_STATIC = (
    "Post-training static quantization of CNNOptimized: BatchNorm folded into the convolutions, observers calibrated "
    "with training photos only, weights int8 with a scale for each output channel, activations uint8."
)
HOW_QAT = (
    "Quantization-aware training of CNNOptimized: BatchNorm folded, fake-quantize in the forward pass (gradients pass "
    "straight through){scales}, then converted to int8."
)
HOW_FUSED = (
    "CNNOptimized with every BatchNorm folded into the convolution before it; still float32. (Every deployed file has "
    "its BatchNorm folded, so that the two differ in eager PyTorch alone.)"
)


def run(bench: Bench, seed: int, result: ChapterResult) -> None:
    """Judge the fused float network, static int8 and QAT int8."""
    optimized = bench.photo_network("CNNOptimized", seed)
    task = bench.photo_task()
    graph = pt2e.export_graph(optimized, bench.backbone.preprocessing.input_shape)
    shown, held_out = calibration(bench, seed)
    with result.attempt(FUSED, "quantization", seed, bench.say):
        subject = _subject(bench, FUSED, seed, HOW_FUSED, "torch")
        result.variants.append(bench.line.judge_float(pt2e.fused_float(graph), task, subject, unfused=optimized))
    with result.attempt(STATIC, "quantization", seed, bench.say):
        mixed = quantize_within(graph, shown, held_out, max_drop=bench.config.max_drop / 100, say=bench.say)
        subject = _subject(bench, STATIC, seed, HOW_STATIC + mixed.describe(), "pt2e", shown=len(shown), mixed=mixed)
        result.variants.append(bench.line.judge_pt2e(mixed.graph, optimized, task, subject, floating=mixed.floating))
        result.add_layer_errors(subject, mixed)
    with result.attempt(QAT, "quantization", seed, bench.say):
        trained, train = _qat(bench, graph, shown, seed)
        how = HOW_QAT.format(scales=qat.scales(train))
        subject = _subject(bench, QAT, seed, how, "pt2e", train, shown=min(qat.CALIBRATION_IMAGES, len(shown)))
        result.variants.append(
            bench.line.judge_pt2e(pt2e.convert(trained), optimized, task, subject, trained=trained.state_dict())
        )
        result.images += train.epochs * len(bench.photo_data().train.labels)
    if bench.backbone.name == "resnet18":
        quantization_eager.run(bench, optimized, shown, seed, result)


def _qat(bench: Bench, graph: GraphModule, shown: torch.Tensor, seed: int) -> tuple[GraphModule, Train]:
    prepared = pt2e.prepare_qat(graph)
    pt2e.calibrate(prepared, shown[: qat.CALIBRATION_IMAGES])
    return prepared, qat.train_on_photos(bench, prepared, seed, freeze=pt2e.freeze_observers, name=QAT)


def _subject(
    bench: Bench, name: str, seed: int, how: str, engine: str, train: Train | None = None, *, shown: int = 0,
    mixed: Mixed | None = None,
) -> Subject:  # fmt: skip
    return Subject(
        name=name, seed=seed, parent="CNNOptimized", backbone=bench.backbone.name, how=how, engine=engine,
        weights=bench.weights_word, train=train, architecture=bench.backbone.name if engine == "torch" else "",
        plan=qat.plan(name, engine, shown, mixed) if engine != "torch" else None,
    )  # fmt: skip
