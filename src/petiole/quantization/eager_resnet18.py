"""The handout's ResNet18 in eager mode: how it is told, and its combined model for quantization-aware training."""

import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

HEAD_DROPOUT = 0.5
"""Dropout before the combined model's float head, as in PyTorch's quantized transfer learning tutorial."""


def is_resnet18(network: nn.Module) -> bool:
    """Whether it is torchvision's resnet18: four stages of two basic blocks, one linear output layer."""
    if not isinstance(network, torchvision.models.ResNet) or not isinstance(network.fc, nn.Linear):
        return False
    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    return all(len(stage) == 2 and isinstance(stage[0], BasicBlock) for stage in stages)


def with_float_head(resnet: nn.Module) -> nn.Module:
    """The combined model: quantized feature extractor, flatten, float head with the trained output layer."""
    layers = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"]
    features = nn.Sequential(*(resnet.get_submodule(name) for name in ["quant", *layers, "dequant"]))
    head = nn.Sequential(nn.Dropout(HEAD_DROPOUT), resnet.get_submodule("fc"))
    return nn.Sequential(features, nn.Flatten(1), head).train()
