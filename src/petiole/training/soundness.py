"""Training that no longer deals in numbers is stopped, and the network gets back what it had learned before."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from petiole.errors import PetioleError

STATISTICS = ("running_mean", "running_var")
"""Buffers of BatchNorm (those of observers begin at infinity)."""


class TrainingError(PetioleError):
    """Training cannot go on: the loss or a weight is no longer a number."""


def lost(what: str, *, epoch: int, step: int, lr: float) -> TrainingError:
    """The error for a number that is none any more, at ``step`` (from 0); ``lr`` is the highest learning rate."""
    return TrainingError(
        f"{what} at epoch {epoch}, step {step}, learning rate up to {lr:g}: the network is left as it was before this "
        "epoch; look for inputs that are not numbers, or train with a smaller learning rate"
    )


def require_numbers(network: nn.Module, *, epoch: int, step: int, lr: float) -> None:
    """The gate after an epoch: the last step was not judged by a loss.

    Raises:
        TrainingError: a parameter, or a BatchNorm's statistics, became NaN or infinite; it is named.
    """
    statistics = ((name, each) for name, each in network.named_buffers() if name.endswith(STATISTICS))
    for name, tensor in (*network.named_parameters(), *statistics):
        if not bool(tensor.isfinite().all()):
            raise lost(f"{name} became NaN or infinite", epoch=epoch, step=step, lr=lr)


@contextmanager
def kept(network: nn.Module) -> Iterator[None]:
    """If training cannot go on in this block, the network has again what it had at its beginning, in eval mode."""
    good = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try:
        yield
    except TrainingError:
        network.load_state_dict(good)
        network.eval()
        raise
