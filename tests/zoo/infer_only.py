"""A plugin of a runtime that only infers: a whole model as one ONNX graph, run by ONNX's reference evaluator.

It has no ability at all, and no precision but float32.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Backend, BackendInfo, Model, hookimpl


class OnnxBackend(Backend):
    """ONNX's reference evaluator, which is written in NumPy."""

    def versions(self):
        import onnx

        return {"onnx": onnx.__version__}

    def devices(self):
        return {"cpu": ""}

    def refuses(self, spec, train, setting):
        return None if setting.precision == "float32" else f"the graph has no {setting.precision}"

    def build(self, spec, train, parameters, setting, *, seed):
        return OnnxModel(spec, parameters)


class OnnxModel(Model[NDArray[Any]]):
    """One graph, with the weights as its constants."""

    def __init__(self, spec, parameters):
        from onnx.reference import ReferenceEvaluator

        from onnx_network import network

        self._parameters = {name: array.astype(np.float32) for name, array in parameters.items()}
        self._session = ReferenceEvaluator(network(spec, self._parameters))

    def put(self, array):
        return np.array(array, np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64)

    def get(self, native):
        return native.copy()

    def infer(self, x):
        (logits,) = self._session.run(["logits"], {"x": x})
        return logits

    def parameters(self):
        return {name: array.copy() for name, array in self._parameters.items()}


def load() -> Backend:
    sys.path.append(str(Path(__file__).parents[1] / "support"))
    return OnnxBackend()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="onnx",
        summary="ONNX's reference evaluator, which only infers",
        load=load,
        abilities=(),
        requires=("onnx",),
        install='pip install "onnx>=1.23"',
    )
