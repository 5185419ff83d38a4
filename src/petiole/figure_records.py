"""Records that figures are drawn from: curves, flipped pictures, weights, damage of layers, small pictures."""

from petiole.record import Record


class Flip(Record):
    """A test picture that a variant calls otherwise than its parent, one of the two rightly.

    ``picture`` is its number in the test split (from 0); ``before_p`` and ``after_p`` are the probabilities that the
    parent and the variant gave to what they called it.
    """

    picture: int
    truth: str
    before: str
    before_p: float
    after: str
    after_p: float

    @property
    def is_gain(self) -> bool:
        """Whether the variant is the one that called it rightly."""
        return self.after == self.truth


class Histogram(Record):
    """All weights of the convolutions and linear layers of a deployed file, dequantized where they are int8.

    ``counts`` are of bins of one width from ``low`` to ``high``; ``outside`` lie beyond. ``zeros`` are exactly zero and
    in no bin. ``levels`` is the largest number of different values within one output channel: 255 at most for int8.
    """

    low: float
    high: float
    counts: list[int]
    outside: int
    zeros: int
    levels: int


class LayerError(Record):
    """What rounding to int8 does to the answer of one layer when it alone is rounded.

    ``error`` is the squared error over the square of the answer (a fraction); ``floating`` layers went back to float.
    """

    variant: str
    engine: str
    seed: int
    layer: str
    error: float
    floating: bool = False


class Thumbnail(Record):
    """A small copy of a picture: its ``number`` within the ``split`` (train, test, digits), and where it lies."""

    split: str
    number: int
    path: str
    label: str
    file: str
    sample: bool = False


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
