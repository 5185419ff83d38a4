"""Histograms of weights against counts made by hand."""

import numpy as np
import pytest

from petiole.bench.histogram import BINS, histogram


def test_zeros_are_apart_and_all_weights_are_counted() -> None:
    layer = np.array([[0.0, 0.0, 0.5, -0.5], [1.0, -1.0, 0.25, -0.0]], np.float32)
    found = histogram([layer, np.full((1, 3), 0.5, np.float32)])
    assert found.zeros == 3  # -0.0 is a zero too
    assert sum(found.counts) + found.outside + found.zeros == layer.size + 3
    assert len(found.counts) == BINS
    assert found.low == -found.high


def test_levels_are_counted_within_one_channel() -> None:
    channels = np.array([[0.1, 0.2, 0.1], [0.3, 0.3, 0.3]], np.float32)
    assert histogram([channels]).levels == 2


def test_symmetric_weights_have_a_symmetric_histogram() -> None:
    values = np.linspace(0.01, 1.0, 200, dtype=np.float32)
    counts = histogram([np.concatenate([values, -values])[None]]).counts
    assert counts == pytest.approx(counts[::-1], abs=1)


def test_without_weights_there_is_no_histogram() -> None:
    with pytest.raises(ValueError, match="no weights"):
        histogram([])
