"""The one assembly line: a network -> exported, evaluated as deployed, checked, written -> a ``Variant`` record.

Chapters differ in what they do to a network, never in how it is judged: that is here, the same for all of them.
Latency is measured later, for all variants of a run together, in one interleaved round (:mod:`petiole.lab.timing`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from petiole.bench.footprint import layer_macs, macs, nonzero_parameters, parameters
from petiole.bench.histogram import histogram
from petiole.bench.machine import describe
from petiole.deploy import artifact, check, runtimes
from petiole.deploy.export import OnnxExporter
from petiole.deploy.parity import AccuracyError, require_parity
from petiole.deploy.runtime import Runtime
from petiole.deploy.stored_weights import layer_weights
from petiole.errors import GateError
from petiole.evidence import REFUSED
from petiole.predictions import PredictionFiles, flips, versus
from petiole.preprocessing import Preprocessing
from petiole.pruning.storage import save_sparse
from petiole.quantization import eager, eager_twin
from petiole.quantization.coverage import CoverageError, graph_layers, require_all
from petiole.records import Train, Variant
from petiole.rundir import RunDir
from petiole.training.evaluate import Inputs, Predictions, predict

PHOTOS_BATCH = 8
"""Small, since a quantized graph makes and drops a dozen copies of each layer's values: memory that stays warm."""
JUDGED_ON = "openvino"
"""The runtime whose accuracy is reported; the others must agree with it."""
GATE_SUFFIX = {name: "" if name == JUDGED_ON else f"_{name}" for name in runtimes.OF_FILES}
IN_ONE_CALL = 32
"""Pictures that the runtimes must call alike together and one by one."""
DIGITS_BATCH = 250
"""Dynamic quantization takes its scale from the whole batch, so it is judged at 1, as it is used."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What networks are judged on: the test split as inputs ``(N, C, H, W)`` with labels ``(N,)``."""

    dataset: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    inputs: Inputs
    labels: torch.Tensor
    synthetic: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who is judged: the names and the story that go into the record."""

    name: str
    seed: int
    parent: str | None
    backbone: str
    baseline: str | None = None
    how: str
    engine: str = "torch"
    weights: str = "pretrained"
    train: Train | None = None
    architecture: str = ""
    plan: dict[str, Any] | None = None

    @property
    def is_int8(self) -> bool:
        """Whether it was quantized."""
        return self.engine != "torch"

    @property
    def is_dynamic(self) -> bool:
        """Whether activations are quantized at run time: the exported file then rounds as torch does, in float."""
        return "-dynamic-" in self.name

    @property
    def folder(self) -> str:
        """Directory name below ``artifacts``: the variant's name, engine where it is eager, seed where it is not 0."""
        engine = "-eager" if self.engine == "eager" else ""
        return f"{self.name}{engine}" + (f"-seed{self.seed}" if self.seed else "")


class AssemblyLine:
    """Judges networks of one run. ``threads`` is what the runtimes may use."""

    def __init__(self, rundir: RunDir, *, threads: int) -> None:
        self.rundir = rundir
        self.threads = threads
        self._exporter = OnnxExporter()

    def judge_float(
        self,
        network: nn.Module,
        task: Task,
        subject: Subject,
        *,
        gates: dict[str, Any] | None = None,
        unfused: nn.Module | None = None,
    ) -> Variant:
        """Judge a float network: accuracy of its OpenVINO deployment, which must agree with torch.

        ``unfused`` is the network that ``network`` is the graph of, with its BatchNorm folded: it is what is counted
        and exported (every float file has its BatchNorm folded), and the file must answer as the graph does.

        Raises:
            GateError: the exported file calls pictures differently.
        """
        network.eval()
        sizes: dict[str, int] = {}

        def store(directory: Path) -> dict[str, Any]:
            if _is_masked(subject):
                sizes["sparse_bytes"] = save_sparse(network.state_dict(), directory / "weights.sparse")
            sizes["dense_bytes"] = (directory / "weights.safetensors").stat().st_size
            return {}

        return self._judge(
            network, unfused or network, task, subject, store, measured=unfused or network, gates=gates or {},
            architecture=subject.architecture,
        ).model_copy(update=sizes)  # fmt: skip

    def judge_pt2e(
        self, graph: GraphModule, float_network: nn.Module, task: Task, subject: Subject, *,
        floating: Collection[str] = (), trained: Mapping[str, torch.Tensor] | None = None,
    ) -> Variant:  # fmt: skip
        """Judge a converted PT2E graph: accuracy and coverage as the runtimes run it; all layers but ``floating``, of
        the graph and of those that run in the float network, must be int8.

        ``trained`` is the state of the prepared network, where quantization-aware training went on.

        Raises:
            GateError: a layer is not quantized, or the exported file calls pictures differently.
        """
        layers = graph_layers(graph)
        ran = len(layer_macs(float_network, task.preprocessing.input_shape))
        done = sum(int8 for _, int8 in layers)
        total = len(layers) + max(0, ran - len({name for name, _ in layers}))  # none vanished on the way
        require_all(done, total - sum(name in floating for name, _ in layers), where=subject.name)
        return self._judge(
            graph, graph, task, subject, lambda _: {}, measured=float_network,
            gates={"quantized_layers": f"{done}/{total}"}, trained=trained, int8_layers=done,
        )  # fmt: skip

    def judge_eager(
        self, network: nn.Module, float_network: nn.Module, task: Task, subject: Subject, *, float_layers: int = 0,
        trained: Mapping[str, torch.Tensor] | None = None,
    ) -> Variant:  # fmt: skip
        """Judge an eager int8 network. Its twin is what is deployed; all layers but ``float_layers`` must be int8.

        ``trained`` as in :meth:`judge_pt2e`. ``state.pth`` keeps it for torch, where its time is measured too.

        Raises:
            GateError: fewer layers are quantized, or the exported file calls pictures differently.
        """
        done, total = eager.quantized_layers(network)
        require_all(done, total - float_layers, where=f"{subject.name} (eager)")

        def store(directory: Path) -> dict[str, Any]:
            eager.save_state(network, directory / artifact.STATE)
            return {}

        return self._judge(
            network, eager_twin.twin(network), task, subject, store, measured=float_network,
            gates={"quantized_layers": f"{done}/{total}"}, trained=trained, int8_layers=done,
        )  # fmt: skip

    def _judge(
        self, network: nn.Module, exported: nn.Module, task: Task, subject: Subject,
        complete: Callable[[Path], dict[str, Any]], *, measured: nn.Module, gates: dict[str, Any],
        architecture: str = "", trained: Mapping[str, torch.Tensor] | None = None, int8_layers: int = 0,
    ) -> Variant:  # fmt: skip
        """What all share: ``exported`` becomes the file, is judged, and must call pictures as ``network`` does.

        ``measured`` is the float network of which weights are stored, parameters and MACs counted. ``complete`` adds
        what this kind has beside it to the artifact and returns its gates.
        """
        photos = task.dataset == "photos"
        together = 1 if subject.is_dynamic else PHOTOS_BATCH if photos else DIGITS_BATCH
        reference = predict(network, task.inputs, task.labels, batch_images=together)
        with self.rundir.replacing(self.rundir.artifact(subject.folder)) as directory:
            path, shape = directory / artifact.MODEL, task.preprocessing.input_shape
            self._exporter.export(exported, shape, path, architecture=architecture)
            artifact.label_model(path, task.classes, task.preprocessing)
            artifact.save_weights(trained or measured.state_dict(), directory)
            more = complete(directory)
            batch_images = 1 if photos or subject.is_dynamic else DIGITS_BATCH
            opened = list[Runtime]()
            for name in runtimes.OF_FILES:
                runtime = runtimes.of_file(name, path, threads=self.threads)
                found = predict(runtime, task.inputs, task.labels, batch_images=batch_images)
                try:
                    gates_here = _runtime_gates(runtime, reference, found, subject, int8_layers)
                    _require_batches(runtime, found, task, subject, together=batch_images)
                except (AccuracyError, CoverageError) as error:  # the other runtimes are no worse for it
                    if name == JUDGED_ON:
                        raise
                    more[f"{REFUSED}{name}"] = str(error)
                    continue
                more |= gates_here
                opened.append(runtime)
                if name == JUDGED_ON:
                    deployed = found
            more |= self._card(directory, task, subject, opened, more)
            file_bytes, weights = path.stat().st_size, histogram(layer_weights(path))
        predicted = PredictionFiles(self.rundir, subject.seed)
        before = predicted.of(subject.parent, deployed)
        baseline = predicted.of(subject.baseline, deployed)
        predictions, checksum = predicted.store(subject.name, subject.engine, deployed)
        return Variant(
            name=subject.name, seed=subject.seed, parent=subject.parent, backbone=subject.backbone,
            engine=subject.engine, accuracy=deployed.accuracy(task.classes),
            versus_parent=versus(before, deployed), baseline=subject.baseline,
            versus_baseline=versus(baseline, deployed), parameters=parameters(measured),
            nonzero_parameters=nonzero_parameters(measured), macs=macs(measured, task.preprocessing.input_shape),
            file_bytes=file_bytes, train=subject.train, gates={**gates, **more},
            artifact=f"artifacts/{subject.folder}", dataset=task.dataset, how=subject.how, weights=subject.weights,
            predictions=predictions, predictions_sha256=checksum, histogram=weights,
            flips=flips(before, deployed, task.classes),
        )  # fmt: skip

    def _card(
        self, directory: Path, task: Task, subject: Subject, opened: Sequence[Runtime], gates: dict[str, Any]
    ) -> dict[str, Any]:
        """Complete the artifact; what it shows when it is read back. ``opened`` are the runtimes that agree with the
        network, the one that it is judged on first."""
        candidates = torch.from_numpy(check.draw(task.preprocessing, range(check.CANDIDATES)))
        answers = [runtime.one_by_one(candidates) for runtime in opened]
        seeds = check.choose(answers)
        logits = answers[0][seeds]
        if not bool(logits.isfinite().all()):
            raise GateError(f"{subject.name} answers some of the check inputs with what is no number")
        compiled = {key: gates.get(f"int8_compiled{suffix}") for key, suffix in GATE_SUFFIX.items()}
        artifact.write_card(
            directory,
            name=subject.name, architecture=subject.backbone, parent=subject.parent, engine=subject.engine,
            weights=subject.weights, classes=task.classes, synthetic=task.synthetic,
            preprocessing=task.preprocessing, plan=subject.plan or {},
            layers={key: value for key, value in compiled.items() if value},
            refused={key.removeprefix(REFUSED): why for key, why in gates.items() if key.startswith(REFUSED)},
            measured_on=describe(self.threads),
            check_seeds=seeds, check_logits=logits.tolist(), logits_digest=artifact.logits_digest(logits),
        )  # fmt: skip
        return artifact.read_back(directory, subject.name)


def _runtime_gates(
    runtime: Runtime, reference: Predictions, found: Predictions, subject: Subject, int8_layers: int
) -> dict[str, Any]:
    """What one runtime must show: the network's predictions, and int8 layers where they are promised.

    Raises:
        GateError: it calls pictures differently, or computes a layer in float that should be int8 (it is named).
    """
    suffix = GATE_SUFFIX[runtime.name]
    where = f"{subject.name} on {runtime.name}"
    flips, distance = require_parity(reference.logits, found.logits, reference.labels, int8=subject.is_int8, name=where)
    gates: dict[str, Any] = {f"parity_flips{suffix}": flips, f"logits_distance{suffix}": float(f"{distance:.2g}")}
    if subject.is_int8:
        layers = runtime.layers()
        if not subject.is_dynamic:
            require_all(len(layers.int8), int8_layers, where=where, floating=layers.floating)
        gates[f"int8_compiled{suffix}"] = f"{len(layers.int8)}/{layers.total}"
    return gates


def _require_batches(runtime: Runtime, found: Predictions, task: Task, subject: Subject, *, together: int) -> None:
    """Photos do not change each other: :data:`IN_ONE_CALL` from all over the test split, in one call where they were
    judged one by one (``together`` is 1) and one by one where not, must be called as in ``found``. Dynamic networks are
    used one by one.

    Raises:
        GateError: they are not.
    """
    if subject.is_dynamic:
        return
    last = len(task.labels) - 1
    some = torch.linspace(0, last, min(IN_ONE_CALL, last + 1)).long()  # neighbours are of one class
    labels, logits = task.labels[some], found.logits[some]
    other = predict(runtime, task.inputs[some], labels, batch_images=IN_ONE_CALL if together == 1 else 1)
    where = f"{subject.name} on {runtime.name} in batches of another size"
    require_parity(logits, other.logits, labels, int8=subject.is_int8, name=where)


def _is_masked(subject: Subject) -> bool:
    return bool(subject.plan and "parameters" in subject.plan.get("pruning", {}))
