"""Several processes that train one network together, as ``accelerate launch`` starts them.

The first process leads: it does all the work of a run, and deals out the parts of each batch. The others help: they
compute the gradients of their parts with the leader's weights, and nothing else. Gradients are summed, so a step is
that of one process but for the order of summation (BatchNorm, where it learns, sees its own part only), and every
picture is seen once in each epoch.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import nn

from petiole.processes import cores, is_helper, own_cores, processes, rank

Backward = Callable[[nn.Module, torch.Tensor, torch.Tensor, float], tuple[float, torch.Tensor]]
"""``(network, inputs, labels, share) -> (mean loss, logits)``; adds the gradients of ``share`` times that loss."""
Part = tuple[torch.Tensor, torch.Tensor, float]
"""Inputs, labels, and the share of the batch that they are."""


PATIENCE = timedelta(days=7)
"""Helpers wait so long for the leader, which has much to do between two trainings."""


@dataclass(frozen=True, kw_only=True)
class _Lesson:
    """What helpers need for an epoch: the network in its present mode, and how its gradients are computed."""

    network: nn.Module
    backward: Backward


class Crew:
    """The processes as their leader sees them; made once by :func:`crew`."""

    def __init__(self) -> None:
        self._threads = torch.get_num_threads()
        _join()

    def teach(self, network: nn.Module, backward: Backward) -> bool:
        """Hand out the network for an epoch. False if it cannot be handed out: then the leader works alone."""
        try:
            content = pickle.dumps(_Lesson(network=network, backward=backward))
        except (pickle.PicklingError, AttributeError, TypeError):
            return False  # exported graphs hold functions that only this process has
        torch.set_num_threads(own_cores(self._threads))
        _tell("lesson", content)
        return True

    def step(self, network: nn.Module, parts: list[Part], backward: Backward) -> tuple[float, int]:
        """Gradients of all parts of a batch, added to the network's; returns the summed loss and how many pictures
        were called right."""
        _tell("step", ([each.detach() for each in network.parameters()], parts))
        return _share(network, parts, backward)

    def rest(self) -> None:
        """The leader goes on alone, with all cores."""
        torch.set_num_threads(self._threads)


_CREW: list[Crew] = []


def crew() -> Crew | None:
    """The crew that this process leads; None if it is alone."""
    if processes() < 2:
        return None
    if not _CREW:
        _CREW.append(Crew())
    return _CREW[0]


def dismiss() -> None:
    """Let the helpers end; the leader calls it when it ends itself."""
    if processes() > 1 and not is_helper():
        _join()
        _tell("end", None)
        _part()


def help_along() -> None:
    """What helpers do until they are dismissed."""
    _join()
    torch.set_num_threads(own_cores(cores()))
    lesson: _Lesson | None = None
    while True:
        what, content = _tell("", None)
        if what == "end":
            _part()
            return
        if what == "lesson":
            lesson = pickle.loads(content)  # of our own leader, in the same job
        else:
            assert lesson is not None
            weights, parts = content
            with torch.no_grad():
                for own, given in zip(lesson.network.parameters(), weights, strict=True):
                    own.copy_(given)
            lesson.network.zero_grad(set_to_none=True)
            _share(lesson.network, parts, lesson.backward)


def _join() -> None:
    from accelerate import PartialState

    PartialState(cpu=True, timeout=PATIENCE)


def _part() -> None:
    """All end together: whoever ended first would take the connections with it."""
    from accelerate import PartialState

    state = PartialState()
    state.wait_for_everyone()
    state.destroy_process_group()


def _tell(what: str, content: Any) -> tuple[str, Any]:
    """From the leader to all; helpers get what it told."""
    from accelerate.utils import broadcast_object_list

    told = [(what, content)]
    broadcast_object_list(told, from_process=0)
    return told[0]


def _share(network: nn.Module, parts: list[Part], backward: Backward) -> tuple[float, int]:
    """This process's parts, then the sum over all processes."""
    from accelerate.utils import reduce

    loss, right = 0.0, 0
    for inputs, labels, share in parts[rank() :: processes()]:
        value, logits = backward(network, inputs, labels, share)
        loss += value * len(labels)
        right += int((logits.argmax(1) == labels).sum())
    trained = [each for each in network.parameters() if each.requires_grad]
    flat = torch.cat([
        torch.tensor([loss, float(right)]),
        *(torch.zeros(each.numel()) if each.grad is None else each.grad.reshape(-1).float() for each in trained),
    ])  # fmt: skip
    summed: torch.Tensor = reduce(flat, reduction="sum")
    at = 2
    for each in trained:
        each.grad = summed[at : at + each.numel()].view(each.shape).to(each.dtype)
        at += each.numel()
    return float(summed[0]), round(float(summed[1]))
