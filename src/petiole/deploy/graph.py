"""An ONNX graph as its rewrites see it: who makes and who uses each value, and which numbers are constant."""

import onnx
from onnx import NodeProto, numpy_helper


class OnnxGraph:
    """Who makes and who uses each value of an ONNX graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {each.name: each for each in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}
        self.outputs = {each.name for each in graph.output}

    def users(self, name: str) -> list[NodeProto]:
        """The nodes that take a value in."""
        return [node for node in self.graph.node if name in node.input]

    def constant(self, name: str) -> list[float] | None:
        """The numbers of a constant, or None if it is computed."""
        if name in self.constants:
            return [float(value) for value in numpy_helper.to_array(self.constants[name]).flatten()]
        node = self.producers.get(name)
        if node is not None and node.op_type == "Constant" and node.attribute[0].HasField("t"):
            return [float(value) for value in numpy_helper.to_array(node.attribute[0].t).flatten()]
        return None

    def replace_input(self, node: NodeProto, old: str, new: str) -> None:
        """Let a node take another value in."""
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new

    def remove_unused(self) -> None:
        """Drop what leads to no output any more, unused constants, and noted shapes (runtimes infer them anew)."""
        needed, kept = set(self.outputs), []
        for node in reversed(self.graph.node):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        constants = [each for each in self.graph.initializer if each.name in needed]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(constants)


def strip(model: onnx.ModelProto) -> None:
    """Drop, in place, what the exporter noted about every node: names of files on this machine, and kilobytes."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    del model.graph.metadata_props[:], model.metadata_props[:]
