"""Does the deployed file say what the network said? Compared on the whole test split."""

import torch

from petiole.errors import GateError

FLOAT_TOLERANCE = 1e-3
INT8_TOLERANCE = 0.1
"""Mean absolute difference of logits over their standard deviation. Float runtimes differ in the order of sums; int8
ones also in how a value half-way between two codes is rounded, which the layers after it carry on."""


def parity_flips(torch_logits: torch.Tensor, runtime_logits: torch.Tensor) -> int:
    """Number of pictures ``(N, classes)`` whose predicted class differs."""
    return int((torch_logits.argmax(1) != runtime_logits.argmax(1)).sum())


def logits_distance(torch_logits: torch.Tensor, runtime_logits: torch.Tensor) -> float:
    """Mean absolute difference of logits ``(N, classes)``, relative to the spread of the first ones.

    >>> a = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    >>> round(logits_distance(a, a + 0.1 * a.std()), 6)
    0.1
    """
    spread = max(float(torch_logits.std()), 1e-12)
    return float((torch_logits - runtime_logits).abs().mean()) / spread


def require_parity(torch_logits: torch.Tensor, runtime_logits: torch.Tensor, *, int8: bool, name: str) -> int:
    """The gate: at most one picture, or 1 in 1,000 for large splits, and logits within the tolerance.

    Returns the number of pictures that are called differently.

    Raises:
        GateError: more pictures than that are called differently, or the logits are further away.
    """
    flips, total = parity_flips(torch_logits, runtime_logits), len(torch_logits)
    if flips > max(1, total // 1000):
        raise GateError(f"the exported {name} calls {flips} of {total} pictures differently from the network")
    distance, tolerance = logits_distance(torch_logits, runtime_logits), INT8_TOLERANCE if int8 else FLOAT_TOLERANCE
    if not distance <= tolerance:
        raise GateError(
            f"the logits of the exported {name} differ from the network's by {distance:.2g} of their spread on "
            f"average, and {tolerance:g} is allowed"
        )
    return flips
