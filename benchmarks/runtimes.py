"""The deployed int8 file against its peers, side by side: latency at batch 1, as ratios of one interleaved run.

    pip install nncf                       # a peer; without it the benchmark says so and goes on
    python benchmarks/runtimes.py [resnet18 efficientnet_lite0] [--weights FILE] [--photos DIR]

For each network, with two classes, calibrated on the same photos (drawn ones, or those of --photos):

    torch eager float32        what the handout runs
    torch eager int8           the handout's own engine (resnet18)
    OpenVINO float32           the float file, no quantization
    OpenVINO int8, Petiole     the file that Petiole ships
    OpenVINO int8, NNCF        NNCF's post-training quantization of the same float file, with its default preset
    OpenVINO int8, NNCF mixed  the same with its preset for asymmetric activations
    OpenVINO int8, NNCF as is  the first of them with OpenVINO's own defaults, for any number of pictures
    ONNX Runtime float32
    ONNX Runtime int8, Petiole the same shipped file
    ONNX Runtime int8, own     ONNX Runtime's own static quantizer (QDQ, per channel) of the same float file

Latency hardly depends on what weights are in a network; accuracy does, and is measured by the lab.
"""

import argparse
import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petiole import api, stats
from petiole.bench.latency import measure
from petiole.bench.machine import available_threads, describe
from petiole.data.augment import centre_views, normalize
from petiole.data.folder import open_photos
from petiole.deploy.export import OnnxExporter
from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_onnxruntime import OnnxRuntime
from petiole.deploy.runtime_openvino import OpenVinoRuntime
from petiole.deploy.runtime_torch import TorchRuntime
from petiole.models import backbones
from petiole.models.weights import find_weights
from petiole.quantization import eager, pt2e

REFERENCE = "torch eager float32"
CALIBRATION_IMAGES = 64
ROUNDS = 32


def main() -> None:
    """Measure the networks that are named and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["resnet18", "efficientnet_lite0"])
    parser.add_argument("--weights", help="pretrained weights of the first network, or random")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--samples", type=int, default=400)
    options = parser.parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    print(f"{describe(threads).cpu}, {threads} threads, {', '.join(describe(threads).isa)}")
    for index, name in enumerate(options.networks):
        weights = (options.weights or "random") if index == 0 and name != "efficientnet_lite0" else None
        with tempfile.TemporaryDirectory() as folder:
            _network(name, weights, options.photos, Path(folder), threads, options.samples)


def _network(name: str, weights: str | None, photos: Path | None, folder: Path, threads: int, samples: int) -> None:
    backbone = backbones.find(name)
    state = find_weights(name, weights=weights, offline=True).state
    network = backbones.adapt(backbone, state, classes=2, seed=0).eval()
    root = photos or api.draw(folder / "photos", count=2 * CALIBRATION_IMAGES)
    data = open_photos(root, source="", synthetic=photos is None, seed=0)
    images = normalize(centre_views(data.train, backbone.preprocessing), backbone.preprocessing)
    images = images[:CALIBRATION_IMAGES].contiguous()
    runtimes = dict(_contestants(name, network, images, folder, threads))
    raw_ms = measure({label: partial(each.run, images[:1].numpy()) for label, each in runtimes.items()},
                     min_samples=samples, rounds=ROUNDS)  # fmt: skip
    _print(name, runtimes, raw_ms, folder)


def _contestants(
    name: str, network: torch.nn.Module, images: torch.Tensor, folder: Path, threads: int
) -> Iterator[tuple[str, Runtime]]:
    shape = tuple(images.shape[1:])
    float_file, int8_file = folder / "float.onnx", folder / "petiole.onnx"
    yield REFERENCE, TorchRuntime(network, threads=threads)
    if name == "resnet18":
        prepared = eager.prepare_static(network)
        eager.calibrate(prepared, images)
        int8 = eager.convert(prepared)
        names = tuple(eager.quantized_layer_names(int8))
        yield "torch eager int8", TorchRuntime(int8, threads=threads, int8=names)
    exporter, graph = OnnxExporter(), pt2e.export_graph(network, shape)
    exporter.export(pt2e.fused_float(graph), shape, float_file)
    prepared_graph = pt2e.prepare_static(graph)
    pt2e.calibrate(prepared_graph, images)
    exporter.export(pt2e.convert(prepared_graph), shape, int8_file)
    for label, runtime in (("OpenVINO", OpenVinoRuntime), ("ONNX Runtime", OnnxRuntime)):
        yield f"{label} float32", runtime(float_file, threads=threads)
        yield f"{label} int8, Petiole", runtime(int8_file, threads=threads)
    for label, file, make, opened in (
        ("OpenVINO int8, NNCF", folder / "nncf.xml", partial(_nncf, preset="PERFORMANCE"), OpenVinoRuntime),
        ("OpenVINO int8, NNCF mixed", folder / "nncf-mixed.xml", partial(_nncf, preset="MIXED"), OpenVinoRuntime),
        ("ONNX Runtime int8, own", folder / "own.onnx", _onnxruntime, OnnxRuntime),
    ):
        try:
            with _quiet():
                make(float_file, images, file)
        except ImportError as error:
            print(f"{label}: not measured ({error}): pip install {error.name}")
            continue
        yield label, opened(file, threads=threads)
    if (folder / "nncf.xml").is_file():
        yield "OpenVINO int8, NNCF as is", _AsIs(folder / "nncf.xml", threads=threads)


class _AsIs(OpenVinoRuntime):
    """OpenVINO without any of Petiole's options."""

    def _compile(self, *, pictures: int | None) -> Any:
        import openvino

        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.threads}
        return openvino.Core().compile_model(str(self.path), "CPU", options)


def _nncf(float_file: Path, images: torch.Tensor, target: Path, *, preset: str) -> None:
    import nncf
    import openvino

    model = openvino.Core().read_model(str(float_file))
    dataset = nncf.Dataset([image[None].numpy() for image in images])
    chosen = nncf.QuantizationPreset[preset]
    quantized = nncf.quantize(model, dataset, subset_size=len(images), preset=chosen)
    openvino.save_model(quantized, str(target), compress_to_fp16=False)


def _onnxruntime(float_file: Path, images: torch.Tensor, target: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.rest = iter([{"images": image[None].numpy()} for image in images])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rest, None)

    quantize_static(str(float_file), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The peers' progress bars and advice would stand in the middle of the table."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        yield
        logging.disable(logging.NOTSET)


def _openvino_bytes(path: Path) -> int:
    return path.stat().st_size + path.with_suffix(".bin").stat().st_size


def _print(name: str, runtimes: Mapping[str, Runtime], raw_ms: Mapping[str, list[float]], folder: Path) -> None:
    sizes: dict[str, Callable[[], int]] = {
        "Petiole": lambda: (folder / "petiole.onnx").stat().st_size,
        "float32": lambda: (folder / "float.onnx").stat().st_size,
        "own": lambda: (folder / "own.onnx").stat().st_size,
        "NNCF": lambda: _openvino_bytes(folder / "nncf.xml"),
        "NNCF as is": lambda: _openvino_bytes(folder / "nncf.xml"),
        "NNCF mixed": lambda: _openvino_bytes(folder / "nncf-mixed.xml"),
    }
    print(f"\n{name}\n{'':<28}{'p50 ms':>8}{'p90 ms':>8}{'times as fast (95%)':>24}{'int8 layers':>13}{'MB':>7}")
    for label, row in raw_ms.items():
        ratio, low, high = stats.median_ratio_interval(raw_ms[REFERENCE], row, rounds=ROUNDS, seed=0)
        layers = runtimes[label].layers()
        p50, p90 = np.percentile(row, [50, 90])
        size = next((read() / 1e6 for key, read in sizes.items() if label.endswith(key) and "torch" not in label), None)
        print(
            f"{label:<28}{p50:>8.2f}{p90:>8.2f}{f'{ratio:.2f} ({low:.2f}-{high:.2f})':>24}"
            f"{f'{len(layers.int8)}/{layers.total}':>13}{'' if size is None else f'{size:.2f}':>7}"
        )
    for ours, theirs in (("OpenVINO int8, Petiole", "OpenVINO int8, NNCF"),
                         ("OpenVINO int8, Petiole", "OpenVINO int8, NNCF mixed"),
                         ("OpenVINO int8, Petiole", "OpenVINO int8, NNCF as is"),
                         ("ONNX Runtime int8, Petiole", "ONNX Runtime int8, own")):  # fmt: skip
        if theirs in raw_ms:
            ratio, low, high = stats.median_ratio_interval(raw_ms[theirs], raw_ms[ours], rounds=ROUNDS, seed=0)
            print(f"{ours} is {ratio:.2f} ({low:.2f}-{high:.2f}) times as fast as {theirs}")


if __name__ == "__main__":
    main()
