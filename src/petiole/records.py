"""The results as frozen, versioned records: what ``results.json`` holds, and all that the report may read.

Keys may be added, never renamed or left out (``schema`` counts the breaks). Units are in the names; accuracy and
other fractions are 0..1 here and scaled by :mod:`petiole.units` where people read them.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petiole.errors import UserError

SCHEMA = 1


class Record(BaseModel):
    """Base of all records: frozen, keyword-only; keys of a newer Petiole are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Accuracy(Record):
    """Accuracy on the test split with its Wilson 95% interval.

    ``confusion[i][j]`` counts pictures of true class ``i`` that were called class ``j``.
    """

    correct: int
    total: int
    value: float
    ci95: tuple[float, float]
    by_class: dict[str, float]
    confusion: list[list[int]] = []


class VersusParent(Record):
    """Paired comparison with the parent on the same pictures: flips, and the exact McNemar p-value."""

    lost: int
    gained: int
    mcnemar_p: float


class Latency(Record):
    """Time of one call on one runtime. ``samples`` counts the timed calls; the raw ones lie in ``raw_file``.
    ``others_share`` of the cores' time went to other processes meanwhile (None: the kernel did not tell)."""

    runtime: str
    batch: int
    threads: int
    p50_ms: float
    p90_ms: float
    samples: int
    p25_ms: float = 0.0
    p75_ms: float = 0.0
    raw_file: str | None = None
    others_share: float | None = None


class Epoch(Record):
    """One epoch of training: mean training loss, and what was checked after it."""

    epoch: int
    loss: float
    train_accuracy: float | None = None
    sparsity: float | None = None


class Train(Record):
    """How a network was trained. ``converged_epoch`` is judged on the training loss, never on the test split."""

    epochs: int
    converged_epoch: int
    seconds: float
    images_per_s: float = 0.0
    recipe: str = ""
    history: list[Epoch] = []


class Operator(Record):
    """One line of the PyTorch profiler: an operator's own CPU time over ``calls`` calls, summed."""

    name: str
    calls: int
    self_cpu_ms: float


class Variant(Record):
    """One network of the lab, judged as every other one: a row for each name, seed and engine.

    ``baseline`` is what it is compared with beside its parent (a retrained network: what was pruned), if anything.
    """

    name: str
    seed: int
    parent: str | None
    backbone: str
    engine: str
    accuracy: Accuracy
    versus_parent: VersusParent | None
    baseline: str | None = None
    versus_baseline: VersusParent | None = None
    parameters: int
    nonzero_parameters: int
    macs: int
    file_bytes: int
    latency: list[Latency] = []
    train: Train | None = None
    gates: dict[str, Any] = {}
    artifact: str | None = None
    dataset: str = "photos"
    how: str = ""
    weights: str = "pretrained"
    dense_bytes: int | None = None
    sparse_bytes: int | None = None
    profile: list[Operator] = []
    profile_ms: float | None = None
    predictions: str | None = None

    @property
    def key(self) -> str:
        """Unique within a run: name, engine where it is not plain torch, and seed."""
        engine = "" if self.engine == "torch" else f"-{self.engine}"
        return f"{self.name}{engine}-seed{self.seed}"


class Skipped(Record):
    """A file that was left out, and why."""

    path: str
    why: str


class Photos(Record):
    """The photos of a run: where they came from, how many, what was skipped. ``duplicates`` are groups of files with
    the same bytes in both splits, ``contradictions`` such groups under several labels."""

    source: str
    synthetic: bool
    train: int
    test: int
    classes: list[str]
    skipped: list[Skipped] = []
    train_by_class: dict[str, int] = {}
    test_by_class: dict[str, int] = {}
    duplicates: list[list[str]] = []
    contradictions: list[list[str]] = []
    note: str = ""


class Digits(Record):
    """The digits of a run."""

    source: str
    synthetic: bool
    train: int
    test: int
    note: str = ""


class Data(Record):
    """Both data sets; one that the run's stages did not need is None."""

    photos: Photos | None
    digits: Digits | None


class Machine(Record):
    """The machine that latency was measured on. Numbers of two machines are never mixed unmarked."""

    cpu: str
    isa: list[str]
    cores: int
    threads: int
    versions: dict[str, str]


class Stage(Record):
    """Time of one stage of the run, of one seed."""

    name: str
    seed: int
    seconds: float
    images: int = 0
    images_per_s: float = 0.0


class Run(Record):
    """The run itself."""

    command: str
    seconds: float
    seeds: list[int]
    machine: Machine
    authors: list[str] = []
    profile: str = "lab"
    backbone: str = ""
    weights: str = ""
    amount: float = 0.3
    petiole: str = ""
    stages: list[Stage] = []
    peak_memory_bytes: int = 0


class CurvePoint(Record):
    """Accuracy on the test split against pruning amount, before retraining, or after it if ``retrained``.

    ``amount`` is the share of the weights (channels: of the multiply-accumulates) that is removed; ``control`` is the
    unpruned network, retrained as long."""

    method: str
    scope: str
    seed: int
    amount: float
    sparsity: float
    correct: int
    total: int
    retrained: bool = False


class Sensitivity(Record):
    """What it costs that one layer or group of channels loses some, on training pictures that chose nothing.
    ``removed`` 0: nothing could be."""

    name: str
    kind: str
    seed: int
    asked: float
    removed: int
    of: int
    correct: int
    total: int
    loss: float
    correct_before: int
    loss_before: float


class Answer(Record):
    """A question of the handout, answered from the run's own records; ``evidence`` names the variants used."""

    id: str
    question: str
    answer: str
    evidence: list[str]


class Failure(Record):
    """A variant or stage that failed. It is shown wherever results are."""

    variant: str
    why: str
    seed: int | None = None
    stage: str = ""


class Results(Record):
    """All of ``results.json``."""

    schema_version: int = Field(default=SCHEMA, alias="schema")
    run: Run
    data: Data
    variants: list[Variant] = []
    demos: dict[str, Any] = {}
    curves: list[CurvePoint] = []
    sensitivities: list[Sensitivity] = []
    answers: list[Answer] = []
    failures: list[Failure] = []

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def to_json(record: Record) -> str:
    """A record as JSON text, as ``from_json`` reads it back."""
    return json.dumps(record.model_dump(mode="json", by_alias=True), indent=1, allow_nan=False) + "\n"


def read_results(run: Path) -> Results:
    """Read ``run/results.json``.

    Raises:
        UserError: there is none, it is not JSON, it is of another schema, or a key is missing or wrong.
    """
    path = run / "results.json"
    if not path.is_file():
        raise UserError(f"no results.json in {run}: give a directory that `petiole lab --out` wrote")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}): run the lab again to write it anew") from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{path} has schema {schema!r}, this Petiole reads {SCHEMA}: use the Petiole that wrote it")
    try:
        return Results.model_validate(raw)
    except ValidationError as error:
        where, what = ".".join(str(part) for part in error.errors()[0]["loc"]), error.errors()[0]["msg"]
        raise UserError(f"{path} does not fit at {where} ({what}): run the lab again to write it anew") from error
