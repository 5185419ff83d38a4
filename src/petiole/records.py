"""The results as frozen, versioned records: what ``results.json`` holds, and all that the report may read.

Keys may be added, never renamed or left out (``schema`` counts the breaks). Units are in the names; accuracy and
other fractions are 0..1 here and scaled by :mod:`petiole.units` where people read them.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from petiole.accuracy_records import MOST
from petiole.accuracy_records import Accuracy as Accuracy
from petiole.accuracy_records import VersusParent as VersusParent
from petiole.errors import UserError
from petiole.figure_records import CurvePoint as CurvePoint
from petiole.figure_records import Flip, Histogram, LayerError, Thumbnail
from petiole.figure_records import Operator as Operator
from petiole.figure_records import Sensitivity as Sensitivity
from petiole.figure_records import Unreached as Unreached
from petiole.latency_records import Latency as Latency
from petiole.latency_records import TimeRatio as TimeRatio
from petiole.record import Record

SCHEMA = 1


class Epoch(Record):
    """One epoch of training: mean training loss, and what was checked after it."""

    epoch: int = Field(ge=1, le=MOST)  #: from 1
    loss: float  #: mean over the epoch
    train_accuracy: float | None = Field(default=None, ge=0, le=1)  #: counted while it trained, on augmented pictures
    sparsity: float | None = Field(default=None, ge=0, le=MOST)  #: share of zeros among the masked weights


class Train(Record):
    """How a network was trained. ``converged_epoch`` is judged on the training loss, never on the test split."""

    epochs: int = Field(ge=0, le=MOST)  #: passes over the training split
    converged_epoch: int = Field(
        ge=0, le=MOST
    )  #: from here on the loss hardly falls; the last one: it had not converged
    seconds: float = Field(ge=0, le=MOST)  #: wall time
    images_per_s: float = Field(default=0.0, ge=0, le=MOST)  #: training pictures in a second
    recipe: str = ""  #: optimizer and its settings, in words
    history: list[Epoch] = []  #: one entry for each epoch

    @model_validator(mode="after")
    def _is_possible(self) -> "Train":
        if self.converged_epoch > self.epochs:
            raise ValueError(f"a training of {self.epochs} epochs does not converge at epoch {self.converged_epoch}")
        return self

    @property
    def has_converged(self) -> bool:
        """Whether some epoch came after the one at which it had."""
        return self.converged_epoch < self.epochs

    @property
    def has_fallen(self) -> bool:
        """Whether its loss was lower in the end than in its first epoch (where that was recorded)."""
        return not self.history or self.history[-1].loss < self.history[0].loss


class Comparison(Record):
    """Paired comparison of two networks of which neither was made from the other (of their parents: ``Variant``)."""

    variant: str  #: name of the one
    against: str  #: name of the other
    engine: str  #: of both
    seed: int  #: of both
    lost: int = Field(ge=0, le=MOST)  #: pictures only ``against`` called rightly
    gained: int = Field(ge=0, le=MOST)  #: pictures only ``variant`` called rightly
    mcnemar_p: float = Field(ge=0, le=1)  #: exact, two-sided


class Variant(Record):
    """One network of the lab, judged as every other one: a row for each name, seed and engine."""

    name: str  #: as in the list of networks
    seed: int  #: seed of everything random in it
    parent: str | None  #: the network it was made from
    backbone: str  #: architecture it comes from
    engine: str  #: torch (float), eager or pt2e (int8)
    accuracy: Accuracy  #: on the test split, as deployed
    versus_parent: VersusParent | None  #: paired comparison with ``parent``
    baseline: str | None = None  #: what else it is compared with: of a retrained network, what was pruned
    versus_baseline: VersusParent | None = None  #: paired comparison with ``baseline``
    parameters: int = Field(ge=0, le=MOST)  #: zeros included
    nonzero_parameters: int = Field(ge=0, le=MOST)  #: those that are not zero (of int8 networks: in the float network)
    macs: int = Field(ge=0, le=MOST)  #: multiply-accumulates of one input, zeros included
    file_bytes: int = Field(ge=1, le=MOST)  #: size of ``model.onnx``
    latency: list[Latency] = []  #: one entry for each runtime and batch size
    time_ratios: list[TimeRatio] = []  #: times against the float network it descends from
    train: Train | None = None  #: None where nothing was trained
    gates: dict[str, Any] = {}  #: what was checked, and what was found
    artifact: str | None = None  #: directory below the run directory
    dataset: str = "photos"  #: photos or digits
    how: str = ""  #: how it was made, in words
    weights: str = "pretrained"  #: pretrained, random or from scratch
    dense_bytes: int | None = Field(default=None, ge=0, le=MOST)  #: ``weights.safetensors`` of a float network
    sparse_bytes: int | None = Field(default=None, ge=0, le=MOST)  #: stored as nonzeros and bitmasks
    profile: list[Operator] = []  #: operators of one forward pass, those that took most
    profile_ms: float | None = Field(default=None, ge=0, le=MOST)  #: CPU time of that forward pass, the median one
    profile_p25_ms: float | None = Field(default=None, ge=0, le=MOST)  #: a quarter of them took less
    profile_calls: int = Field(default=0, ge=0, le=MOST)  #: how many there were
    profile_p75_ms: float | None = Field(default=None, ge=0, le=MOST)  #: a quarter of them took more
    predictions: str | None = None  #: file of what it called each test picture
    predictions_sha256: str = ""  #: checksum of that file
    flips: list[Flip] = []  #: test pictures that only it or only ``parent`` called rightly
    histogram: Histogram | None = None  #: weights of the deployed file

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Variant":
        if self.nonzero_parameters > self.parameters:
            raise ValueError(f"{self.nonzero_parameters} of {self.parameters} weights cannot be nonzero")
        for versus in (self.versus_parent, self.versus_baseline):
            if versus is not None:
                versus.require_within(self.accuracy)
        return self

    @property
    def key(self) -> str:
        """Unique within a run: name, engine where it is not plain torch, and seed."""
        engine = "" if self.engine == "torch" else f"-{self.engine}"
        return f"{self.name}{engine}-seed{self.seed}"


class Skipped(Record):
    """A file that was left out, and why."""

    path: str  #: relative to the photo folder
    why: str  #: the reason, in words


class Photos(Record):
    """The photos of a run: where they came from, how many, what was skipped. ``duplicates`` are groups of files with
    the same bytes in both splits, ``contradictions`` such groups under several labels. ``digest`` is one of all photos
    that are used and the side of the split that they are on."""

    source: str  #: hymenoptera, synthetic, or the name of the folder
    synthetic: bool  #: drawn, not taken
    train: int = Field(ge=0, le=MOST)  #: usable training photos
    test: int = Field(ge=0, le=MOST)  #: usable test photos
    classes: list[str]  #: in the order of the logits
    skipped: list[Skipped] = []  #: files that were left out
    train_by_class: dict[str, int] = {}  #: counts
    test_by_class: dict[str, int] = {}  #: counts
    duplicates: list[list[str]] = []  #: file names, group by group
    contradictions: list[list[str]] = []  #: file names, group by group
    note: str = ""  #: what else should be known
    digest: str = ""  #: SHA-256 over names, sides and contents


class Digits(Record):
    """The digits of a run; ``digest`` is one of all digits and labels."""

    source: str  #: mnist, or mnist-5k (embedded)
    synthetic: bool  #: false: all are handwritten
    train: int = Field(ge=0, le=MOST)  #: training digits
    test: int = Field(ge=0, le=MOST)  #: test digits
    note: str = ""  #: what else should be known
    digest: str = ""  #: SHA-256 over all of them


class Data(Record):
    """Both data sets; one that the run's stages did not need is None."""

    photos: Photos | None  #: None if no stage needed them
    digits: Digits | None  #: None if no stage needed them


class Machine(Record):
    """The machine that latency was measured on. Numbers of two machines are never mixed unmarked."""

    cpu: str  #: the processor's name
    isa: list[str]  #: instruction sets that int8 and bfloat16 profit from
    cores: int = Field(ge=1, le=MOST)  #: those this process may use
    memory_bytes: int = Field(default=0, ge=0, le=MOST)  #: of the machine; 0 where it is not known
    threads: int = Field(ge=1, le=MOST)  #: those the runtimes used
    versions: dict[str, str]  #: of Python and the libraries


class Stage(Record):
    """Time of one stage of the run, of one seed."""

    name: str  #: set-up, a chapter, or timing
    seed: int  #: of the chapter
    seconds: float = Field(ge=0, le=MOST)  #: wall time
    images: int = Field(default=0, ge=0, le=MOST)  #: pictures that were trained on
    images_per_s: float = Field(default=0.0, ge=0, le=MOST)  #: the same in a second


class Run(Record):
    """The run itself."""

    command: str  #: the command line
    seconds: float = Field(ge=0, le=MOST)  #: wall time of all sessions
    seeds: list[int] = Field(min_length=1)  #: one or more
    machine: Machine  #: what was measured on
    authors: list[str] = []  #: of ``--author``
    profile: str = "lab"  #: lab, quick, or compress for a search
    backbone: str = ""  #: of the transferred networks
    weights: str = ""  #: where the pretrained weights came from
    amount: float = Field(default=0.3, ge=0, le=1)  #: share of weights that were pruned
    petiole: str = ""  #: version
    stages: list[Stage] = []  #: time of each
    peak_memory_bytes: int = Field(default=0, ge=0, le=MOST)  #: highest resident memory


class Answer(Record):
    """A question of the handout, answered from the run's own records; ``evidence`` names the variants used."""

    id: str  #: section of the handout
    question: str  #: as the handout asks it
    answer: str  #: sentences made from the records
    evidence: list[str]  #: names of variants


class Failure(Record):
    """A variant or stage that failed. It is shown wherever results are."""

    variant: str  #: what could not be made
    why: str  #: the reason, in words
    seed: int | None = None  #: None if of no seed
    stage: str = ""  #: chapter it belongs to


class Results(Record):
    """All of ``results.json``."""

    schema_version: int = Field(default=SCHEMA, alias="schema")  #: always 1
    run: Run  #: the run itself
    data: Data  #: what was trained and judged on
    variants: list[Variant] = []  #: every network
    comparisons: list[Comparison] = []  #: of networks that share no more than their pictures
    demos: dict[str, dict[str, Any]] = {}  #: ``dtype`` and ``lstm`` of the handout
    curves: list[CurvePoint] = []  #: accuracy against pruning amount
    unreached: list[Unreached] = []  #: amounts that channels cannot be pruned by
    sensitivities: list[Sensitivity] = []  #: what each layer means
    layer_errors: list[LayerError] = []  #: what int8 does to each layer
    thumbnails: list[Thumbnail] = []  #: small pictures for the report
    answers: list[Answer] = []  #: the handout's questions
    failures: list[Failure] = []  #: what could not be made

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True)


def to_json(record: Record) -> str:
    """A record as JSON text, as ``from_json`` reads it back."""
    return json.dumps(record.model_dump(mode="json", by_alias=True), indent=1, allow_nan=False) + "\n"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def read_results(run: Path) -> Results:
    """Read ``run/results.json``.

    Raises:
        UserError: there is none, it is not JSON, it is of another schema, or a key is missing or wrong.
    """
    path = run / "results.json"
    if not path.is_file():
        raise UserError(f"no results.json in {run}: give a directory that `petiole lab --out` wrote")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        json.dumps(raw, ensure_ascii=False).encode()  # half a character can be written nowhere
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}): run the lab again to write it anew") from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{path} has schema {schema!r}, this Petiole reads {SCHEMA}: use the Petiole that wrote it")
    try:
        found = Results.model_validate(raw)
    except ValidationError as error:
        where, what = ".".join(str(part) for part in error.errors()[0]["loc"]), error.errors()[0]["msg"]
        raise UserError(f"{path} does not fit at {where} ({what}): run the lab again to write it anew") from error
    if len({row.key for row in found.variants}) < len(found.variants):
        raise UserError(f"{path} holds a variant twice: run the lab again to write it anew")
    return found
