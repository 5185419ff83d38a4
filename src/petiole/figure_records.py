"""Records that figures are drawn from: curves, flipped pictures, weights, damage of layers, small pictures."""

from collections.abc import Sequence

from pydantic import Field, model_validator

from petiole.accuracy_records import MOST
from petiole.record import Record


class Flip(Record):
    """A test picture that a variant calls otherwise than its parent, one of the two rightly.

    ``picture`` is its number in the test split (from 0); ``before_p`` and ``after_p`` are the probabilities that the
    parent and the variant gave to what they called it.
    """

    picture: int  #: number in the test split, from 0
    truth: str  #: its class
    before: str  #: class that the parent called it
    before_p: float = Field(ge=0, le=1)  #: probability of that
    after: str  #: class that the variant called it
    after_p: float = Field(ge=0, le=1)  #: probability of that

    @property
    def is_gain(self) -> bool:
        """Whether the variant is the one that called it rightly."""
        return self.after == self.truth


class Histogram(Record):
    """All weights of the convolutions and linear layers of a deployed file, dequantized where they are int8.

    ``counts`` are of bins of one width from ``low`` to ``high``; ``outside`` lie beyond. ``zeros`` are exactly zero and
    in no bin. ``levels`` is the largest number of different values within one output channel: 255 at most for int8.
    """

    low: float  #: left end of the first bin
    high: float  #: right end of the last bin
    counts: list[int] = Field(min_length=1)  #: weights in each bin
    outside: int = Field(ge=0, le=MOST)  #: weights in no bin
    zeros: int = Field(ge=0, le=MOST)  #: weights that are exactly zero
    levels: int = Field(ge=0, le=MOST)  #: most different values in one channel

    @model_validator(mode="after")
    def _is_possible(self) -> "Histogram":
        if min(self.counts) < 0 or not 0 < sum(self.counts) + self.outside + self.zeros <= MOST:
            raise ValueError("a histogram counts some weights")
        if self.low >= self.high:
            raise ValueError(f"a histogram from {self.low:g} to {self.high:g} has no bins")
        return self


class LayerError(Record):
    """What rounding to int8 does to the answer of one layer when it alone is rounded.

    ``error`` is the squared error over the square of the answer (a fraction); ``floating`` layers went back to float.
    """

    variant: str  #: name of the int8 network
    engine: str  #: eager or pt2e
    seed: int  #: of the network
    layer: str  #: as in the float network
    error: float  #: noise power over signal power
    floating: bool = False  #: went back to float


MOST_SHOWN = 12
"""Pictures that a report shows of those that a variant called otherwise than its parent."""


def shown(flips: Sequence[Flip]) -> list[Flip]:
    """The first :data:`MOST_SHOWN` of ``flips`` in their order; the rarer of lost and gained has up to half of them."""
    lost = [flip for flip in flips if not flip.is_gain]
    gained = [flip for flip in flips if flip.is_gain]
    half = MOST_SHOWN // 2
    lost = lost[: max(half, MOST_SHOWN - len(gained))]
    gained = gained[: MOST_SHOWN - len(lost)]
    return [flip for flip in flips if flip in lost or flip in gained]


class Thumbnail(Record):
    """A small copy of a picture: its ``number`` within the ``split`` (train, test, digits), and where it lies."""

    split: str  #: train, test or digits
    number: int  #: within the split, from 0
    path: str  #: of the picture, within its folder
    label: str  #: its class
    file: str  #: of the small copy, below the run directory
    sample: bool = False  #: a sample of its class, not a flip


class CurvePoint(Record):
    """Accuracy on the test split against pruning amount, before retraining, or after it if ``retrained``.

    ``amount`` is the share of the weights (channels: of the multiply-accumulates) that is removed; ``control`` is the
    unpruned network, retrained as long."""

    method: str  #: random, magnitude, structured, or control
    scope: str  #: where: over the whole network
    seed: int  #: of the pruning
    amount: float  #: asked for
    sparsity: float  #: reached
    correct: int = Field(ge=0)  #: test pictures called rightly
    total: int = Field(ge=1, le=MOST)  #: pictures of the test split
    retrained: bool = False  #: whether after retraining

    @model_validator(mode="after")
    def _is_possible(self) -> "CurvePoint":
        if self.correct > self.total:
            raise ValueError(f"{self.correct} of {self.total} pictures cannot be right")
        return self


class Unreached(Record):
    """An amount of channels that the study asked for and this network cannot lose: a limit of it, no failure."""

    method: str  #: structured
    seed: int  #: of the pruning
    amount: float  #: asked for, a share of the multiply-accumulates
    most: float = Field(ge=0, le=1)  #: the largest share that can be removed


class Sensitivity(Record):
    """What it costs that one layer or group of channels loses some, on training pictures that chose nothing.
    ``removed`` 0: nothing could be."""

    name: str  #: layer or group
    kind: str  #: weights or channels
    seed: int  #: of the network
    asked: float  #: share that was to leave
    removed: int = Field(ge=0)  #: how many left
    of: int = Field(ge=1, le=MOST)  #: how many there are
    correct: int = Field(ge=0)  #: pictures called rightly without them
    total: int = Field(ge=1, le=MOST)  #: pictures judged on
    loss: float  #: cross-entropy without them
    correct_before: int = Field(ge=0)  #: pictures called rightly with them
    loss_before: float  #: cross-entropy with them

    @model_validator(mode="after")
    def _is_possible(self) -> "Sensitivity":
        if self.removed > self.of or max(self.correct, self.correct_before) > self.total:
            raise ValueError("more left, or more pictures are right, than there are")
        return self


class Operator(Record):
    """One line of the PyTorch profiler: an operator in the call whose CPU time is the median of several."""

    name: str  #: as the profiler calls it
    calls: int  #: how often it ran
    self_cpu_ms: float  #: of all its calls, without what it called


class DtypeDemo(Record):
    """The handout's layer of two weights, in float and with int8 weights."""

    seed: int  #: of layer and input
    input: list[list[float]]  #: of the layer
    output_fp32: float  #: in float
    output_int8: float  #: with int8 weights
    weight_fp32: list[list[float]]  #: as drawn
    weight_int8: list[list[float]]  #: what the codes stand for
    scale: float = Field(gt=0)  #: of a code
    zero_point: int  #: code of 0
    int_repr: list[list[int]]  #: the codes

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "DtypeDemo":
        shapes = {tuple(map(len, rows)) for rows in (self.weight_fp32, self.weight_int8, self.int_repr)}
        if len(shapes) > 1:
            raise ValueError("the weights are not as many in float32 as in int8")
        return self


class LstmDemo(Record):
    """The LSTM of PyTorch's recipe, in float and with int8 weights."""

    seed: int  #: of network and input
    float_bytes: int = Field(gt=0, le=MOST)  #: stored
    int8_bytes: int = Field(gt=0, le=MOST)  #: stored
    float_p50_ms: float = Field(gt=0, le=MOST)  #: median of a sequence
    int8_p50_ms: float = Field(gt=0, le=MOST)  #: median of a sequence
    mean_abs_output: float = Field(ge=0)  #: of the float network
    mean_abs_difference: float = Field(ge=0)  #: of both outputs
    shape: str  #: in words
    raw_file: str | None = None  #: all calls, below the run directory
    speed_up: float | None = Field(default=None, gt=0, le=MOST)  #: time in float over that in int8, of the medians
    speed_up_low: float | None = Field(default=None, gt=0, le=MOST)  #: lower end of its 95% interval
    speed_up_high: float | None = Field(default=None, gt=0, le=MOST)  #: upper end of its 95% interval
