"""Least squares from sums alone, with some weights held at zero: what refitting and its error come down to."""

import torch

RIDGE = 0.01
ITERATIONS = 40


def least_squares(
    gram: torch.Tensor, towards: torch.Tensor, start: torch.Tensor, mask: torch.Tensor, *, ridge: float = RIDGE
) -> torch.Tensor:
    """Minimize ``w'Gw / 2 - w'r + lambda / 2 * |w - start|^2`` over the unmasked entries of each column.

    ``gram (g, i, i)``, ``towards``, ``start`` and ``mask (g, i, o)``; ``lambda = ridge * mean(diag(gram))``.
    Conjugate gradients with the diagonal as preconditioner (Shewchuk 1994, section B3).
    """
    diagonal = gram.diagonal(dim1=1, dim2=2)
    strength = (ridge * diagonal.mean(1) + 1e-12).view(-1, 1, 1)
    scale = mask / (diagonal.unsqueeze(-1) + strength)
    solution = start * mask
    residual = (towards + strength * start - gram @ solution - strength * solution) * mask
    direction = scale * residual
    rho = (residual * direction).sum(1, keepdim=True)
    for _ in range(min(ITERATIONS, gram.shape[-1])):
        image = (gram @ direction + strength * direction) * mask
        step = rho / (direction * image).sum(1, keepdim=True).clamp_min(1e-30)
        solution = solution + step * direction
        residual = residual - step * image
        scaled = scale * residual
        following = (residual * scaled).sum(1, keepdim=True)
        direction = scaled + following / rho.clamp_min(1e-30) * direction
        rho = following
    return solution


def squared_error(gram: torch.Tensor, towards: torch.Tensor, power: float, weight: torch.Tensor) -> float:
    """``|Xw - y|^2`` from the sums alone, at least 0; NaN stays NaN (the first argument of ``max`` does)."""
    return max(float((weight * (gram @ weight)).sum() - 2 * (weight * towards).sum()) + power, 0.0)
