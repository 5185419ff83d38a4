"""How a picture becomes a network's input: part of every artifact, so that training and deployment cannot differ."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from petiole.record import Record

DECODED_PX = 256
"""Shorter side of decoded photos: every network's views are made from these."""
MOST_PX = 4096
"""No network sees larger pictures; an artifact that says so is damaged."""


class Preprocessing(Record):
    """Resize the shorter side, crop the centre, scale to 0..1, subtract ``mean``, divide by ``std`` (per channel).

    A picture of uint8 pixels p becomes ``(p / 255 - mean) / std``, shape ``(channels, size, size)``.
    ``resize_px`` is the shorter side before the crop. ``pad_px`` zero pixels are added around (MNIST: 28 -> 32).
    """

    size_px: int = Field(ge=1, le=MOST_PX)  #: side of the input
    resize_px: int = Field(ge=1, le=MOST_PX)  #: shorter side before the crop
    mean: tuple[float, ...] = Field(min_length=1, max_length=3)  #: of each channel, in 0..1
    std: tuple[Annotated[float, Field(gt=0)], ...]  #: of each channel, in 0..1
    pad_px: int = Field(default=0, ge=0, le=MOST_PX)  #: zero pixels around

    @model_validator(mode="after")
    def _is_of_one_kind_of_picture(self) -> Self:
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean):
            raise ValueError("mean and std are of one channel, or both of three")
        return self

    @property
    def channels(self) -> int:
        """Number of input channels: 3 for photos, 1 for digits."""
        return len(self.mean)

    @property
    def decoded_px(self) -> int:
        """What the shorter side of a picture file is made while it is decoded, before everything else."""
        return self.resize_px if self.channels == 1 else DECODED_PX

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of one input."""
        return (self.channels, self.size_px, self.size_px)


IMAGENET = Preprocessing(size_px=224, resize_px=256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""torchvision's ImageNet networks (AlexNet, ResNet18 ...)."""

LITE = Preprocessing(size_px=224, resize_px=256, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
"""EfficientNet-Lite: ``(p - 127) / 128``, as its authors trained it."""

SMALL = Preprocessing(size_px=128, resize_px=144, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""``CNNScratch``: a network without pretraining gains nothing from more pixels than this."""

DIGITS = Preprocessing(size_px=32, resize_px=28, mean=(0.1307,), std=(0.3081,), pad_px=2)
"""LeNet-5: 28x28 digits padded to 32x32 (LeCun et al. 1998), MNIST's mean and standard deviation."""
