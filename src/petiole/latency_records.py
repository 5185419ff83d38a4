"""Times as records: of one call on one runtime, and how many times as fast one network is as another."""

from pydantic import Field, model_validator

from petiole.accuracy_records import MOST
from petiole.record import Record

DEPLOYED = "openvino"
"""The runtime whose times and accuracies are told first."""


class Latency(Record):
    """Time of one call on one runtime. ``samples`` counts the timed calls; the raw ones lie in ``raw_file``.
    ``others_share`` of the cores' time went to other processes meanwhile (None: the kernel did not tell)."""

    runtime: str  #: openvino, onnxruntime or torch
    batch: int = Field(ge=1, le=MOST)  #: pictures in one call
    threads: int = Field(ge=1, le=MOST)  #: threads of the runtime
    p50_ms: float = Field(gt=0, le=MOST)  #: median time of a call
    p90_ms: float = Field(ge=0, le=MOST)  #: 90th percentile
    samples: int = Field(ge=1, le=MOST)  #: timed calls
    p25_ms: float = Field(default=0.0, ge=0, le=MOST)  #: lower quartile
    p75_ms: float = Field(default=0.0, ge=0, le=MOST)  #: upper quartile
    raw_file: str | None = None  #: below the run directory
    others_share: float | None = None  #: of the cores' time, taken by other processes meanwhile

    @model_validator(mode="after")
    def _is_possible(self) -> "Latency":
        known = [each for each in (self.p25_ms, self.p50_ms, self.p75_ms, self.p90_ms) if each]
        if known != sorted(known):
            raise ValueError(f"quartiles of {known} ms are in no order")
        return self


class TimeRatio(Record):
    """How many times as fast as the float network that it descends from (CNNOptimized or LeNet, of the same seed): the
    ratio of the medians of calls in the same rounds, with its 95% interval (block bootstrap)."""

    runtime: str  #: of this network
    against: str  #: name of the float network
    against_runtime: str  #: of the float network
    batch: int = Field(default=1, ge=1, le=MOST)  #: pictures in one call
    ratio: float = Field(gt=0, le=MOST)  #: above 1: this one is faster
    low: float = Field(gt=0, le=MOST)  #: lower end of the interval
    high: float = Field(gt=0, le=MOST)  #: upper end of the interval
