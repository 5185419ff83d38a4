"""``CNNScratch``: our own convolutional network for photos, trained from random weights (handout section 3.1)."""

import torch
from torch import nn


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution 3x3, BatchNorm, ReLU: ``(N, inputs, H, W)`` -> ``(N, outputs, H/stride, W/stride)``."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class CNNScratch(nn.Module):
    """Four stages of 3x3 convolutions, global average pooling, one linear layer.

    ``(N, 3, 128, 128)`` -> ``(N, classes)`` logits. The stem halves the resolution, each later stage halves it
    again by max pooling, so that the last convolutions see 8x8 positions. BatchNorm and dropout keep some hundred
    photos from being learnt by heart too soon.
    """

    def __init__(self, classes: int, *, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        self.stem = _block(3, width, stride=2)
        self.stage1 = nn.Sequential(_block(width, width), nn.MaxPool2d(2))
        self.stage2 = nn.Sequential(_block(width, 2 * width), _block(2 * width, 2 * width), nn.MaxPool2d(2))
        self.stage3 = nn.Sequential(_block(2 * width, 4 * width), _block(4 * width, 4 * width), nn.MaxPool2d(2))
        self.stage4 = _block(4 * width, 8 * width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes)`` of images ``(N, 3, H, W)``."""
        features = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(images)))))
        logits: torch.Tensor = self.fc(self.dropout(torch.flatten(self.pool(features), 1)))
        return logits
