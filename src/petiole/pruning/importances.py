"""What torch-pruning scores the channels of a group with, by name, and what that needs."""

from typing import Any

import torch_pruning as tp
from torch import nn

from petiole.errors import GateError
from petiole.pruning.choices import Importance

IMPORTANCES: dict[Importance, Any] = {
    "random": tp.importance.RandomImportance,
    "l1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "taylor": tp.importance.GroupTaylorImportance,
    "bn_scale": tp.importance.BNScaleImportance,
}


def require_gradients(found: Any) -> None:
    """All layers of a ``tp.Group`` have gradients.

    Raises:
        GateError: one has none.
    """
    layers = [item.dep.target.module for item in found.items if isinstance(item.dep.target.module, nn.Module)]
    if any(parameter.grad is None for layer in layers for parameter in layer.parameters()):
        raise GateError(
            "importance taylor needs gradients of all layers: differentiate a loss on training photos first"
        )
