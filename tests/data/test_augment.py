"""Training views, on pictures whose views can be told beforehand."""

import numpy as np
import pytest
import torch

from petiole.data.augment import TensorBatches, Views, centre_view, centre_views, normalize
from petiole.data.pixels import Pixels, Split
from petiole.preprocessing import DIGITS, Preprocessing


def test_digits_are_moved_by_at_most_one_pixel_and_each_stays_itself() -> None:
    """One white pixel in the middle: after a move it is white still, and no further than one pixel away."""
    images = torch.zeros(64, 1, 5, 5, dtype=torch.uint8)
    images[:, 0, 2, 2] = 255
    plain = Preprocessing(size_px=5, resize_px=5, mean=(0.0,), std=(1.0,))
    batches = TensorBatches(images=images, labels=torch.arange(64), preprocessing=plain, batch_images=64, shift_px=1)
    ((moved, labels),) = batches.epoch(torch.Generator().manual_seed(0))
    assert sorted(labels.tolist()) == list(range(64))
    assert moved.flatten(1).sum(1).tolist() == [1.0] * 64
    places = {(int(at) // 5, int(at) % 5) for at in moved.flatten(1).argmax(1)}
    assert places <= {(y, x) for y in (1, 2, 3) for x in (1, 2, 3)}
    assert len(places) > 2


def test_the_view_of_a_digit_is_padded_once() -> None:
    """28x28 pixels as they are, then two more on each side: what LeNet takes in."""
    digit = torch.arange(28 * 28).remainder(256).to(torch.uint8).view(1, 28, 28)
    assert torch.equal(centre_view(digit, DIGITS), digit)
    assert normalize(centre_view(digit, DIGITS)[None], DIGITS).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("kept", [True, False])
def test_views_are_the_same_kept_or_made_when_asked_for(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kept:
        monkeypatch.setattr("petiole.data.augment.KEPT_BYTES", 0)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(5)]
    split = Split(pixels=Pixels.pack(pictures), labels=torch.arange(5), paths=tuple("abcde"), sha256=tuple("abcde"))
    small = Preprocessing(size_px=4, resize_px=5, mean=(0.5,) * 3, std=(0.5,) * 3)
    views, expected = Views(split, small), normalize(centre_views(split, small), small)
    assert len(views) == 5
    assert torch.equal(views[:], expected)
    assert torch.equal(views[1:3], expected[1:3])
    assert torch.equal(views[torch.tensor([4, 0])], expected[[4, 0]])
    assert [len(batch) for batch in views.split(2)] == [2, 2, 1]
    assert torch.equal(torch.cat(list(views.split(2))), expected)
