"""From decoded pixels to batches: random views for training, fixed ones for judging. Everything is seeded.

A training view is a random part of the picture (area ``scale``, aspect 3/4 to 4/3), resized and perhaps mirrored
(Szegedy et al. 2015, as in the PyTorch transfer tutorial), with mild colour changes where asked for.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torchvision.transforms.v2 import functional as V

from petiole.data.pixels import Split
from petiole.preprocessing import Preprocessing

KEPT_BYTES = 1 << 27
"""Fixed views of a split that take no more than this, as uint8, are made once and kept."""


def normalize(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """uint8 pixels ``(N, C, H, W)`` -> float32 inputs, ``(p / 255 - mean) / std``, padded by ``pad_px`` zeros.

    >>> p = Preprocessing(size_px=1, resize_px=1, mean=(0.5,), std=(0.5,))
    >>> normalize(torch.tensor([[[[255]]]], dtype=torch.uint8), p).item()
    1.0
    """
    pad = preprocessing.pad_px
    if pad:
        pixels = torch.nn.functional.pad(pixels, (pad, pad, pad, pad))
    mean = torch.tensor(preprocessing.mean).view(-1, 1, 1) * 255
    std = torch.tensor(preprocessing.std).view(-1, 1, 1) * 255
    inputs: torch.Tensor = (pixels.float() - mean) / std
    return inputs.contiguous(memory_format=torch.channels_last)


def centre_view(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """The fixed view for judging: shorter side to ``resize_px``, centre crop; ``(C, H, W)`` -> ``(C, S, S)`` uint8.

    ``S`` is what :func:`normalize` pads to ``size_px``.
    """
    resized = V.resize(pixels, [preprocessing.resize_px], antialias=True)
    side_px = preprocessing.size_px - 2 * preprocessing.pad_px
    view: torch.Tensor = V.center_crop(resized, [side_px, side_px])
    return view


def centre_views(split: Split, preprocessing: Preprocessing) -> torch.Tensor:
    """The fixed views of a whole split, uint8 ``(N, C, S, S)``, in the split's order."""
    return torch.stack([centre_view(split.pixels[i], preprocessing) for i in range(len(split.labels))])


class Views:
    """The fixed views of a split as a network's inputs, made when they are asked for: ``views[:2]``, ``views[indices]``
    and ``views.split(16)`` give float32 ``(n, C, S, S)``. Those of small splits are kept, as uint8."""

    def __init__(self, split: Split, preprocessing: Preprocessing) -> None:
        self.pictures, self.preprocessing = split, preprocessing
        channels, *sides = preprocessing.input_shape
        few = len(split.labels) * channels * math.prod(sides) <= KEPT_BYTES
        self._kept = centre_views(split, preprocessing) if few else None

    def __len__(self) -> int:
        return len(self.pictures.labels)

    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        """Some of them."""
        if self._kept is not None:
            return normalize(self._kept[index], self.preprocessing)
        chosen = self.pictures.subset(torch.arange(len(self))[index])
        return normalize(centre_views(chosen, self.preprocessing), self.preprocessing)

    def split(self, size: int, /) -> Iterator[torch.Tensor]:
        """All of them, ``size`` at a time."""
        return (self[at : at + size] for at in range(0, len(self), size))


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a training view may differ from the picture. ``colour`` is the strength of brightness, contrast and
    saturation changes (0: none); ``min_scale`` the smallest part of the picture's area that a view shows."""

    min_scale: float = 0.35
    colour: float = 0.0

    def view(self, pixels: torch.Tensor, size_px: int, generator: torch.Generator) -> torch.Tensor:
        """A random view ``(C, size_px, size_px)`` uint8 of a picture ``(C, H, W)`` uint8."""
        random = torch.rand(8, generator=generator).tolist()
        height, width = pixels.shape[-2:]
        area = height * width * (self.min_scale + (1 - self.min_scale) * random[0])
        aspect = math.exp(math.log(4 / 3) * (2 * random[1] - 1))
        h = max(1, min(height, round(math.sqrt(area / aspect))))
        w = max(1, min(width, round(math.sqrt(area * aspect))))
        top, left = int(random[2] * (height - h + 1)), int(random[3] * (width - w + 1))
        view: torch.Tensor = V.resized_crop(pixels, top, left, h, w, [size_px, size_px], antialias=True)
        if random[4] < 0.5:
            view = V.horizontal_flip(view)
        if self.colour:
            low, span = 1 - self.colour, 2 * self.colour
            view = V.adjust_brightness(view, low + span * random[5])
            view = V.adjust_contrast(view, low + span * random[6])
            view = V.adjust_saturation(view, low + span * random[7])
        return view


@dataclass(frozen=True, kw_only=True)
class PhotoBatches:
    """Augmented training batches of a photo split: one pass is one epoch, every photo once, in a random order."""

    split: Split
    preprocessing: Preprocessing
    augmentation: Augmentation
    batch_images: int = 32

    def __len__(self) -> int:
        return len(self.split.labels)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches ``(images (N, C, S, S) float32, labels (N,))``. A last batch of one is joined to the one before."""
        order = torch.randperm(len(self), generator=generator)
        for indices in _batches(order, self.batch_images):
            views = [
                self.augmentation.view(self.split.pixels[int(i)], self.preprocessing.size_px, generator)
                for i in indices
            ]
            yield normalize(torch.stack(views), self.preprocessing), self.split.labels[indices]


@dataclass(frozen=True, kw_only=True)
class TensorBatches:
    """Training batches of pictures that lie in memory as one uint8 tensor ``(N, C, H, W)`` (the digits).

    Each eighth of a batch is moved by up to ``shift_px`` pixels down or up and left or right, at random; what leaves
    on one side comes in on the other, which is black in digits.
    """

    images: torch.Tensor
    labels: torch.Tensor
    preprocessing: Preprocessing
    batch_images: int = 256
    shift_px: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of all pictures in a random order, normalized."""
        order = torch.randperm(len(self), generator=generator)
        for indices in _batches(order, self.batch_images):
            yield normalize(self._shifted(self.images[indices], generator), self.preprocessing), self.labels[indices]

    def _shifted(self, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if not self.shift_px:
            return pixels
        parts = pixels.chunk(8)
        moves = torch.randint(-self.shift_px, self.shift_px + 1, (len(parts), 2), generator=generator).tolist()
        return torch.cat([part.roll((down, right), (2, 3)) for part, (down, right) in zip(parts, moves, strict=True)])


def _batches(order: torch.Tensor, batch_images: int) -> list[torch.Tensor]:
    """Split an order into batches; BatchNorm cannot learn from a batch of one, so that one joins its neighbour."""
    batches = list(order.split(batch_images))
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] = torch.cat([batches[-1], last])
    return batches
