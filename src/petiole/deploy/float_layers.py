"""Layers that stay float in an int8 file, as they were given back to float for the accuracy's sake."""

import onnx

from petiole.deploy.graph import OnnxGraph

LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def float_layers(model: onnx.ModelProto) -> list[str]:
    """The names of convolution and linear nodes with float weights, in a graph where other nodes' weights are int8."""
    graph = OnnxGraph(model.graph)
    floating, int8 = [], False
    for node in (each for each in model.graph.node if each.op_type in LAYERS):
        producer = graph.producers.get(node.input[1])
        if node.input[1] in graph.constants:
            floating.append(node.name)
        elif producer is not None and producer.op_type == "DequantizeLinear":
            int8 = True
    return floating if int8 else []
