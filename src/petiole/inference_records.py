"""What ``petiole predict`` and ``petiole bench`` say, as frozen records."""

from petiole.record import Record
from petiole.records import Latency, Machine


class Speedup(Record):
    """How many times as fast as the reference: the ratio of medians, with its 95% interval."""

    ratio: float
    low: float
    high: float

    @property
    def is_measurable(self) -> bool:
        """Whether the interval leaves 1 out."""
        return self.low > 1 or self.high < 1


class Benchmarked(Record):
    """One artifact on one runtime; the reference itself has no ``speedup``."""

    artifact: str
    name: str
    latency: Latency
    images_per_s: float
    file_bytes: int
    speedup: Speedup | None


class Benchmark(Record):
    """What ``petiole bench`` measured, all on one machine."""

    machine: Machine
    batch: int
    reference: str
    rows: list[Benchmarked]
    warnings: tuple[str, ...] = ()


class Prediction(Record):
    """One photo, predicted: ``label`` with its ``probability``, or ``why`` it could not be. ``probabilities`` are those
    of all classes, in the artifact's order; ``ms`` is the network's own time for the photo."""

    path: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    ms: float | None = None
    why: str | None = None
