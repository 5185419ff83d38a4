"""BatchNorm's running statistics: re-estimated when weights have been pruned away, or held while training."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """All BatchNorm layers."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@torch.no_grad()
def reestimate(network: nn.Module, inputs: torch.Tensor, *, batch_images: int = 61) -> None:
    """Set mean and variance of every BatchNorm to their average over inputs ``(N, C, H, W)`` of the training split.

    Removing weights shifts what arrives at the next BatchNorm; its old statistics are then wrong (Li et al. 2020,
    EagleEye, section 3.3). The network is left in eval mode.
    """
    layers = batch_norms(network)
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
        layer.train()
    for batch in inputs.split(batch_images):
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def train_with_fixed_statistics(network: nn.Module) -> None:
    """Train mode, but BatchNorm normalizes with the statistics it has.

    Some hundred photos estimate them worse than ImageNet did, and a network must not be judged with other
    statistics than it was trained with.
    """
    network.train()
    for layer in batch_norms(network):
        layer.eval()
