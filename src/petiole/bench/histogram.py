"""How the weights of a network are distributed."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from petiole.figure_records import Histogram

BINS = 60
INSIDE = 0.97
"""Share of the weights that the bins reach to: a few are many times as large as the rest."""


def histogram(layers: Iterable[npt.NDArray[np.float32]]) -> Histogram:
    """Counts of the weights of all ``layers``, each ``(output channels, ...)``, in bins that are symmetric about 0.

    Raises:
        ValueError: there are no weights.
    """
    kept = list(layers)
    if not kept:
        raise ValueError("no weights to count")
    values = np.concatenate([layer.ravel() for layer in kept])
    nonzero = values[values != 0]
    reach = float(np.quantile(np.abs(nonzero), INSIDE)) if nonzero.size else 1.0
    counts, _ = np.histogram(nonzero, bins=BINS, range=(-reach, reach))
    levels = max(len(np.unique(channel)) for layer in kept for channel in layer.reshape(len(layer), -1))
    return Histogram(
        low=-reach, high=reach, counts=counts.tolist(), outside=int(nonzero.size - counts.sum()),
        zeros=int(values.size - nonzero.size), levels=levels,
    )  # fmt: skip
