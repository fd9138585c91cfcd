"""JAX's 64-bit types, allowed in the calls of float64 models and nowhere else.

Allowed for the whole process, they would change the programs of float32 models, too: the counters of loops, Adam's
update and dropout's masks would take 64 bits.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
from jax import Array
from numpy.typing import NDArray

from lstm_bench import Model, Parameters, State
from lstm_bench_jax._model import JaxModel
from lstm_bench_jax._network import Trained

Given = ParamSpec("Given")
Result = TypeVar("Result")

# JAX 0.8 moved it to the top level.
_home = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
_enable_x64: Callable[[bool], AbstractContextManager[None]] = _home.enable_x64


def in_64_bits(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """The same call, with 64-bit types allowed while it lasts."""

    @wraps(call)
    def allowed(*given: Given.args, **named: Given.kwargs) -> Result:
        with _enable_x64(True):
            return call(*given, **named)

    return allowed


class Float64Model(Model[Array]):
    """A model in float64.

    Args:
        model: built, and from now on called, with 64-bit types allowed.
    """

    def __init__(self, model: JaxModel) -> None:
        self._model = model

    @in_64_bits
    def put(self, array: NDArray[Any]) -> Array:
        return self._model.put(array)

    def get(self, native: Array) -> NDArray[Any]:
        return self._model.get(native)

    @in_64_bits
    def infer(self, x: Array) -> Array:
        return self._model.infer(x)

    @in_64_bits
    def train(self, x: Array, y: Array, order: Array) -> Array:
        return self._model.train(x, y, order)

    @in_64_bits
    def differentiate(self, x: Array, y: Array) -> tuple[Array, Trained]:
        return self._model.differentiate(x, y)

    @in_64_bits
    def gradients(self, x: Array, y: Array) -> tuple[float, Parameters]:
        return self._model.gradients(x, y)

    @in_64_bits
    def input_gradient(self, x: Array, y: Array) -> NDArray[Any]:
        return self._model.input_gradient(x, y)

    @in_64_bits
    def states(self, x: Array, initial: State | None = None) -> tuple[NDArray[Any], State]:
        return self._model.states(x, initial)

    @in_64_bits
    def parameters(self) -> Parameters:
        return self._model.parameters()

    def synchronize(self) -> None:
        self._model.synchronize()

    @in_64_bits
    def kernel_path(self, x: Array) -> str:
        return self._model.kernel_path(x)

    @in_64_bits
    def training_kernel_path(self, x: Array, y: Array, order: Array) -> str:
        return self._model.training_kernel_path(x, y, order)
