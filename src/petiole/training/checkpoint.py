"""How far a training is, kept on the disk: one that was killed goes on after the last epoch that was kept.

What goes on is what an undisturbed training would have done, to the last bit: weights, the optimizer's moments, the
numbers of the schedule, and the states of both random generators are read back.
"""

import contextlib
import copy
import hashlib
import io
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import petiole
from petiole.errors import NOT_OF_TORCH
from petiole.progress import Say
from petiole.records import Epoch
from petiole.rundir import digest
from petiole.writing import write_atomic

EVERY_S = 10.0
"""A training is kept at most so often: short ones cost nothing, and no more than this is lost of a long one (or one
epoch, if that takes longer)."""
SEAL_BYTES = 32
"""The SHA-256 of what comes before it ends a file."""
KEYS = ("network", "optimizer", "generator", "random", "history", "step", "seconds")


@dataclass(kw_only=True)
class Moment:
    """A training after an epoch: its ``history``, the number of optimizer steps done, and the seconds that it took."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    history: list[Epoch] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0


@dataclass(kw_only=True)
class Checkpoint:
    """Where one training is kept. ``basis`` is what it depends on besides networks and configuration (its pictures).

    It is taken up only by a training of the same name, basis, configuration and starting weights. A damaged file is
    told about (``say``) and left aside. Whoever named the directory removes it when the step is done. The seconds that
    another process has trained for are added to ``earlier``.
    """

    directory: Path
    name: str
    basis: object
    say: Say
    earlier: list[float] = field(default_factory=list)
    _path: Path = field(init=False)
    _kept_at: float = field(init=False)

    def begin(self, moment: Moment, *, config: object, teacher: nn.Module | None) -> None:
        """Bring ``moment`` (at the start of a training) to where an earlier process has kept it, if one has."""
        networks = [_digest(network.state_dict()) for network in (moment.network, teacher) if network is not None]
        about = [self.name, self.basis, repr(config), networks, torch.__version__, petiole.__version__]
        self._path = self.directory / f"{digest(about)}.pt"
        self._kept_at = time.perf_counter()
        if (state := self.read(self._path, KEYS)) is None:
            return
        before = copy.deepcopy(_state(moment, ended=False))
        try:
            _restore(moment, state)
        except NOT_OF_TORCH:  # keys as they should be, and something else behind them
            _restore(moment, before)
            self.say(f"warning: {self._path} is no checkpoint: {self.name} is trained from its start")
            return
        self.earlier.append(moment.seconds)
        self.say(f"{self.name}: goes on after epoch {len(moment.history)}")

    def keep(self, moment: Moment, *, ended: bool) -> None:
        """Keep it, if the last time was long ago; also when it has ``ended``, if it took long.

        Raises:
            UserError: the disk is full, or cannot be written.
        """
        if (moment.seconds if ended else time.perf_counter() - self._kept_at) < EVERY_S:
            return
        self.write(self._path, _state(moment, ended=ended))
        self._kept_at = time.perf_counter()

    def read(self, path: Path, keys: Collection[str]) -> dict[str, Any] | None:
        """What :meth:`write` has written under ``keys``; None without it, and where it is damaged, which is told."""
        if not path.is_file():
            return None
        content = path.read_bytes()
        if hashlib.sha256(content[:-SEAL_BYTES]).digest() != content[-SEAL_BYTES:]:
            self.say(f"warning: {path} is damaged: {self.name} is trained from its start")
            return None
        state: dict[str, Any] | None = None
        with contextlib.suppress(*NOT_OF_TORCH):
            state = torch.load(io.BytesIO(content[:-SEAL_BYTES]), weights_only=True)
        if not isinstance(state, dict) or state.keys() != set(keys):
            self.say(f"warning: {path} is no checkpoint: {self.name} is trained from its start")
            return None
        return state

    def write(self, path: Path, state: Mapping[str, Any]) -> None:
        """Tensors and numbers, sealed with their checksum.

        Raises:
            UserError: the disk is full, or cannot be written.
        """
        content = io.BytesIO()
        torch.save(dict(state), content)
        content.seek(0, io.SEEK_END)
        content.write(hashlib.sha256(content.getbuffer()).digest())
        write_atomic(path, content.getbuffer())


def _state(moment: Moment, *, ended: bool) -> dict[str, Any]:
    return {
        "network": moment.network.state_dict(),
        "optimizer": None if ended else moment.optimizer.state_dict(),
        "generator": moment.generator.get_state(),
        "random": torch.get_rng_state(),
        "history": [epoch.model_dump() for epoch in moment.history],
        "step": moment.step,
        "seconds": moment.seconds,
    }


def _restore(moment: Moment, state: Mapping[str, Any]) -> None:
    """What :func:`_state` gave; anything else raises one of ``NOT_OF_TORCH``."""
    if type(state["step"]) is not int or not 0 <= float(state["seconds"]) < math.inf:
        raise ValueError("no count of steps and no time")
    moment.network.load_state_dict(state["network"])
    if state["optimizer"] is not None:
        moment.optimizer.load_state_dict(state["optimizer"])
    moment.generator.set_state(state["generator"])
    torch.set_rng_state(state["random"])
    moment.history[:] = [Epoch.model_validate(epoch) for epoch in state["history"]]
    moment.step, moment.seconds = state["step"], float(state["seconds"])


def _digest(state: Mapping[str, torch.Tensor]) -> str:
    """Of names, shapes and numbers; of copies, since a tensor whose memory NumPy has seen can never be resized."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        copied = tensor.detach().clone(memory_format=torch.contiguous_format)
        found.update(copied.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
