"""What ``petiole predict`` and ``petiole bench`` say, as frozen records."""

from petiole.record import Record
from petiole.records import Latency, Machine


class Speedup(Record):
    """How many times as fast as the reference: the ratio of medians, with its 95% interval."""

    ratio: float  #: above 1: faster than the reference
    low: float  #: lower end of the interval
    high: float  #: upper end of the interval
    is_measurable: bool  #: the interval leaves out 1, and the middle halves of the calls lie apart


class Benchmarked(Record):
    """One artifact on one runtime. The reference, which is the first one, has no ``speedup``, nor has one that does
    another job than it."""

    artifact: str  #: its directory
    name: str  #: of the variant
    label: str  #: artifact and runtime, as ``reference`` of the benchmark names a row
    latency: Latency  #: one runtime, one batch size
    images_per_s: float  #: pictures in a second, at the median
    file_bytes: int  #: size of ``model.onnx``
    speedup: Speedup | None  #: None for the reference, and where it does another job


class Benchmark(Record):
    """What ``petiole bench`` measured, all on one machine."""

    machine: Machine  #: what was measured on
    batch: int  #: pictures in one call
    reference: str  #: the ``label`` of the row that the others are compared with
    rows: list[Benchmarked]  #: each artifact on each runtime
    notes: tuple[str, ...] = ()  #: why each artifact's runtime was picked, and what was left out in picking it
    warnings: tuple[str, ...] = ()  #: what one should know before trusting it


class Prediction(Record):
    """One photo, predicted: ``label`` with its ``probability``, or ``why`` it could not be. ``probabilities`` are those
    of all classes, in the artifact's order; ``ms`` is what the network's call took, shared by the photos in it, while
    the next ones were decoded on the same cores: ``petiole bench`` times the network alone."""

    path: str  #: of the photo
    label: str | None = None  #: None if it could not be read
    probability: float | None = None  #: of ``label``
    probabilities: dict[str, float] | None = None  #: by class
    ms: float | None = None  #: milliseconds of the network's call for it
    why: str | None = None  #: None if it could be read
    runtime: str | None = None  #: what the network ran on
