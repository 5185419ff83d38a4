"""LeNet-5 (LeCun et al. 1998) as the handout draws it: 32x32 digits, two convolutions, three linear layers."""

import torch
from torch import nn


class LeNet(nn.Module):
    """``(N, 1, 32, 32)`` -> ``(N, 10)`` logits; 61,706 parameters.

    Convolution 5x5 to 6 channels, max pooling, convolution 5x5 to 16 channels, max pooling, then linear layers of
    120, 84 and 10. Activations are modules of their own, so that eager quantization can fuse each with its layer.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, 10)`` of digits ``(N, 1, 32, 32)``."""
        features = self.pool1(self.relu1(self.conv1(images)))
        features = torch.flatten(self.pool2(self.relu2(self.conv2(features))), 1)
        logits: torch.Tensor = self.fc3(self.relu4(self.fc2(self.relu3(self.fc1(features)))))
        return logits
