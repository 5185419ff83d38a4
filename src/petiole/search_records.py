"""What ``petiole compress`` finds, as frozen records: ``results.json`` as of the lab, with "pareto" and "chosen"."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from petiole.accuracy_records import MOST
from petiole.contradictions import contradiction
from petiole.errors import UserError
from petiole.record import Record
from petiole.records import Accuracy, Latency, Results, VersusParent, read_results

SEARCH = "compress"
"""``run.profile`` of a search."""
Verdict = Literal["kept", "broken", "undecided"]


Objective = Literal["latency", "size", "macs", "accuracy"]


class Candidate(Record):
    """A network that the search made. ``accuracy`` is of held-out training photos (``retrained``: after all of it was
    trained on the others; else only its output layer was), ``versus`` the paired comparison there with the reference.
    ``log_loss`` is the mean surprise, in nats, at whether what it called was right. ``relative_time`` is one picture's
    time on ``runtime`` as a share of the reference's in the same rounds; ``p50_ms`` is that share of the reference's
    median time over all rounds of the search, since the machine drifts between them."""

    name: str  #: what it is made of, in short
    recipe: dict[str, Any]  #: backbone, input size, channels, zeros, quantization
    retrained: bool  #: whether all of it was trained
    accuracy: Accuracy  #: on held-out training photos
    versus: VersusParent | None  #: paired comparison with the reference
    log_loss: float = Field(ge=0)  #: nats a picture
    p50_ms: float = Field(ge=0, le=MOST)  #: one picture, scaled to the reference
    relative_time: float = Field(ge=0, le=MOST)  #: share of the reference's time
    reference_ms: float = Field(ge=0, le=MOST)  #: of the same rounds
    runtime: str  #: the fastest one for it
    file_bytes: int = Field(ge=1, le=MOST)  #: size of ``model.onnx``
    macs: int = Field(ge=0, le=MOST)  #: multiply-accumulates of one input
    parameters: int = Field(ge=0, le=MOST)  #: zeros included
    seconds: float = 0.0  #: time it took to try
    recipe_file: str = ""  #: for ``--recipe``, within the run directory

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Candidate":
        if self.versus is not None:
            self.versus.require_within(self.accuracy)
        return self


class Limit(Record):
    """One limit, and what the finished network does to it. ``photos_needed``: about how many test photos would decide,
    if the data do not. ``is_exact``: of a figure that is measured on the file itself."""

    limit: str  #: the option, in words
    found: str  #: the figure, in words
    verdict: Verdict  #: kept, broken or undecided
    photos_needed: int | None = None  #: None if decided
    is_exact: bool = False  #: no interval is needed


class Finalist(Record):
    """A network made from all training photos and judged on the test split."""

    name: str  #: what it is made of, in short
    recipe: dict[str, Any]  #: backbone, input size, channels, zeros, quantization
    accuracy: Accuracy  #: on the test split
    balanced_accuracy: float = Field(ge=0, le=1)  #: mean over the classes
    versus_reference: VersusParent | None  #: paired comparison on the test split
    difference: float | None = Field(default=None, ge=-1, le=1)  #: accuracy minus the reference's
    ci95: tuple[float, float] | None = None  #: interval of ``difference``
    latency: Latency  #: on its fastest runtime
    speedup: tuple[float, float, float] | None = None  #: ratio to the reference, with both ends of its interval
    file_bytes: int = Field(ge=1, le=MOST)  #: size of ``model.onnx``
    macs: int = Field(ge=0, le=MOST)  #: multiply-accumulates of one input
    artifact: str  #: directory below the run directory
    limits: list[Limit] = Field(default_factory=list)  #: each limit, judged

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Finalist":
        if self.versus_reference is not None:
            self.versus_reference.require_within(self.accuracy)
        return self

    @property
    def verdict(self) -> Verdict:
        """The worst of its limits' verdicts."""
        verdicts = {limit.verdict for limit in self.limits}
        return "broken" if "broken" in verdicts else "undecided" if "undecided" in verdicts else "kept"


class Tried(Record):
    """How the search went: recipes tried, given up (with the reason), and trained in full."""

    space: dict[str, list[Any]] = Field(default_factory=dict)  #: the values that each part of a recipe could take
    first_look: int = 0  #: recipes tried cheaply
    retrained: int = 0  #: recipes trained in full
    given_up: list[tuple[str, str]] = Field(default_factory=list)  #: recipe, and why
    folds: int = 1  #: parts of the cross-validation
    held_out: int = 0  #: photos judged on
    learned: int = 0  #: photos trained on
    budget_s: float = 0.0  #: of ``--budget``
    study: str = ""  #: database of the search


class SearchResults(Results):
    """All of a search's ``results.json``. ``variants`` are the networks that were judged on the test split."""

    objective: Objective  #: what was made small, or high
    reference: str = ""  #: name of the float reference
    chosen: Finalist | None = None  #: None if no network keeps the limits
    finalists: list[Finalist] = Field(default_factory=list)  #: made from all training photos
    pareto: list[Candidate] = Field(default_factory=list)  #: those that no other beats in everything
    candidates: list[Candidate] = Field(default_factory=list)  #: all that were tried to the end
    tried: Tried = Field(default_factory=Tried)  #: how the search went


def read_any_results(run: Path) -> Results | SearchResults:
    """Read ``run/results.json``, of the lab or of a search.

    Raises:
        UserError: as :func:`petiole.records.read_results`, or two rows contradict each other.
    """
    results = read_results(run)
    if said := contradiction(results):
        raise UserError(f"{run / 'results.json'} contradicts itself ({said}): give the run's command again")
    if results.run.profile != SEARCH:
        return results
    path = run / "results.json"
    try:
        found = SearchResults.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UserError(f"{path} does not fit at {where}: run petiole compress again to write it anew") from error
    if lack := _lack(found):
        raise UserError(f"{path} is not whole ({lack}): run petiole compress again to write it anew")
    return found


def _lack(found: SearchResults) -> str:
    """What the records of every search hold, and these do not; "" where they are whole."""
    if found.reference not in {row.name for row in found.variants}:
        return "the reference is not among the variants"
    if untimed := next((row.name for row in found.variants if not row.latency), ""):
        return f"{untimed} was not timed"
    return "" if all("quantization" in each.recipe for each in found.candidates) else "a recipe names no quantization"


def require_same_kind(run: Path, profile: str) -> None:
    """Refuse to write results over those of another kind.

    Raises:
        UserError: ``run`` holds the results of another profile, or of the other command.
    """
    try:
        found = json.loads((run / "results.json").read_text(encoding="utf-8"))["run"]["profile"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # none, or none that can be read
    if found != profile:
        kinds = {SEARCH: "a search (petiole compress)"}
        there, here = (kinds.get(each, f"the lab with --profile {each}") for each in (found, profile))
        raise UserError(f"{run} holds the results of {there}, and this is {here}: choose another --out")
