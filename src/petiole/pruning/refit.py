"""What is left of each convolution, refitted by least squares so that it answers as before it was pruned.

One forward pass: when it reaches a pruned convolution, the layers before it are refitted already, so that the
remaining weights also make up for what reaches them changed. For each output channel they minimize
``|| X w - y ||^2 + ridge * mean(diag(X'X)) * || w - w0 ||^2`` over sampled output positions of training photos, where
``X`` are the patches that the pruned network sees and ``y`` what the unpruned one answers (He et al. 2017, "Channel
Pruning for Accelerating Very Deep Neural Networks", section 3.1; Hubara et al. 2021, "AdaPrune", section 4). Masks
differ between output channels, so the system is solved by conjugate gradients on all channels at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

RIDGE = 0.01
ITERATIONS = 40
CHUNK = 32


@dataclass(frozen=True, kw_only=True)
class Refitted:
    """One convolution: error relative to what the unpruned one answers (0: the same), before and after."""

    name: str
    error_before: float
    error_after: float


@torch.no_grad()
def refit(
    network: nn.Module,
    unpruned: nn.Module,
    masks: Mapping[str, torch.Tensor],
    inputs: torch.Tensor,
    *,
    positions: int = 64,
    bfloat16: bool = False,
    seed: int = 0,
) -> list[Refitted]:
    """Refit, in place, every convolution of ``network`` whose weight is in ``masks``; zeros stay zero.

    ``inputs`` are training photos ``(N, C, H, W)``; ``positions`` output positions of each are used. BatchNorm's
    statistics stay those of ``unpruned``, whose outputs are aimed at. Both networks are left in eval mode.
    ``bfloat16``: the forward passes run in it, in half the memory (all photos pass at once); the sums stay float32.
    """
    weights = {f"{name}.weight": m.weight for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    wanted = {id(weight): name for name, weight in weights.items() if name in masks}
    originals = {id(unpruned.get_parameter(name)): name for name in wanted.values()}
    record = _Record(originals, positions, seed)
    unpruned.eval()
    with _autocast(bfloat16), record:
        for some in inputs.split(CHUNK):
            unpruned(some)
    passing = _Refit(wanted, masks, record.outputs, record.places)
    with _autocast(bfloat16), passing:
        network.eval()(inputs)
    return passing.done


def _autocast(enabled: bool) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


class _Convolutions(TorchFunctionMode):
    """Meets every ``conv2d`` call whose weight it knows, with its geometry as it is really called."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Pass every call on, through ``meet`` where it is a known convolution."""
        kwargs = kwargs or {}
        if func is torch.conv2d and id(args[1]) in self.names:
            return self.meet(self.names[id(args[1])], *args, **kwargs)
        return func(*args, **kwargs)

    def meet(self, name: str, inputs: torch.Tensor, weight: torch.Tensor, *geometry: Any) -> torch.Tensor:
        """What the convolution answers."""
        raise NotImplementedError


class _Record(_Convolutions):
    """Keeps what the unpruned convolutions answer at sampled places: ``outputs[name]`` has a ``(n * P, C)`` a call."""

    def __init__(self, names: Mapping[int, str], positions: int, seed: int) -> None:
        super().__init__(names)
        self.positions = positions
        self.generator = torch.Generator().manual_seed(seed)
        self.outputs: dict[str, list[torch.Tensor]] = {}
        self.places: dict[str, torch.Tensor] = {}

    def meet(self, name: str, inputs: torch.Tensor, weight: torch.Tensor, *geometry: Any) -> torch.Tensor:
        answer = torch.conv2d(inputs, weight, *geometry)
        if name not in self.places:
            height, width = answer.shape[2:]
            places = torch.randperm(height * width, generator=self.generator)[: self.positions]
            self.places[name] = torch.stack([places // width, places % width])
        sampled, bias = _at(answer, self.places[name]).float(), geometry[0]
        self.outputs.setdefault(name, []).append(sampled if bias is None else sampled - bias)
        return answer


class _Refit(_Convolutions):
    """Refits each convolution when the forward pass reaches it, then goes on with the new weight."""

    def __init__(
        self,
        names: Mapping[int, str],
        masks: Mapping[str, torch.Tensor],
        outputs: Mapping[str, Sequence[torch.Tensor]],
        places: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__(names)
        self.masks, self.outputs, self.places = masks, outputs, places
        self.done: list[Refitted] = []

    def meet(self, name: str, inputs: torch.Tensor, weight: torch.Tensor, *geometry: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            self.improve(name, inputs, weight, *geometry)
        return torch.conv2d(inputs, weight, *geometry)

    def improve(
        self, name: str, inputs: torch.Tensor, weight: torch.Tensor, bias: Any, stride: Any, padding: Any,
        dilation: Any, groups: int,
    ) -> None:  # fmt: skip
        """Replace the weight by its least-squares refit."""
        outputs = weight.shape[0]
        patches = _patches(inputs, weight.shape[2:], self.places[name], stride, padding, dilation)
        patches = patches.view(len(patches), groups, -1)  # (rows, groups, inputs of a group)
        target = torch.cat(list(self.outputs[name])).view(len(patches), groups, outputs // groups)
        gram = torch.einsum("rgi,rgj->gij", patches, patches) / len(patches)
        towards = torch.einsum("rgi,rgo->gio", patches, target) / len(patches)
        power = float(target.square().mean(0).sum())
        old = weight.reshape(groups, outputs // groups, -1).mT  # (groups, inputs, outputs)
        mask = self.masks[name].to(weight).reshape(groups, outputs // groups, -1).mT
        new = least_squares(gram, towards, old, mask)
        errors = [_error(gram, towards, power, each) for each in (old, new)]
        weight.copy_(new.mT.reshape(weight.shape))
        self.done.append(Refitted(name=name.removesuffix(".weight"), error_before=errors[0], error_after=errors[1]))


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


def _error(gram: torch.Tensor, towards: torch.Tensor, power: float, weight: torch.Tensor) -> float:
    """``|Xw - y|^2 / |y|^2`` from the sums alone."""
    squared = float((weight * (gram @ weight)).sum() - 2 * (weight * towards).sum()) + power
    return max(0.0, squared) / max(power, 1e-30)


def _at(pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Values ``(N, C, H, W)`` at places ``(2, P)``, as ``(N * P, C)``."""
    return pixels[:, :, places[0], places[1]].permute(0, 2, 1).reshape(-1, pixels.shape[1])


def _patches(
    inputs: torch.Tensor, kernel: Sequence[int], places: torch.Tensor, stride: Any, padding: Any, dilation: Any
) -> torch.Tensor:
    """What the convolution sees at output places ``(2, P)``: ``(N * P, C * kh * kw)``."""
    (sh, sw), (ph, pw), (dh, dw) = (_pair(value) for value in (stride, padding, dilation))
    padded = nn.functional.pad(inputs, (pw, pw, ph, ph)) if ph or pw else inputs
    rows = (places[0] * sh)[:, None] + torch.arange(kernel[0]) * dh  # (P, kh)
    columns = (places[1] * sw)[:, None] + torch.arange(kernel[1]) * dw  # (P, kw)
    seen = padded[:, :, rows[:, :, None], columns[:, None, :]]  # (N, C, P, kh, kw)
    return seen.permute(0, 2, 1, 3, 4).reshape(len(inputs) * places.shape[1], -1).float()


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
