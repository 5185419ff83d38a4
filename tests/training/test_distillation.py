"""Distillation against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from petiole.errors import UserError
from petiole.training.distillation import Distillation


class Fixed(nn.Module):
    """A teacher that answers the same logits to everything."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[2.0 * math.log(3.0), 0.0]]).expand(len(inputs), 2)


LABELS = torch.tensor([0])


def test_the_loss_is_the_one_of_the_paper() -> None:
    """At T = 2 the teacher says (3/4, 1/4) and a student with equal logits (1/2, 1/2)."""
    student = torch.zeros(1, 2)
    found = Distillation(teacher=Fixed())(torch.zeros(1, 1), student, LABELS)
    assert float(found) == pytest.approx(4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)))


def test_a_student_that_answers_alike_has_nothing_to_learn() -> None:
    student = torch.tensor([[2.0 * math.log(3.0) + 5.0, 5.0]])
    assert float(Distillation(teacher=Fixed())(torch.zeros(1, 1), student, LABELS)) == pytest.approx(0.0, abs=1e-6)


def test_the_gradient_is_that_of_cross_entropy_with_soft_labels() -> None:
    """Hinton et al., equation 2: dC/dz = (softmax(z/T) - p) / T, times T^2."""
    student = torch.tensor([[0.4, -0.2]], requires_grad=True)
    Distillation(teacher=Fixed(), temperature=2.0)(torch.zeros(1, 1), student, LABELS).backward()
    assert student.grad is not None
    wanted = 2.0 * ((student.detach() / 2).softmax(1) - torch.tensor([[0.75, 0.25]]))
    assert torch.allclose(student.grad, wanted, atol=1e-6)


def test_hard_labels_have_their_share() -> None:
    student = torch.zeros(1, 2)
    soft = Distillation(teacher=Fixed())(torch.zeros(1, 1), student, LABELS)
    mixed = Distillation(teacher=Fixed(), hard=0.25)(torch.zeros(1, 1), student, LABELS)
    assert float(mixed) == pytest.approx(0.75 * float(soft) + 0.25 * float(F.cross_entropy(student, LABELS)))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_gives_no_number_is_refused(temperature: float) -> None:
    with pytest.raises(UserError, match=f"temperature {temperature:g} of distillation is not above 0: give one"):
        Distillation(teacher=Fixed(), temperature=temperature)


@pytest.mark.parametrize("hard", [-0.1, 1.5, math.nan])
def test_a_share_of_hard_labels_that_is_none_is_refused(hard: float) -> None:
    with pytest.raises(UserError, match=f"hard {hard:g} of distillation is not between 0 and 1"):
        Distillation(teacher=Fixed(), hard=hard)
