"""What is left of each convolution, refitted by least squares so that it answers as before it was pruned.

Layer after layer: when the pictures reach a pruned convolution, the layers before it are refitted already, so that the
remaining weights also make up for what reaches them changed. For each output channel they minimize
``|| X w + b - y ||^2 + ridge * mean(diag(X'X)) * || w - w0 ||^2`` over sampled output positions of training photos,
where ``X`` are the patches that the pruned network sees (less their means in the ridge, where there is a ``b``) and
``y`` what the unpruned one answers (He et al. 2017,
"Channel Pruning for Accelerating Very Deep Neural Networks", section 3.1; Hubara et al. 2021, "AdaPrune", section 4).
The constant ``b`` goes into the convolution's bias, or into the mean that the BatchNorm after it subtracts; without
either it is 0. Masks differ between output channels, so the system is solved by conjugate gradients on all channels
at once.

All photos go through the exported graph together, node by node, in chunks: what lives is one layer's input for all of
them. A value too large for that is not kept: each of its chunks is computed when it is needed.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.export import Dim
from torch.fx import GraphModule, Interpreter, Node

from petiole.errors import GateError
from petiole.pruning.chunks import Chunks, Recomputed, chunk_of, in_chunks, kept_in
from petiole.pruning.constant import Constant
from petiole.pruning.least_squares import least_squares, squared_error
from petiole.pruning.patches import at, patches

CHUNK = 16
POSITIONS = 32
"""Places of each photo that are looked at. The more photos the better the fit holds on others (docs/log.md)."""
KEPT_BYTES = 200_000_000
"""Values of the graph that are larger for all photos together are computed anew for each use."""


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
    positions: int = POSITIONS,
    bfloat16: bool = False,
    seed: int = 0,
    traced: GraphModule | None = None,
) -> list[Refitted]:
    """Refit, in place, every convolution of ``network`` whose weight is in ``masks``; zeros stay zero.

    ``inputs`` are training photos ``(N, C, H, W)``; ``positions`` output positions of each are used. The outputs of
    ``unpruned`` are aimed at; BatchNorm's variances are not touched. Both networks are left in eval mode.
    ``bfloat16``: what passes between layers is kept in it, in half the memory; the sums stay float32. ``traced`` is
    what :func:`trace` made of ``unpruned``, where it has been called already.

    Raises:
        GateError: a pruned convolution was not met, or several use one weight.
    """
    graph = _as_far_as_pruned(traced or trace(unpruned, inputs), unpruned, masks)
    used = [name for node in graph.graph.nodes if (name := _convolution(node)) in masks]
    if twice := next((name for name in used if used.count(name) > 1), None):
        raise GateError(
            f"{twice} is used by several convolutions: one refit cannot serve all; choose another --backbone"
        )
    chunks = inputs.split(CHUNK)
    sampler = _Sampler(masks, positions, seed)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        for chunk in chunks:
            _Recording(graph, sampler).run(chunk)
        own = network.eval().state_dict()
        graph.load_state_dict(
            {name: own[name] for name in graph.state_dict()}, assign=True
        )  # the pruned network's own tensors
        refitting = _Refitting(graph, sampler, network, unpruned, bfloat16=bfloat16)
        refitting.run(Chunks(chunks))
    convolutions = {f"{name}.weight" for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
    if missed := convolutions & set(masks) - {f"{one.name}.weight" for one in refitting.done}:
        raise GateError(f"{sorted(missed)[0]} is pruned, but no convolution of the graph uses it: it was not refitted")
    return refitting.done


def trace(network: nn.Module, inputs: torch.Tensor) -> GraphModule:
    """The network in eval mode as a graph of tensor operations, for any number of ``inputs`` ``(N, C, H, W)``."""
    batch = Dim("batch", min=1, max=4096)
    program = torch.export.export(network.eval(), (inputs[:2],), dynamic_shapes=({0: batch},), strict=False)
    return program.module(check_guards=False)


def _as_far_as_pruned(traced: GraphModule, network: nn.Module, masks: Mapping[str, torch.Tensor]) -> GraphModule:
    """A copy of the graph with the network's tensors, as far as the last pruned convolution of each branch and what
    holds the constant of that."""
    module = copy.deepcopy(traced)
    own = network.state_dict()
    module.load_state_dict({name: own[name] for name in module.state_dict()}, assign=True)
    ends: list[Node] = []
    before: set[Node] = set()
    for node in reversed([node for node in module.graph.nodes if _convolution(node) in masks]):
        if node not in before:
            ends.append(_batch_norm(node) or node)
            before |= _what_leads_to(ends[-1])
    if ends:
        output = module.graph.output_node()
        with module.graph.inserting_before(output):
            met = module.graph.call_function(_all_met, tuple(ends))
        met.meta["val"] = None
        output.args = ((met,),)
        module.graph.eliminate_dead_code()
        module.recompile()
    return module


def _all_met(*_: torch.Tensor) -> None:
    """The end of the graph: every branch has been computed."""


def _what_leads_to(node: Node) -> set[Node]:
    found, waiting = set[Node](), [node]
    while waiting:
        new = set(waiting.pop().all_input_nodes) - found
        found |= new
        waiting += new
    return found


class _Sampler:
    """The masks, the sampled places of each convolution, and what the unpruned one answers there."""

    def __init__(self, masks: Mapping[str, torch.Tensor], positions: int, seed: int) -> None:
        self.masks, self.positions = masks, positions
        self.generator = torch.Generator().manual_seed(seed)
        self.places: dict[str, torch.Tensor] = {}
        self.answers: dict[str, list[torch.Tensor]] = {}

    def record(self, name: str, answer: torch.Tensor, bias: torch.Tensor | None) -> None:
        """Keep ``(n * P, C)`` of an answer ``(n, C, H, W)``, without its bias."""
        if name not in self.places:
            height, width = answer.shape[2:]
            places = torch.randperm(height * width, generator=self.generator)[: self.positions]
            self.places[name] = torch.stack([places // width, places % width])
        sampled = at(answer, self.places[name])
        self.answers.setdefault(name, []).append((sampled if bias is None else sampled - bias).to(answer.dtype))


CONVOLUTIONS = (torch.ops.aten.conv2d.default, torch.ops.aten.conv2d.padding)
"""With numbers as padding, or with ``same`` or ``valid``."""


def _convolution(node: Node) -> str:
    """The name of the weight if the operation is a convolution, else nothing."""
    found = node.target in CONVOLUTIONS and isinstance(node.args[1], Node)
    return str(cast(Node, node.args[1]).target) if found else ""


def _batch_norm(node: Node) -> Node | None:
    """The BatchNorm that is the only user of an operation, if there is one."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target is torch.ops.aten.batch_norm.default else None


class _Recording(Interpreter):
    """Runs the unpruned network and keeps what its convolutions answer."""

    def __init__(self, graph: GraphModule, sampler: _Sampler) -> None:
        super().__init__(graph)
        self.sampler = sampler

    def run_node(self, n: Node) -> Any:
        """Run one operation."""
        answer = super().run_node(n)
        if (name := _convolution(n)) in self.sampler.masks:
            arguments, _ = self.fetch_args_kwargs_from_env(n)
            self.sampler.record(name, answer, arguments[2] if len(arguments) > 2 else None)
        return answer


class _Refitting(Interpreter):
    """Runs the pruned network on all chunks, node by node, and refits each convolution before it runs."""

    def __init__(
        self, graph: GraphModule, sampler: _Sampler, network: nn.Module, unpruned: nn.Module, *, bfloat16: bool
    ) -> None:
        super().__init__(graph)
        self.sampler, self.network, self.bfloat16 = sampler, network, bfloat16
        self.unpruned = unpruned.state_dict()
        self.done: list[Refitted] = []

    def run_node(self, n: Node) -> Any:
        """Run one operation on each chunk; a chunk that nothing needs afterwards is freed at once."""
        if n.op != "call_function":
            return super().run_node(n)
        arguments, keywords = self.fetch_args_kwargs_from_env(n)
        if (name := _convolution(n)) in self.sampler.masks:
            with torch.autocast("cpu", enabled=False):
                self.improve(name, *arguments, constant=self._constant(n))
        some_value = next(in_chunks([*arguments, *keywords.values()]), None)
        if some_value is None:
            return super().run_node(n)

        def compute(index: int) -> Any:
            some, named = chunk_of(arguments, index), {name: chunk_of(each, index) for name, each in keywords.items()}
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                return self.call_function(cast(Any, n.target), some, named)

        chunks = len(some_value)
        if self._bytes(n, chunks * CHUNK) > KEPT_BYTES:
            return Recomputed(compute, chunks, reads=list(kept_in((*arguments, *keywords.values()))))
        freed = self._read_no_more(n)
        answer = Chunks()
        for index in range(chunks):
            answer.append(compute(index))
            for each in freed:
                each[index] = None
        return answer

    def _read_no_more(self, node: Node) -> list[Chunks]:
        """What nothing reads after an operation, be it through a value that is computed anew."""
        ending = self.user_to_last_uses.get(node, [])
        still = {id(each) for name, value in self.env.items() if name not in ending for each in kept_in(value)}
        return [each for name in ending for each in kept_in(self.env[name]) if id(each) not in still]

    def _bytes(self, node: Node, images: int) -> int:
        """How large a value is for all pictures."""
        value = node.meta["val"]  # a tensor, several, or a number
        tensors = [each for each in (value if isinstance(value, list | tuple) else [value]) if hasattr(each, "shape")]
        return images * sum(math.prod(map(int, each.shape[1:])) for each in tensors) * (2 if self.bfloat16 else 4)

    def improve(
        self, name: str, chunks: Chunks | Recomputed, weight: torch.Tensor, bias: torch.Tensor | None = None,
        stride: Sequence[int] = (1, 1), padding: Sequence[int] | str = (0, 0), dilation: Sequence[int] = (1, 1),
        groups: int = 1, *, constant: Constant | None = None,
    ) -> None:  # fmt: skip
        """Replace the weight by its least-squares refit, and ``constant`` where there is room for one."""
        outputs, size = weight.shape[0], weight[0].numel()
        gram = torch.zeros(groups, size, size)
        towards = torch.zeros(groups, size, outputs // groups)
        inputs, answered = torch.zeros(groups, size), torch.zeros(groups, outputs // groups)
        power, rows = 0.0, 0
        for chunk, answer in zip(chunks, self.sampler.answers.pop(name), strict=True):
            seen = patches(chunk, weight.shape[2:], self.sampler.places[name], stride, padding, dilation)
            seen = seen.view(len(seen), groups, -1)  # (rows, groups, inputs of a group)
            target = answer.float().view(len(seen), groups, outputs // groups)
            gram += torch.einsum("rgi,rgj->gij", seen, seen)
            towards += torch.einsum("rgi,rgo->gio", seen, target)
            inputs, answered = inputs + seen.sum(0), answered + target.sum(0)
            power, rows = power + float(target.square().sum()), rows + len(seen)
        gram, towards, inputs, answered = (sums / rows for sums in (gram, towards, inputs, answered))
        power /= rows
        old = weight.reshape(groups, outputs // groups, -1).mT  # (groups, inputs, outputs)
        mask = self.sampler.masks[name].to(weight).reshape(groups, outputs // groups, -1).mT
        before = squared_error(gram, towards, power, old)
        unexplained = power
        if constant is not None:  # the best constant leaves the covariances
            added = constant.now().view_as(answered)
            missing = answered - torch.einsum("gi,gio->go", inputs, old)
            before += float((added.square() - 2 * added * missing).sum())
            gram = gram - torch.einsum("gi,gj->gij", inputs, inputs)
            towards = towards - torch.einsum("gi,go->gio", inputs, answered)
            unexplained -= float(answered.square().sum())
        new = least_squares(gram, towards, old, mask)
        after = squared_error(gram, towards, unexplained, new)
        self.network.get_parameter(name).copy_(new.mT.reshape(weight.shape))
        if constant is not None:
            constant.set((answered - torch.einsum("gi,gio->go", inputs, new)).flatten())
        before, after = (max(each, 0.0) / max(power, 1e-30) for each in (before, after))
        self.done.append(Refitted(name=name.removesuffix(".weight"), error_before=before, error_after=after))

    def _constant(self, node: Node) -> Constant | None:
        """Where the network can hold a constant for a convolution's outputs, if it can."""
        if len(node.args) > 2 and isinstance(node.args[2], Node):
            name = str(node.args[2].target)
            return Constant(self.network.get_parameter(name), self.unpruned[name], sign=1)
        norm = _batch_norm(node)
        if norm is None:
            return None
        mean = str(cast(Node, norm.args[3]).target)
        return Constant(self.network.get_buffer(mean), self.unpruned[mean], sign=-1)
