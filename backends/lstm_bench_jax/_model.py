"""A model in JAX: a program with its parameters and its optimizer's state on one device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from lstm_bench import Model, Parameters, State, describe_jax, padded_blocks
from lstm_bench_jax._cells import Tensors
from lstm_bench_jax._network import Trained
from lstm_bench_jax._program import Program, TrainState


class JaxModel(Model[Array]):
    """A program with its parameters and optimizer on one device."""

    def __init__(self, program: Program, parameters: Parameters, device: jax.Device, seed: int) -> None:
        self._program, self._device = program, device
        # Copies: on the CPU, JAX may go on using the memory that it is given.
        canonical = {name: np.array(array, program.dtype) for name, array in parameters.items()}
        trained, statistics = jax.device_put(
            (program.network.pack(canonical), program.network.pack_statistics(canonical)), device
        )
        others = program.optimizer.init(trained), jax.random.key(seed % 2**32)
        self._state = TrainState(trained, statistics, *jax.device_put(others, device))
        self._pending: list[Array] = []

    def put(self, array: NDArray[Any]) -> Array:
        dtype = self._program.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.int32)
        # A copy: on the CPU, JAX may go on using the memory that it is given.
        return jax.device_put(np.array(array, dtype), self._device)

    def get(self, native: Array) -> NDArray[Any]:
        return np.array(native, np.float32 if native.dtype == jnp.bfloat16 else None)

    def infer(self, x: Array) -> Array:
        logits = self._program.infer(self._state.trained, self._state.statistics, x)
        self._pending.append(logits)
        return logits

    def train(self, x: Array, y: Array, order: Array) -> Array:
        found = []
        for block, steps in padded_blocks(order, jnp.pad):
            self._state, losses = self._program.train(self._state, x, y, block, steps)
            found.append(losses[:steps])
        losses = found[0] if len(found) == 1 else jnp.concatenate(found)
        self._pending.append(losses)
        return losses

    def differentiate(self, x: Array, y: Array) -> tuple[Array, Trained]:
        state = self._state
        value, gradients, key = self._program.differentiate(state.trained, state.statistics, x, y, state.key)
        self._state = state._replace(key=key)
        # All results of one program are ready at once, so waiting for the loss is enough. To keep the gradients of a
        # whole block would fill the memory.
        self._pending.append(value)
        return value, gradients

    def gradients(self, x: Array, y: Array) -> tuple[float, Parameters]:
        value, gradients = self.differentiate(x, y)
        return float(value), self._program.network.unpack(jax.tree.map(self.get, gradients))

    def input_gradient(self, x: Array, y: Array) -> NDArray[Any]:
        state = self._state
        d_x, key = self._program.input_gradient(state.trained, state.statistics, x, y, state.key)
        self._state = state._replace(key=key)
        return self.get(d_x)

    def states(self, x: Array, initial: State | None = None) -> tuple[NDArray[Any], State]:
        begin: list[list[Tensors]] | None = None
        if initial is not None:
            parts = [[self.put(layer) for layer in part] for part in (initial.h, initial.c) if part]
            begin = [list(zip(*layer, strict=True)) for layer in zip(*parts, strict=True)]
        outputs, finals = self._program.states(self._state.trained, x, begin)
        stacked = [tuple(np.stack([self.get(a) for a in part]) for part in zip(*ends, strict=True)) for ends in finals]
        return self.get(outputs), State(*zip(*stacked, strict=True))

    def parameters(self) -> Parameters:
        network, state = self._program.network, self._state
        trained, statistics = jax.tree.map(self.get, (state.trained, state.statistics))
        return network.unpack(trained) | network.unpack_statistics(statistics)

    def synchronize(self) -> None:
        # Every result, not only the last: XLA's CPU client runs independent programs side by side.
        jax.block_until_ready((self._state, self._pending))
        self._pending.clear()

    def kernel_path(self, x: Array) -> str:
        return _kernels(self._program.infer, self._state.trained, self._state.statistics, x)

    def training_kernel_path(self, x: Array, y: Array, order: Array) -> str:
        block, steps = next(padded_blocks(order, jnp.pad))
        return _kernels(self._program.train, self._state, x, y, block, steps, around=1)


def _kernels(function: jax.stages.Wrapped, *given: Any, around: int = 0) -> str:
    """What computes a call of a jitted function.

    Args:
        function: a function of the program.
        given: its arguments.
        around: loops around the model.
    """
    if len(jax.make_jaxpr(lambda: function(*given))().eqns) > 1:  # jit is switched off for the whole process
        return "JAX operations one by one"
    return describe_jax(function.lower(*given).compile(), around=around)
