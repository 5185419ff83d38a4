"""A network whose channels fall together, for tests."""

import torch
from torch import nn


class Multiplied(nn.Module):
    """What the first half of a convolution's channels says is multiplied by what the second half says."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(N, 2)``."""
        first, second = self.a(images).chunk(2, 1)
        answers: torch.Tensor = self.out(first * second).mean((2, 3))
        return answers
