"""LeNet with a quarter of its parameters: channels of its convolutions and neurons of its linear layers leave."""

import copy

import torch
from torch import nn

from petiole.chain.channel_choice import BY, inner, scorer, share_of_costs
from petiole.chain.prune_retrain import Course, gradually, prune_and_retrain, require_smaller
from petiole.data.augment import TensorBatches
from petiole.lab.bench import Bench
from petiole.models.backbones import output_layer
from petiole.preprocessing import DIGITS
from petiole.pruning.pruner import ChannelPruner
from petiole.pruning.refit import trace
from petiole.pruning.schedule import shares
from petiole.records import Train, Variant
from petiole.rundir import digest
from petiole.training.distillation import Objective
from petiole.training.fit import FitConfig, Hooks, fit
from petiole.variants import Subject

NAME, PARENT = "LeNet-structured", "LeNet"
PARAMETERS_LEFT = 0.25
MULTIPLE = 4
"""Channel counts are multiples of it: LeNet's first convolution has six channels, its second sixteen."""
HOW = (
    "LeNet without three quarters of its parameters{gradually}: those channels and neurons removed {by}{instead}, over "
    "all layers together (the first convolution too), counts rounded to multiples of 4; {refitted}, "
    "and what is left learned to answer as LeNet does (knowledge distillation)."
)
REFITTED = {
    True: "the convolution behind was refitted by least squares",
    False: "nothing was refitted (no convolution takes in what was removed)",
}


def importance_for(asked: str) -> tuple[str, str]:
    """What LeNet's channels are chosen by, and words for where that is not what was ``asked`` for.

    >>> importance_for("bn_scale")
    ('contribution', ' (not by --importance bn_scale: LeNet has no BatchNorm)')
    """
    if asked == "bn_scale":
        return "contribution", " (not by --importance bn_scale: LeNet has no BatchNorm)"
    return asked, ""


def weights_left(network: nn.Module) -> tuple[dict[str, int], float]:
    """The weights of each layer, and the share of them that may be left where :data:`PARAMETERS_LEFT` of all parameters
    may: biases fall with the outputs alone, so that all of them are taken to stay.

    >>> weights_left(nn.Sequential(nn.Linear(10, 8), nn.Linear(8, 4)))
    ({'0': 80, '1': 32}, 0.16964285714285715)
    """
    weights = {
        name: layer.weight.numel()
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    count, total = sum(weights.values()), sum(each.numel() for each in network.parameters())
    return weights, (PARAMETERS_LEFT * total - (total - count)) / count


def judge(
    bench: Bench, network: nn.Module, batches: TensorBatches, shown: tuple[torch.Tensor, torch.Tensor], seed: int
) -> Variant:
    """Prune and retrain a copy of LeNet, then judge it. ``shown`` are training digits with labels, for choosing.

    Raises:
        GateError: it is no smaller.
    """
    inputs, labels = shown
    unpruned, effort = copy.deepcopy(network).eval(), bench.config.effort
    importance, instead = importance_for(bench.config.importance)
    if instead:
        bench.say(f"{NAME}: channels and neurons are chosen by {importance}{instead}")
    course = Course(
        unpruned=unpruned, traced=trace(unpruned, inputs[:2]), inputs=inputs, seed=seed, say=bench.say,
        retrain=_Retraining(bench, batches), reestimates=bench.config.reestimate,
        shares=shares(bench.config.schedule, bench.config.prune_steps or effort.prune_steps),
    )  # fmt: skip
    costs, left = weights_left(unpruned)
    smaller = copy.deepcopy(unpruned)
    (output, _) = output_layer(smaller)
    pruner = ChannelPruner(
        smaller, inputs[:1].contiguous(), protected=[output], choose=inner,
        score=scorer(importance, inputs, labels, seed),
        keep=share_of_costs(costs, left, "global", multiple=MULTIPLE, option="share of parameters"),
    )  # fmt: skip
    done = prune_and_retrain(pruner, course, epochs=effort.lenet_prune_epochs, name=NAME)
    gates = require_smaller(NAME, smaller, unpruned, DIGITS.input_shape, parameters_left=PARAMETERS_LEFT)
    subject = Subject(
        name=NAME, seed=seed, parent=PARENT, backbone=PARENT, weights="from scratch", train=done.train,
        how=HOW.format(
            gradually=gradually(course, done.steps), by=BY[importance], instead=instead,
            refitted=REFITTED[done.refitted > 0],
        ),
        architecture=f"{PARENT} {digest(pruner.plan)}",
        plan={"pruning": {"method": importance, "channels": pruner.plan}},
    )  # fmt: skip
    return bench.line.judge_float(smaller, bench.digit_task(), subject, gates=gates)


class _Retraining:
    """:class:`petiole.chain.prune_retrain.Retrain` on the digits."""

    def __init__(self, bench: Bench, batches: TensorBatches) -> None:
        self.bench, self.batches = bench, batches

    def __call__(
        self, network: nn.Module, *, epochs: int, seed: int, name: str, objective: Objective | None, hooks: Hooks
    ) -> Train:
        config = FitConfig(epochs=epochs, lr=2e-3, weight_decay=0.01, seed=seed)
        with self.bench.training(name, epochs) as on_epoch:
            return fit(
                network, self.batches, config, objective=objective, hooks=hooks, on_epoch=on_epoch,
                checkpoint=self.bench.checkpoint(name),
            )  # fmt: skip
