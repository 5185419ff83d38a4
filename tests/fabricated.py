"""A whole run whose numbers are made up, for tests of what is written about a run."""

from typing import Any

from petiole.records import (
    Accuracy,
    CurvePoint,
    Data,
    Digits,
    Epoch,
    Latency,
    Machine,
    Operator,
    Photos,
    Results,
    Run,
    Skipped,
    Stage,
    Train,
    Variant,
    VersusParent,
)
from petiole.stats import mcnemar_exact, wilson

TOTAL = {"photos": 100, "digits": 1000}


def accuracy(correct: int, total: int) -> Accuracy:
    return Accuracy(
        correct=correct, total=total, value=correct / total, ci95=wilson(correct, total),
        by_class={"ants": 0.25, "bees": 0.75} if total == TOTAL["photos"] else {},
    )  # fmt: skip


def latency(p50_ms: float, *, runtime: str = "openvino", half_ms: float = 0.1) -> Latency:
    """A timing whose box reaches ``half_ms`` to both sides; 0 means that no spread was recorded."""
    return Latency(
        runtime=runtime, batch=1, threads=2, p50_ms=p50_ms, p90_ms=p50_ms + 2 * half_ms, samples=200,
        p25_ms=p50_ms - half_ms if half_ms else 0.0, p75_ms=p50_ms + half_ms if half_ms else 0.0,
    )  # fmt: skip


def train(*, epochs: int = 10, converged: int = 7, seconds: float = 20.0, accuracy: float = 0.99) -> Train:
    history = [
        Epoch(epoch=at, loss=1.0 / at, train_accuracy=accuracy if at == epochs else 0.5) for at in range(1, epochs + 1)
    ]
    return Train(
        epochs=epochs, converged_epoch=converged, seconds=seconds, images_per_s=123.0, recipe="made-up recipe",
        history=history,
    )  # fmt: skip


def versus(lost: int, gained: int) -> VersusParent:
    return VersusParent(lost=lost, gained=gained, mcnemar_p=mcnemar_exact(lost, gained))


def variant(name: str, correct: int, **changes: Any) -> Variant:
    """A variant with ``correct`` right of 100 photos (or 1,000 digits); anything may be changed."""
    dataset = changes.get("dataset", "photos")
    values: dict[str, Any] = {
        "name": name, "seed": 0, "parent": None, "backbone": "madeupnet", "engine": "torch",
        "accuracy": accuracy(correct, TOTAL[dataset]), "versus_parent": None, "parameters": 2000,
        "nonzero_parameters": changes.get("parameters", 2000), "macs": 5000, "file_bytes": 8000,
        "how": f"how {name} was made", "artifact": f"artifacts/{name}",
    }  # fmt: skip
    return Variant(**{**values, **changes})


def variants() -> list[Variant]:
    both = [latency(10.0), latency(20.0, runtime="torch")]
    int8: dict[str, Any] = {"engine": "pt2e", "file_bytes": 2000, "gates": {"quantized_layers": "20/20"}}
    pruned: dict[str, Any] = {"nonzero_parameters": 1400, "latency": both, "profile_ms": 30.0,
                              "profile": [Operator(name="aten::madeup", calls=10, self_cpu_ms=5.0)],
                              "dense_bytes": 8000, "sparse_bytes": 5900, "gates": {"sparsity": 0.3}}  # fmt: skip
    digits: dict[str, Any] = {"dataset": "digits", "parent": "LeNet", "versus_parent": versus(3, 2)}
    return [
        variant("CNNScratch", 70, parameters=500, macs=900, file_bytes=2500, train=train(seconds=100.0), latency=both),
        variant("CNNAdapted", 94, train=train(seconds=5.0), latency=both),
        variant("CNNOptimized", 96, parent="CNNAdapted", versus_parent=versus(1, 3), train=train(), latency=both,
                dense_bytes=8000, profile_ms=30.0),
        variant("CNNPrunedF", 60, parent="CNNOptimized", versus_parent=versus(36, 0), **pruned),
        variant("CNNPrunedFO", 95, parent="CNNPrunedF", versus_parent=versus(0, 35), train=train(), **pruned),
        variant("CNNPrunedG", 50, parent="CNNOptimized", versus_parent=versus(46, 0), **pruned),
        variant("CNNPrunedGO", 94, parent="CNNPrunedG", versus_parent=versus(0, 44), train=train(), **pruned),
        variant("CNNOptimized-fused", 96, parent="CNNOptimized", versus_parent=versus(0, 0), latency=[latency(9.9)]),
        variant("CNNOptimized-static-int8", 95, parent="CNNOptimized", versus_parent=versus(2, 1),
                latency=[latency(2.0)], **int8),
        variant("CNNOptimized-qat-int8", 96, parent="CNNOptimized", versus_parent=versus(1, 1), train=train(),
                latency=[latency(2.0)], **int8),
        variant("LeNet", 990, dataset="digits", train=train(),
                latency=[latency(0.05, half_ms=0.01), latency(0.09, runtime="torch", half_ms=0.01)]),
        variant("LeNet-dynamic-int8", 989, engine="eager", file_bytes=3000, artifact=None,
                latency=[latency(0.09, runtime="torch", half_ms=0.01)], **digits),
        variant("LeNet-static-int8", 989, latency=[latency(0.05, half_ms=0.01)], **int8, **digits),
    ]  # fmt: skip


def fewer(row: Variant, lost: int, gained: int) -> dict[str, Any]:
    """What such flips leave of a parent that calls all but four pictures rightly."""
    total = row.accuracy.total
    return {"versus_parent": versus(lost, gained), "accuracy": accuracy(total - 4 - lost + gained, total)}


DTYPE = {
    "seed": 123, "input": [[-1.5, 0.25]], "output_fp32": 0.5, "output_int8": 0.4975,
    "weight_fp32": [[-0.254, 0.1]], "weight_int8": [[-0.254, 0.1]], "scale": 0.002, "zero_point": 0,
    "int_repr": [[-127, 50]],
}  # fmt: skip
LSTM = {
    "seed": 29592, "float_bytes": 4000, "int8_bytes": 2000, "float_p50_ms": 0.5, "int8_p50_ms": 0.4,
    "mean_abs_difference": 0.001, "mean_abs_output": 0.1, "shape": "8-8-1, 20 steps",
}  # fmt: skip


def results(rows: list[Variant] | None = None, **changes: Any) -> Results:
    """The made-up run; ``changes`` are other keys of ``Results``, ``run_...`` keys of its run, ``photos_...``."""
    run: dict[str, Any] = {
        "command": "petiole lab --out runs/madeup", "seconds": 61.0, "seeds": [0], "authors": ["Ada", "Bo"],
        "backbone": "madeupnet", "weights": "made-up weights", "petiole": "0.0",
        "machine": Machine(cpu="Made-up CPU", isa=["avx_made_up"], cores=2, threads=2, versions={"torch": "0.1"}),
        "stages": [Stage(name="scratch", seed=0, seconds=30.0), Stage(name="transfer", seed=0, seconds=30.0)],
    }  # fmt: skip
    photos: dict[str, Any] = {
        "source": "made-up photos", "synthetic": False, "train": 200, "test": 100, "classes": ["ants", "bees"],
        "skipped": [Skipped(path="odd.gif", why="it is no photo")], "train_by_class": {"ants": 90, "bees": 110},
        "test_by_class": {"ants": 50, "bees": 50},
    }  # fmt: skip
    run.update({key.removeprefix("run_"): changes.pop(key) for key in list(changes) if key.startswith("run_")})
    photos.update({key.removeprefix("photos_"): changes.pop(key) for key in list(changes) if key.startswith("photos_")})
    curves = [
        CurvePoint(method=method, scope="global", seed=0, amount=amount, sparsity=amount, correct=right, total=100)
        for method, rights in (("random", (50, 20)), ("magnitude", (95, 60)))
        for amount, right in zip((0.3, 0.6), rights, strict=True)
    ]
    values: dict[str, Any] = {
        "run": Run(**run),
        "data": Data(
            photos=Photos(**photos), digits=Digits(source="made-up digits", synthetic=False, train=5000, test=1000)
        ),
        "variants": variants() if rows is None else rows,
        "demos": {"dtype": DTYPE, "lstm": LSTM},
        "curves": curves,
    }
    return Results(**{**values, **changes})


def replaced(name: str, rows: list[Variant] | None = None, **changes: Any) -> list[Variant]:
    """The made-up variants, the one of this name changed."""
    rows = variants() if rows is None else rows
    assert name in [row.name for row in rows]
    return [row.model_copy(update=changes) if row.name == name else row for row in rows]
