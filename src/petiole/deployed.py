"""An artifact read back: verified, opened on a runtime, and checked against what it gave where it was made."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import nn

from petiole.bench.latency import measure
from petiole.bench.machine import isa
from petiole.deploy import artifact, check, runtimes
from petiole.deploy.artifact import Card
from petiole.deploy.parity import unexplained
from petiole.deploy.runtime import Runtime
from petiole.deploy.runtime_torch import TorchRuntime
from petiole.errors import GateError, PetioleError, UserError, unknown_choice
from petiole.models import backbones
from petiole.models.lenet import LeNet
from petiole.models.scratch import CNNScratch
from petiole.pruning.structured import rebuild
from petiole.quantization import eager

AUTO = "auto"
CHOICES = (AUTO, *runtimes.NAMES)
MOST_BATCH = 4096
"""Photos in one call: more of them fit into no memory."""
EXACT_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"}
"""Instruction sets whose int8 products are summed exactly. Without one, sums of two products may saturate."""
NOT_ITS_NETWORK = (RuntimeError, AssertionError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What torch, timm and the dependency graph raise for an architecture, a plan and an input that do not fit."""
FLOAT_TOLERANCE, INT8_TOLERANCE = 1e-2, 0.5
"""What may stay unexplained of the check's logits (:func:`petiole.deploy.parity.unexplained`; 1 is one and the same
answer to all of them): wider than between runtimes of one machine."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A verified artifact. ``warnings`` are what a person should know before trusting it here."""

    directory: Path
    card: Card
    warnings: tuple[str, ...]

    @property
    def model(self) -> Path:
        """The deployed file."""
        return self.directory / artifact.MODEL

    @property
    def is_dynamic(self) -> bool:
        """Whether its int8 scales are those of all photos in a call."""
        return bool(self.card.plan.get("quantization", {}).get("how") == "dynamic")

    def why_not(self, runtime: str) -> str | None:
        """Why this artifact cannot run there, or None if it can."""
        if runtime == "torch" and self.card.engine == "pt2e":
            return "torch has no int8 kernels for graphs of the pt2e engine: use openvino or onnxruntime"
        refused = self.card.refused.get(runtime)
        return f"{runtime} was refused where it was made ({refused}): use another runtime" if refused else None

    def doubts(self, runtime: Runtime) -> tuple[str, ...]:
        """What an opened ``runtime`` does otherwise than where the artifact was made: fewer layers in int8."""
        made = self.card.layers.get(runtime.name)
        if not made or not self.card.is_int8:
            return ()
        try:
            here = len(runtime.layers().int8)
        except (OSError, UserError):  # ONNX Runtime tells by a file, and there may be no room: predictions need none
            return ()
        if here >= int(made.split("/")[0]):
            return ()
        return (
            f"{runtime.name} computes {here} layers of {self.card.name} in int8 here, and {made} where it was made: "
            "its times there do not hold here",
        )

    def require_batch(self, batch: int) -> None:
        """Refuse a number of photos in one call at which the network says something else.

        Raises:
            UserError: none, or several for a network whose int8 scales are those of all photos in the call.
        """
        if batch < 1:
            raise UserError(f"--batch {batch} is too small: give 1 or more")
        if batch > MOST_BATCH:
            raise UserError(f"--batch {batch} is too large for any memory: give {MOST_BATCH} at most")
        if batch > 1 and self.is_dynamic:
            raise UserError(
                f"{self.directory} is quantized dynamically, so that photos change each other: use --batch 1"
            )

    def open(self, runtime: str, *, threads: int) -> Runtime:
        """The network on a runtime, its check passed.

        Raises:
            UserError: no such runtime, or the artifact cannot run on it.
            GateError: the network does not give here what it gave where it was made.
        """
        if runtime not in runtimes.NAMES:
            raise unknown_choice("runtime", runtime, list(CHOICES))
        if (why := self.why_not(runtime)) is not None:
            raise UserError(f"{self.directory}: {why}")
        opened = self._torch(threads) if runtime == "torch" else runtimes.of_file(runtime, self.model, threads=threads)
        self._check(opened)
        return opened

    def _torch(self, threads: int) -> Runtime:
        network = float_network(self.card)
        if self.card.engine != "eager":
            weights = artifact.load_weights(self.directory)
            backbones.load_state(network, weights, what=f"the weights in {self.directory}")
            return TorchRuntime(network, threads=threads)
        recipe = self.card.plan.get("quantization", {}).get("how", "")
        if recipe not in get_args(eager.Recipe):
            raise UserError(f"{self.directory}: its plan names no eager quantization; copy the whole directory again")
        int8 = eager.restore(network, recipe, self.directory / artifact.STATE)
        return TorchRuntime(int8, threads=threads, int8=tuple(eager.quantized_layer_names(int8)))

    def _check(self, runtime: Runtime) -> None:
        """The check inputs one by one and, where photos do not change each other, all in one call."""
        expected = torch.tensor(self.card.check_logits)
        inputs = torch.from_numpy(check.draw(self.card.preprocessing, self.card.check_seeds))
        answers = {"one by one": runtime.one_by_one(inputs)}
        if not self.is_dynamic:
            answers["in one call"] = runtime(inputs)
        for how, found in answers.items():
            distance = unexplained(expected, found) if found.shape == expected.shape else math.inf
            if not distance <= (INT8_TOLERANCE if self.card.is_int8 else FLOAT_TOLERANCE):
                raise GateError(
                    f"{self.directory} on {runtime.name} does not give what it gave where it was made: its logits for "
                    f"the {check.IMAGES} check inputs, {how}, differ by {distance:.2g} of what they owe to the inputs "
                    "(1: one answer for all); choose another --runtime, or make the artifact on this machine"
                )


def read(directory: Path) -> Deployed:
    """Read and verify an artifact directory.

    Raises:
        UserError: it is none, or damaged; the message names the file.
    """
    card = artifact.read_card(directory)
    return Deployed(directory=directory, card=card, warnings=tuple(_doubts(card, isa())))


def _doubts(card: Card, here: list[str]) -> list[str]:
    """What differs between the machine where the accuracy was measured and one with the instruction sets ``here``."""
    doubts = []
    if card.synthetic:
        doubts.append(f"{card.name} learned from drawn pictures, not from photographs: it is no judge of photographs")
    if card.weights == "random":
        doubts.append(f"{card.name} was made with --weights random: nothing was transferred to it")
    there = card.measured_on.isa
    if card.is_int8 and EXACT_INT8 & set(there) and not EXACT_INT8 & set(here):
        names = ", ".join(name for name in there if name in EXACT_INT8)
        doubts.append(
            f"{card.name} was measured with {names}, which this processor lacks: int8 accuracy may be lower here "
            "than was measured; check it on your own photos"
        )
    return doubts


def float_network(card: Card) -> nn.Module:
    """The float network of an artifact's architecture, cut as its pruning plan says, with random weights.

    Raises:
        UserError: there is no such network, it does not take such pictures, or the plan is of another one.
    """
    try:
        return _built(card)
    except (UserError, GateError, *NOT_ITS_NETWORK) as error:  # a foreign network with a foreign plan
        why = str(error).split("\n")[0]
        raise UserError(
            f"{artifact.CARD} of {card.name}: {card.architecture} cannot be made as it says ({why}): copy the whole "
            "directory again, or use --runtime openvino or onnxruntime"
        ) from error


def _built(card: Card) -> nn.Module:
    classes = len(card.classes)
    network: nn.Module
    if card.architecture == "CNNScratch":
        network = CNNScratch(classes).eval()
    elif card.architecture == "LeNet":
        network = LeNet().eval()
    else:
        network = backbones.adapt(backbones.find(card.architecture), None, classes=classes, seed=0).eval()
    plan = card.plan.get("pruning", {}).get("channels", [])
    return rebuild(network, torch.zeros(1, *card.preprocessing.input_shape), plan) if plan else network


def trainable(deployed: Deployed) -> nn.Module:
    """The float network with the artifact's weights, in eval mode; its parameters can be trained, wherever it is made
    (also within ``torch.no_grad`` or ``torch.inference_mode``).

    Raises:
        UserError: the weights are of another network, or those of quantization-aware training, whose graph is another.
    """
    card = deployed.card
    if card.plan.get("quantization", {}).get("how") == "qat":
        parent = f" ({card.parent})" if card.parent else ""
        raise UserError(
            f"{deployed.directory} holds the weights of quantization-aware training, which are of a graph of its own: "
            f"go on training from the float network that it was made of{parent}"
        )
    with torch.inference_mode(mode=False), torch.enable_grad():
        network = float_network(card)
        what = f"the weights in {deployed.directory}"
        backbones.load_state(network, artifact.load_weights(deployed.directory), what=what)
    return network.eval()


def fastest(deployed: Deployed, *, threads: int, say: Callable[[str], None], batch: int = 1) -> Runtime:
    """Time ``batch`` inputs in one call on every runtime that this artifact has; the smallest median is taken.

    Raises:
        PetioleError: it runs on none of them; the first one's reason.
    """
    opened: dict[str, Runtime] = {}
    errors: list[PetioleError] = []
    for name in (each for each in runtimes.NAMES if deployed.why_not(each) is None):
        try:
            opened[name] = deployed.open(name, threads=threads)
        except PetioleError as error:
            say(f"not on {name}: {error}")
            errors.append(error)
    if not errors and not opened:
        raise UserError(f"{deployed.directory} may be used on no runtime: {deployed.why_not(runtimes.NAMES[0])}")
    if not opened:
        raise errors[0]
    images = check.draw(deployed.card.preprocessing, range(batch))
    raw_ms = measure(
        {name: functools.partial(each.run, images) for name, each in opened.items()},
        min_samples=30, min_seconds=0.1, rounds=5,
    )  # fmt: skip
    medians_ms = {name: float(np.median(row)) for name, row in raw_ms.items()}
    best = min(medians_ms, key=lambda name: medians_ms[name])
    times = ", ".join(f"{name} {ms:.3g} ms" for name, ms in sorted(medians_ms.items(), key=lambda each: each[1]))
    of = "one picture" if batch == 1 else f"{batch} pictures"
    say(f"runtime: {best}, the fastest here for {deployed.directory} (median of {of}: {times})")
    return opened[best]
