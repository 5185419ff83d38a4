"""Does the deployed file say what the network said? Compared on the whole test split."""

import torch

from petiole.errors import GateError

FLOAT_TOLERANCE = 1e-3
INT8_TOLERANCE = 0.1
"""Mean absolute difference of logits over their standard deviation. Float runtimes differ in the order of sums; int8
ones also in how a value half-way between two codes is rounded, which the layers after it carry on."""


class AccuracyError(GateError):
    """A runtime computes what the network does, but rounding on the fence changes how many pictures are right by more
    than is allowed."""


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


def unexplained(expected: torch.Tensor, found: torch.Tensor) -> float:
    """How far answers ``(N, classes)`` to the same inputs are from those expected, as a part of how much these depend
    on the input: root of the mean square of both. 1 is as far as one and the same answer to all inputs, their mean.

    Expected answers that hardly depend on the input (by less than 1% of what tells the classes apart) are taken to
    depend on it by that much.

    >>> a = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    >>> unexplained(a, a), unexplained(a, a.mean(0).expand(2, 2))
    (0.0, 1.0)
    """
    spread = max(_rms(expected - expected.mean(0)), 0.01 * _rms(expected - expected.mean(1, keepdim=True)), 1e-12)
    return _rms(expected - found) / spread


def _rms(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def allowed_pictures(total: int) -> int:
    """By how many pictures of a test split rounding may change what is right: 1 of some hundred, 10 of some thousand,
    1 in 1,000 of more.

    >>> [allowed_pictures(total) for total in (20, 153, 1530, 10_000, 50_000)]
    [1, 1, 10, 10, 50]
    """
    return max(1, min(total // 153, 10), total // 1000)


def require_parity(
    torch_logits: torch.Tensor, runtime_logits: torch.Tensor, labels: torch.Tensor, *, int8: bool, name: str
) -> tuple[int, float]:
    """The gate: right about at most :func:`allowed_pictures` more or fewer; no more than one picture, or 1 in 1,000 of
    large splits, called differently for any other reason than that it lay on the fence; logits within the tolerance.

    A picture lies on the fence if the network's own two highest logits are nearer to each other than twice the
    tolerance: rounding may push it either way, and does, in networks that are unsure of many pictures.

    Returns the number of pictures that are called differently, and the distance of the logits.

    Raises:
        AccuracyError: the first of the three does not hold, and only that.
        GateError: another one does not hold; the message says which, and by how much.
    """
    tolerance, total = INT8_TOLERANCE if int8 else FLOAT_TOLERANCE, len(labels)
    allowed = max(1, total // 1000)
    distance = logits_distance(torch_logits, runtime_logits)
    if not distance <= tolerance:
        raise GateError(
            f"the logits of the exported {name} differ from the network's by {distance:.2g} of their spread on "
            f"average, and {tolerance:g} is allowed"
        )
    here, there = runtime_logits.argmax(1), torch_logits.argmax(1)
    highest = torch_logits.topk(2).values
    unsure = highest[:, 0] - highest[:, 1] <= 2 * tolerance * torch_logits.std()
    plain = int(((here != there) & ~unsure).sum())
    if plain > allowed:
        raise GateError(f"the exported {name} calls {plain} of {total} pictures differently from the network")
    right = [int((predicted == labels).sum()) for predicted in (there, here)]
    if abs(right[0] - right[1]) > allowed_pictures(total):
        raise AccuracyError(
            f"the exported {name} classifies {right[1]} of {total} pictures correctly, the network {right[0]}: at most "
            f"{allowed_pictures(total)} more or fewer may be"
        )
    return parity_flips(torch_logits, runtime_logits), distance
