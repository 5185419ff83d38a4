"""Records that figures are drawn from: curves, flipped pictures, weights, damage of layers, small pictures."""

from pydantic import Field

from petiole.record import Record


class Flip(Record):
    """A test picture that a variant calls otherwise than its parent, one of the two rightly.

    ``picture`` is its number in the test split (from 0); ``before_p`` and ``after_p`` are the probabilities that the
    parent and the variant gave to what they called it.
    """

    picture: int  #: number in the test split, from 0
    truth: str  #: its class
    before: str  #: class that the parent called it
    before_p: float  #: probability of that
    after: str  #: class that the variant called it
    after_p: float  #: probability of that

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
    outside: int  #: weights in no bin
    zeros: int  #: weights that are exactly zero
    levels: int  #: most different values in one channel


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
    correct: int  #: test pictures called rightly
    total: int  #: pictures of the test split
    retrained: bool = False  #: whether after retraining


class Sensitivity(Record):
    """What it costs that one layer or group of channels loses some, on training pictures that chose nothing.
    ``removed`` 0: nothing could be."""

    name: str  #: layer or group
    kind: str  #: weights or channels
    seed: int  #: of the network
    asked: float  #: share that was to leave
    removed: int  #: how many left
    of: int  #: how many there are
    correct: int  #: pictures called rightly without them
    total: int  #: pictures judged on
    loss: float  #: cross-entropy without them
    correct_before: int  #: pictures called rightly with them
    loss_before: float  #: cross-entropy with them


class Operator(Record):
    """One line of the PyTorch profiler: an operator in one forward pass, mean over several."""

    name: str  #: as the profiler calls it
    calls: int  #: how often it ran
    self_cpu_ms: float  #: of all its calls, without what it called
