"""Eager PyTorch: the reference that the others are compared with, and the handout's own int8 kernels."""

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from petiole.deploy.runtime import Array, Layers, Runtime


class TorchRuntime(Runtime):
    """A network of torch, float or eager int8, in eval mode and the memory layout it came in.

    ``int8`` are the names of its int8 layers (:func:`petiole.quantization.eager.quantized_layer_names`).
    """

    name = "torch"

    def __init__(self, network: nn.Module, *, threads: int, int8: tuple[str, ...] = ()) -> None:
        torch.set_num_threads(threads)
        network.eval()  # an exported graph's own eval() returns nothing
        self.threads, self._network, self._int8 = threads, network, int8

    def run(self, inputs: Array) -> Array:
        """Logits."""
        with torch.inference_mode():
            result: Array = self._network(torch.from_numpy(inputs)).numpy()
        return result

    def layers(self) -> Layers:
        """The network's own modules."""
        floating = [name for name, each in self._network.named_modules() if isinstance(each, _ConvNd | nn.Linear)]
        return Layers(int8=self._int8, floating=tuple(floating))
