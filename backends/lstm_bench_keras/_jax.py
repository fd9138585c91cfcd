"""Keras on JAX: a block of training steps is one jitted function of all arrays that it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from lstm_bench import (
    JaxCompileSeconds,
    Parameters,
    Precision,
    TrainSpec,
    Unsupported,
    describe_jax,
    jax_peak_memory,
    padded_blocks,
)
from lstm_bench_keras._model import Engine, KerasModel, Program
from lstm_bench_keras._network import Network, loss
from lstm_bench_keras._optimizers import optimizer


class Jax(Engine):
    """JAX on the CPU or CUDA."""

    def __init__(self) -> None:
        # Off, even if the environment has it on: with 64-bit types allowed, some of Keras's operations turn float32
        # into float64.
        jax.config.update("jax_enable_x64", False)
        self._compiling = JaxCompileSeconds(jax.monitoring.register_event_duration_secs_listener)

    def compile_seconds(self) -> float:
        return self._compiling.total

    def versions(self) -> Mapping[str, str]:
        return {"jax": jax.__version__, "jaxlib": version("jaxlib")}

    def gpu(self) -> str | None:
        return str(jax.devices()[0].device_kind) if jax.default_backend() == "gpu" else None

    def program(
        self, network: Network, train: TrainSpec, precision: Precision, jit: bool, *, read_once: bool
    ) -> JaxProgram:
        return JaxProgram(network, train, precision, jit)

    def product(self, size: int, precision: Precision, jit: bool) -> Callable[[], None]:
        if precision == "float64":
            raise Unsupported("Keras has no float64 on jax")
        random, dtype = np.random.default_rng(0), "bfloat16" if precision == "bfloat16" else "float32"
        a, b = (jnp.asarray(random.random((size, size)), dtype) for _ in range(2))
        product = partial(jnp.matmul, precision=_PRODUCTS[precision])

        def multiply() -> None:
            jax.block_until_ready(product(a, b))

        return multiply

    def peak_memory(self) -> int:
        return jax_peak_memory(jax.devices()[0])


_PRODUCTS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""JAX's name for the precision of matrix products, by the precision of the setting."""


class TrainState(NamedTuple):
    """The values of all variables that training changes."""

    trained: list[Array]
    others: list[Array]
    optimizer: list[Array]


class JaxProgram(Program):
    """Pure functions of the values of all variables. Keras's own variables keep their initial values.

    Attributes:
        jit: whether XLA compiles the functions.
        infer: logits in evaluation mode.
        train: one step for each of the first rows of ``order``; its first argument is overwritten.
        differentiate: the loss of a batch in training mode, the untrained values after it, and its gradients.
        input_gradient: the gradient of the same loss by ``x``, and the untrained values after it.
        states: the outputs and final states of the recurrent layers.
    """

    def __init__(self, network: Network, train: TrainSpec, precision: Precision, jit: bool) -> None:
        super().__init__(network, train)
        self._optimizer, self._products = optimizer(train, network), _PRODUCTS[precision]
        self.jit = jit
        self.infer: Callable[..., Any] = jax.jit(self._infer) if jit else self._infer
        self.train: Callable[..., Any] = jax.jit(self._steps, donate_argnums=0) if jit else self._each_step
        self.differentiate: Callable[..., Any] = jax.jit(self._differentiate) if jit else self._differentiate
        self.input_gradient: Callable[..., Any] = jax.jit(self._input_gradient) if jit else self._input_gradient
        self.states: Callable[..., Any] = jax.jit(self._states) if jit else self._states

    def model(self, parameters: Parameters, seed: int) -> JaxModel:
        self.network.begin(parameters, seed)
        variables = (self.network.trainable_variables, self.network.non_trainable_variables, self._optimizer.variables)
        # Copies: training overwrites the arrays that it is given, and Keras's variables hold the originals.
        state = TrainState(*([jnp.array(variable.value) for variable in some] for some in variables))
        return JaxModel(self, state)

    def _infer(self, trained: list[Array], others: list[Array], x: Array) -> Array:
        with jax.default_matmul_precision(self._products):
            logits: Array = self.network.stateless_call(trained, others, x, training=False)[0]
        return logits

    def _steps(self, state: TrainState, x: Array, y: Array, order: Array, steps: Array) -> tuple[TrainState, Array]:
        """Train on the first ``steps`` rows of ``order``; the losses of the other rows are 0."""

        def step(n: Array, carry: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
            state, losses = carry
            state, value = self._step(state, x, y, order[n])
            return state, losses.at[n].set(value)

        losses = jnp.zeros(len(order), self.network.variable_dtype)
        result: tuple[TrainState, Array] = lax.fori_loop(0, steps, step, (state, losses))
        return result

    def _each_step(self, state: TrainState, x: Array, y: Array, order: Array, steps: int) -> tuple[TrainState, Array]:
        """The same as ``_steps``, one operation at a time."""
        losses = []
        for rows in order[:steps]:
            state, value = self._step(state, x, y, rows)
            losses.append(value)
        return state, jnp.stack(losses)

    def _step(self, state: TrainState, x: Array, y: Array, rows: Array) -> tuple[TrainState, Array]:
        x_batch, y_batch = (data.at[rows].get(mode="promise_in_bounds") for data in (x, y))
        value, others, gradients = self._gradients(state.trained, x_batch, y_batch, state.others, remember=True)
        trained, optimizer = self._optimizer.stateless_apply(state.optimizer, gradients, state.trained)
        return TrainState(trained, others, optimizer), value

    def _gradients(
        self, trained: list[Array], x: Array, y: Array, others: list[Array], *, remember: bool
    ) -> tuple[Array, list[Array], list[Array]]:
        """The loss, the untrained values after it, and its gradients by the trained values."""
        differentiated = jax.value_and_grad(partial(self._loss, remember=remember), has_aux=True)
        with jax.default_matmul_precision(self._products):
            (value, others), gradients = differentiated(trained, x, y, others)
        return value, others, self.network.restrain(gradients)

    def _differentiate(
        self, trained: list[Array], x: Array, y: Array, others: list[Array]
    ) -> tuple[Array, list[Array], list[Array]]:
        return self._gradients(trained, x, y, others, remember=False)

    def _input_gradient(
        self, trained: list[Array], x: Array, y: Array, others: list[Array]
    ) -> tuple[Array, list[Array]]:
        differentiated = jax.grad(partial(self._loss, remember=False), argnums=1, has_aux=True)
        with jax.default_matmul_precision(self._products):
            found: tuple[Array, list[Array]] = differentiated(trained, x, y, others)
        return found

    def _loss(
        self, trained: list[Array], x: Array, y: Array, others: list[Array], *, remember: bool
    ) -> tuple[Array, list[Array]]:
        """The loss, and the untrained values after it: the seeds of dropout and the running statistics.

        Args:
            trained: values of the trained variables.
            x: sequences `(B, T, I)`.
            y: their targets.
            others: the untrained values before it.
            remember: whether the running statistics take in those of this batch.
        """
        logits, others = self.network.stateless_call(trained, others, x, training=True, remember=remember)
        return loss(self.train_spec, logits, y), others

    def _states(
        self, trained: list[Array], x: Array, begin: list[list[Array]] | None
    ) -> tuple[Array, list[list[Array]]]:
        mapping = zip(self.network.trainable_variables, trained, strict=True)
        with jax.default_matmul_precision(self._products), keras.StatelessScope(state_mapping=mapping):
            return self.network.states(x, begin)


class JaxModel(KerasModel[Array]):
    """A program with the values of its variables, which the model holds itself."""

    def __init__(self, program: JaxProgram, state: TrainState) -> None:
        super().__init__(program.network)
        self._program, self._state = program, state
        self._pending: list[Any] = []

    def _put(self, array: NDArray[Any]) -> Array:
        return jax.device_put(array)

    def get(self, native: Array) -> NDArray[Any]:
        return np.array(native, np.float32 if native.dtype == jnp.bfloat16 else None)

    def infer(self, x: Array) -> Array:
        logits = self._program.infer(self._state.trained, self._state.others, x)
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

    def differentiate(self, x: Array, y: Array) -> tuple[Array, list[Array]]:
        state = self._state
        value, others, gradients = self._program.differentiate(state.trained, x, y, state.others)
        self._state = state._replace(others=others)
        # All results of one program are ready at once, so waiting for the loss is enough. To keep the gradients of a
        # whole block would fill the memory. Operations that run one by one are ready one by one.
        self._pending.append(value if self._program.jit else (value, gradients))
        return value, gradients

    def input_gradient(self, x: Array, y: Array) -> NDArray[Any]:
        d_x, others = self._program.input_gradient(self._state.trained, x, y, self._state.others)
        self._state = self._state._replace(others=others)
        return self.get(d_x)

    def _states(self, x: Array, begin: list[list[Array]] | None) -> tuple[Array, list[list[Array]]]:
        return self._program.states(self._state.trained, x, begin)

    def _value_of(self, variable: Any) -> Array:
        network, state = self._network, self._state
        variables = (*network.trainable_variables, *network.non_trainable_variables)
        by_variable = {id(one): value for one, value in zip(variables, (*state.trained, *state.others), strict=True)}
        return by_variable[id(variable)]

    def synchronize(self) -> None:
        # Every result, not only the last: XLA's CPU client runs independent programs side by side.
        jax.block_until_ready((self._state, self._pending))
        self._pending.clear()

    def kernel_path(self, x: Array) -> str:
        return _kernels(self._program.infer, self._state.trained, self._state.others, x)

    def training_kernel_path(self, x: Array, y: Array, order: Array) -> str:
        block, steps = next(padded_blocks(order, jnp.pad))
        return _kernels(self._program.train, self._state, x, y, block, steps, around=1)


def _kernels(function: Callable[..., Any], *given: Any, around: int = 0) -> str:
    """What computes a call of a function of the program.

    Args:
        function: a function of the program, jitted or not.
        given: its arguments.
        around: loops around the model, if the function is jitted.
    """
    called = jax.make_jaxpr(lambda: function(*given))().eqns
    if len(called) == 1 and isinstance(function, jax.stages.Wrapped):
        return describe_jax(function.lower(*given).compile(), around=around)
    loops = any(equation.primitive.name in ("scan", "while") for equation in called)
    return f"JAX operations one by one, {'a loop over time' if loops else 'no loop'}"


ENGINE = Jax
