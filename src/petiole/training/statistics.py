"""BatchNorm's running statistics: re-estimated when weights have been pruned away, or held while training."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """All BatchNorm layers."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@torch.no_grad()
def reestimate(network: nn.Module, inputs: torch.Tensor, *, seed: int = 0, batch_images: int = 61) -> None:
    """Set mean and variance of every BatchNorm to their average over inputs ``(N, C, H, W)`` of the training split.

    Removing weights shifts what arrives at the next BatchNorm; its old statistics are then wrong (Li et al. 2020,
    EagleEye, section 3.3). Batches are drawn with ``seed``: folders are read class by class, and a batch of one class
    varies less than all do. The network is left in eval mode.
    """
    layers = batch_norms(network)
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
        layer.train()
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    for batch in _batches(inputs[order], batch_images):
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def _batches(inputs: torch.Tensor, images: int) -> list[torch.Tensor]:
    """Batches of so many pictures; where the last one would have less than half of that, or a single picture, batches
    whose sizes differ by one at most: each weighs alike, and one picture may have no variance."""
    rest = len(inputs) % images
    if not rest or (rest > 1 and 2 * rest >= images):
        return list(inputs.split(images))
    return list(inputs.tensor_split(max(1, min(-(-len(inputs) // images), len(inputs) // 2))))


def train_with_fixed_statistics(network: nn.Module) -> None:
    """Train mode, but BatchNorm normalizes with the statistics it has.

    Some hundred photos estimate them worse than ImageNet did, and a network must not be judged with other
    statistics than it was trained with.
    """
    network.train()
    for layer in batch_norms(network):
        layer.eval()
