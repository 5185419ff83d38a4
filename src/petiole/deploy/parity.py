"""Does the deployed file say what the network said? Compared on the whole test split."""

import torch

from petiole.errors import GateError


def parity_flips(torch_logits: torch.Tensor, runtime_logits: torch.Tensor) -> int:
    """Number of pictures ``(N, classes)`` whose predicted class differs."""
    return int((torch_logits.argmax(1) != runtime_logits.argmax(1)).sum())


def require_parity(flips: int, total: int, *, name: str) -> int:
    """The gate: at most one picture, or 1 in 1,000 for large splits.

    Raises:
        GateError: more pictures than that are called differently.
    """
    if flips > max(1, total // 1000):
        raise GateError(f"the exported {name} calls {flips} of {total} pictures differently from the network")
    return flips
