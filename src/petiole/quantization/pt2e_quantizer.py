"""Where int8 goes in an exported graph: Petiole's own ``Quantizer`` for torchao's PT2E.

The rule is one that OpenVINO and ONNX Runtime both fuse: every convolution and linear layer takes quantized
activations and quantized weights; its output is quantized after the activation function that follows it; residual
additions take two quantized inputs; pooling, padding and reshaping hand the same scale on. (A graph with float
islands between two int8 layers runs, but it converts back and forth at each of them.)
"""

from collections.abc import Collection

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FusedMovingAvgObsFakeQuantize,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

aten = torch.ops.aten
WEIGHTED = {aten.conv2d.default, aten.conv2d.padding, aten.linear.default}
ACTIVATIONS = {
    aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default,
    aten.relu6.default, aten.relu6_.default,
}  # fmt: skip
ADDITIONS = {aten.add.Tensor, aten.add_.Tensor}
SAME_SCALE = {
    aten.max_pool2d.default, aten.flatten.using_ints, aten.view.default, aten.reshape.default, aten.pad.default,
    aten.constant_pad_nd.default, aten.dropout.default, aten.adaptive_avg_pool2d.default, aten.avg_pool2d.default,
    aten.mean.dim,
}  # fmt: skip


def activation_spec(*, qat: bool) -> QuantizationSpec:
    """Activations: uint8, one affine scale for the tensor (Jacob et al. 2018, equation 1)."""
    if qat:
        observer = FusedMovingAvgObsFakeQuantize.with_args(observer=MovingAverageMinMaxObserver, eps=2**-12)
    else:
        observer = HistogramObserver.with_args(eps=2**-12)
    return QuantizationSpec(
        dtype=torch.uint8, quant_min=0, quant_max=255, qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=observer,
    )  # fmt: skip


def weight_spec(*, qat: bool) -> QuantizationSpec:
    """Weights: int8, symmetric, one scale for each output channel (axis 0)."""
    if qat:
        observer = FusedMovingAvgObsFakeQuantize.with_args(observer=MovingAveragePerChannelMinMaxObserver, eps=2**-12)
    else:
        observer = PerChannelMinMaxObserver.with_args(eps=2**-12)
    return QuantizationSpec(
        dtype=torch.int8, quant_min=-127, quant_max=127, qscheme=torch.per_channel_symmetric, ch_axis=0,
        observer_or_fake_quant_ctr=observer,
    )  # fmt: skip


class LabQuantizer(Quantizer):  # type: ignore[misc]
    """Annotates every convolution and linear layer, residual additions and what hands their scale on.

    ``floating`` are the names of layers (as :func:`layer_name` gives them) that stay float.
    """

    def __init__(self, *, qat: bool, floating: Collection[str] = ()) -> None:
        super().__init__()
        self.floating = floating
        self.activation = activation_spec(qat=qat)
        self.weight = weight_spec(qat=qat)

    def annotate(self, model: GraphModule) -> GraphModule:
        """Mark the nodes of ``model`` in graph order; the last layer's output (the logits) stays float."""
        for node in model.graph.nodes:
            if node.target in WEIGHTED:
                if layer_name(node) not in self.floating:
                    self._weighted(node)
            elif node.target in ADDITIONS and all(isinstance(arg, Node) for arg in node.args[:2]):
                self._addition(node)
            elif node.target in SAME_SCALE:
                _same_scale(node)
        return model

    def _weighted(self, node: Node) -> None:
        inputs, weight = node.args[0], node.args[1]
        assert isinstance(inputs, Node)
        assert isinstance(weight, Node)
        node.meta["quantization_annotation"] = QuantizationAnnotation(
            input_qspec_map={inputs: self.activation, weight: self.weight},
            output_qspec=None,
            _annotated=True,
        )
        self._output(_follow(node))

    def _addition(self, node: Node) -> None:
        left, right = node.args[0], node.args[1]
        assert isinstance(left, Node)
        assert isinstance(right, Node)
        node.meta["quantization_annotation"] = QuantizationAnnotation(
            input_qspec_map={left: self.activation, right: self.activation}, _annotated=True
        )
        self._output(_follow(node))

    def _wants_int8(self, node: Node) -> bool:
        """Whether any user of a value takes it in as int8: if none does, rounding it would only cost accuracy."""
        return any(
            (user.target in WEIGHTED and layer_name(user) not in self.floating)
            or user.target in ADDITIONS
            or (user.target in SAME_SCALE and self._wants_int8(user))
            for user in node.users
        )

    def _output(self, node: Node) -> None:
        if not self._wants_int8(node):
            return
        annotation = node.meta.get("quantization_annotation") or QuantizationAnnotation(_annotated=True)
        annotation.output_qspec = self.activation
        node.meta["quantization_annotation"] = annotation

    def validate(self, model: GraphModule) -> None:
        """Nothing to refuse: coverage is checked on the converted graph."""


def layer_name(node: Node) -> str:
    """The name of the layer that a convolution or linear operation was: that of its weight, without the ending."""
    weight = node.args[1]
    while isinstance(weight, Node) and weight.op != "get_attr":
        weight = weight.args[0]
    assert isinstance(weight, Node)
    return str(weight.target).removesuffix(".weight")


def _follow(node: Node) -> Node:
    """The activation function that is the only user of ``node``, or ``node`` itself."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in ACTIVATIONS else node


def _same_scale(node: Node) -> None:
    """Input and output share one observer, if the input is a quantized tensor."""
    source = node.args[0]
    assert isinstance(source, Node)
    annotation = source.meta.get("quantization_annotation")
    if annotation is None or annotation.output_qspec is None:
        return
    node.meta["quantization_annotation"] = QuantizationAnnotation(
        input_qspec_map={source: annotation.output_qspec},
        output_qspec=SharedQuantizationSpec((source, node)),
        _annotated=True,
    )
