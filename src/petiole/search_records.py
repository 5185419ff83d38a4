"""What ``petiole compress`` finds, as frozen records: ``results.json`` as of the lab, with "pareto" and "chosen"."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from petiole.errors import UserError
from petiole.record import Record
from petiole.records import Accuracy, Latency, Results, VersusParent, read_results

SEARCH = "compress"
"""``run.profile`` of a search."""
Verdict = Literal["kept", "broken", "undecided"]


class Candidate(Record):
    """A network that the search made. ``accuracy`` is of held-out training photos (``retrained``: after all of it was
    trained on the others; else only its output layer was), ``versus`` the paired comparison there with the reference.
    ``log_loss`` is the mean surprise, in nats, at whether what it called was right. ``relative_time`` is one picture's
    time on ``runtime`` as a share of the reference's in the same rounds; ``p50_ms`` is that share of the reference's
    median time over all rounds of the search, since the machine drifts between them."""

    name: str
    recipe: dict[str, Any]
    retrained: bool
    accuracy: Accuracy
    versus: VersusParent | None
    log_loss: float
    p50_ms: float
    relative_time: float
    reference_ms: float
    runtime: str
    file_bytes: int
    macs: int
    parameters: int
    seconds: float = 0.0


class Limit(Record):
    """One limit, and what the finished network does to it. ``photos_needed``: about how many test photos would decide,
    if the data do not. ``is_exact``: of a figure that is measured on the file itself."""

    limit: str
    found: str
    verdict: Verdict
    photos_needed: int | None = None
    is_exact: bool = False


class Finalist(Record):
    """A network made from all training photos and judged on the test split."""

    name: str
    recipe: dict[str, Any]
    accuracy: Accuracy
    balanced_accuracy: float
    versus_reference: VersusParent | None
    difference: float | None = None
    ci95: tuple[float, float] | None = None
    latency: Latency
    speedup: tuple[float, float, float] | None = None
    file_bytes: int
    macs: int
    artifact: str
    limits: list[Limit] = Field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of its limits' verdicts."""
        verdicts = {limit.verdict for limit in self.limits}
        return "broken" if "broken" in verdicts else "undecided" if "undecided" in verdicts else "kept"


class Tried(Record):
    """How the search went: recipes tried, given up (with the reason), and trained in full."""

    space: dict[str, list[Any]] = Field(default_factory=dict)
    first_look: int = 0
    retrained: int = 0
    given_up: list[tuple[str, str]] = Field(default_factory=list)
    folds: int = 1
    held_out: int = 0
    learned: int = 0
    budget_s: float = 0.0
    study: str = ""


class SearchResults(Results):
    """All of a search's ``results.json``. ``variants`` are the networks that were judged on the test split."""

    objective: str = ""
    reference: str = ""
    chosen: Finalist | None = None
    finalists: list[Finalist] = Field(default_factory=list)
    pareto: list[Candidate] = Field(default_factory=list)
    candidates: list[Candidate] = Field(default_factory=list)
    tried: Tried = Field(default_factory=Tried)


def read_any_results(run: Path) -> Results | SearchResults:
    """Read ``run/results.json``, of the lab or of a search.

    Raises:
        UserError: as :func:`petiole.records.read_results`.
    """
    results = read_results(run)
    if results.run.profile != SEARCH:
        return results
    path = run / "results.json"
    try:
        return SearchResults.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UserError(f"{path} does not fit at {where}: run petiole compress again to write it anew") from error
