"""A whole model as an ONNX graph in float32: all layers and directions, readout, batch normalisation and head.

Needs onnx from 1.23 on: before, its reference evaluator runs only one direction, and gives no final cell state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import ModelSpec, Parameters
from lstm_bench.model.parameters import GATES

if TYPE_CHECKING:
    import onnx

ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
"""Where ONNX's gates stand among the canonical ones: its i, o, f, c in i, f, g, o; its z, r, h in r, z, n."""

OPSET = 22
"""Version of ONNX's operators, the latest that changed LSTM, GRU and RNN."""


def in_onnx_order(rows: NDArray[Any], cell: str) -> NDArray[Any]:
    """Weights or biases `(G*H, ...)` with their gates in ONNX's order."""
    gates = np.split(rows, GATES[cell])
    return np.concatenate([gates[k] for k in ORDER[cell]])


def layer_weights(spec: ModelSpec, parameters: Parameters, layer: int) -> dict[str, NDArray[Any]]:
    """The inputs W `(D, G*H, I)`, R `(D, G*H, H)` and, with biases, B `(D, 2*G*H)` of one layer's operator.

    ONNX has two biases where the canonical model has one. The canonical bias becomes the first. The second is zero
    but for a GRU's ``bias_hn``.
    """
    directions = [f"layers.{layer}.{direction}" for direction in spec.directions]

    def stacked(name: str) -> NDArray[Any]:
        return np.stack([in_onnx_order(parameters[f"{prefix}.{name}"], spec.cell) for prefix in directions])

    weights = {"W": stacked("weight_ih"), "R": stacked("weight_hh")}
    if spec.bias:
        first = stacked("bias")
        second = np.zeros_like(first)
        if spec.cell == "gru":
            second[:, -spec.hidden_sizes[layer] :] = [parameters[f"{prefix}.bias_hn"] for prefix in directions]
        weights["B"] = np.concatenate([first, second], axis=1)
    return weights


def layer_attributes(spec: ModelSpec, layer: int) -> dict[str, Any]:
    """The attributes of one layer's operator."""
    attributes = {
        "hidden_size": spec.hidden_sizes[layer],
        "direction": "bidirectional" if spec.bidirectional else "forward",
    }
    return attributes | ({"linear_before_reset": 1} if spec.cell == "gru" else {})


class _Graph:
    """Nodes and constants in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any] | Sequence[int]) -> str:
        """Add an array, floats as float32 and integers as int64, and return its name."""
        from onnx import numpy_helper

        array = np.asarray(value)
        kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
        self.constants.append(numpy_helper.from_array(array.astype(kind), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its first output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))
        return outputs[0]

    def layer(self, spec: ModelSpec, parameters: Parameters, layer: int, x: str) -> tuple[str, str]:
        """Add a layer on top of x `(T, B, I)`; outputs `(T, B, D*H)` and final h `(D, B, H)`, by their names."""
        own = f"layers.{layer}"
        weights = layer_weights(spec, parameters, layer)
        names = [self.constant(f"{own}.{name}", value) for name, value in weights.items()]
        y, y_h = f"{own}.Y", f"{own}.Y_h"  # Y is (T, D, B, H)
        self.node(spec.cell.upper(), [x, *names], y, y_h, **layer_attributes(spec, layer))
        swapped = self.node("Transpose", [y], f"{own}.swapped", perm=[0, 2, 1, 3])
        shape = self.constant(f"{own}.shape", [0, 0, -1])  # 0 keeps a size
        return self.node("Reshape", [swapped, shape], f"{own}.outputs"), y_h

    def readout(self, spec: ModelSpec, outputs: str, final: str) -> str:
        """Add what the head reads, features second: `(B, D*H)`, or `(B, D*H, T)` of all outputs."""
        if spec.readout == "all":
            return self.node("Transpose", [outputs], "readout", perm=[1, 2, 0])
        swapped = self.node("Transpose", [final], "final", perm=[1, 0, 2])
        return self.node("Reshape", [swapped, self.constant("readout.shape", [0, -1])], "readout")

    def batch_norm(self, parameters: Parameters, x: str) -> str:
        """Add batch normalisation in evaluation mode of x, whose second axis has the features."""
        names = [f"batch_norm.{name}" for name in ("weight", "bias", "mean", "variance")]
        given = [self.constant(name, parameters[name]) for name in names]
        return self.node("BatchNormalization", [x, *given], "normalised", epsilon=1e-5)

    def head(self, spec: ModelSpec, parameters: Parameters, x: str) -> None:
        """Add the logits `(B, O)` or `(B, T, O)`."""
        if spec.readout == "all":
            x = self.node("Transpose", [x], "features", perm=[0, 2, 1])
        weight = self.constant("head.weight", parameters["head.weight"].T)
        product = self.node("MatMul", [x, weight], "product" if spec.bias else "logits")
        if spec.bias:
            self.node("Add", [product, self.constant("head.bias", parameters["head.bias"])], "logits")


def network(spec: ModelSpec, parameters: Parameters) -> onnx.ModelProto:
    """Build the model that infers: input ``x`` `(B, T, I)`, output ``logits`` `(B, O)` or `(B, T, O)`, in float32.

    Args:
        spec: the model; dropout has no effect.
        parameters: by canonical name, with the statistics of batch normalisation.
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    outputs, final = graph.node("Transpose", ["x"], "steps", perm=[1, 0, 2]), ""
    for layer in range(len(spec.hidden_sizes)):
        outputs, final = graph.layer(spec, parameters, layer, outputs)
    readout = graph.readout(spec, outputs, final)
    graph.head(spec, parameters, graph.batch_norm(parameters, readout) if spec.batch_norm else readout)

    kept = ["B", "T"] if spec.readout == "all" else ["B"]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", "T", spec.input_size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [*kept, spec.output_size])
    return helper.make_model(
        helper.make_graph(graph.nodes, "network", [x], [logits], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
