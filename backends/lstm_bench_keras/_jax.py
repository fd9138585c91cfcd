"""Keras on JAX: a block of training steps is one jitted function of all that it changes."""

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

from lstm_bench import Parameters, Precision, TrainSpec
from lstm_bench.plugin.xla import describe
from lstm_bench_keras._model import LONGEST_BLOCK, Engine, KerasModel, Program
from lstm_bench_keras._network import Network, loss
from lstm_bench_keras._optimizers import optimizer


class Jax(Engine):
    """JAX on the CPU or CUDA."""

    def __init__(self) -> None:
        self._compile_seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._note_duration)

    def _note_duration(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            self._compile_seconds += duration_secs

    def compile_seconds(self) -> float:
        return self._compile_seconds

    def versions(self) -> Mapping[str, str]:
        return {"jax": jax.__version__, "jaxlib": version("jaxlib")}

    def gpu(self) -> str | None:
        return str(jax.devices()[0].device_kind) if jax.default_backend() == "gpu" else None

    def prepare(self, precision: Precision) -> None:
        # Off, if it was on: with 64 bits allowed, some of Keras's operations give float64 where float32 went in.
        jax.config.update("jax_enable_x64", precision == "float64")
        products = {"tf32": "tensorfloat32", "bfloat16": "bfloat16"}.get(precision, "highest")
        jax.config.update("jax_default_matmul_precision", products)

    def program(self, network: Network, train: TrainSpec, jit: bool, *, read_once: bool) -> JaxProgram:
        return JaxProgram(network, train, jit)

    def product(self, size: int, dtype: str, jit: bool) -> Callable[[], None]:
        random = np.random.default_rng(0)
        a, b = (jnp.asarray(random.random((size, size)), dtype) for _ in range(2))

        def multiply() -> None:
            jax.block_until_ready(jnp.matmul(a, b))

        return multiply

    def peak_memory(self) -> int | None:
        statistics = jax.devices()[0].memory_stats()
        return statistics["peak_bytes_in_use"] if statistics else None


class TrainState(NamedTuple):
    """The values of all variables that training changes."""

    trained: list[Array]
    others: list[Array]
    optimizer: list[Array]


class JaxProgram(Program):
    """Pure functions of all values, which Keras's variables only lend their names.

    Attributes:
        jit: whether XLA compiles the functions.
        infer: logits.
        train: steps in a row of ``order``.
        differentiate: the loss of a batch in training mode, the other values after it, and its gradients.
        input_gradient: that of the same loss by ``x``, and the other values.
        states: what the recurrent layers compute.
    """

    def __init__(self, network: Network, train: TrainSpec, jit: bool) -> None:
        super().__init__(network, train)
        self._optimizer = optimizer(train, network)
        self.jit = jit
        self.infer: Callable[..., Any] = jax.jit(self.logits) if jit else self.logits
        self.train: Callable[..., Any] = jax.jit(self._steps, donate_argnums=0) if jit else self._each_step
        self.differentiate: Callable[..., Any] = jax.jit(self._differentiate) if jit else self._differentiate
        self.input_gradient: Callable[..., Any] = jax.jit(self._input_gradient) if jit else self._input_gradient
        self.states: Callable[..., Any] = jax.jit(self._states) if jit else self._states

    def model(self, parameters: Parameters, seed: int) -> JaxModel:
        self.network.begin(parameters, seed)
        variables = (self.network.trainable_variables, self.network.non_trainable_variables, self._optimizer.variables)
        # Copies: what is donated to a program is gone, and Keras's variables still hold the originals.
        state = TrainState(*([jnp.array(variable.value) for variable in some] for some in variables))
        return JaxModel(self, state)

    def logits(self, trained: list[Array], others: list[Array], x: Array) -> Array:
        """In evaluation mode."""
        logits: Array = self.network.stateless_call(trained, others, x, training=False)[0]
        return logits

    def _steps(self, state: TrainState, x: Array, y: Array, order: Array, steps: Array) -> tuple[TrainState, Array]:
        """Train on the first ``steps`` rows of ``order``; the losses of the others are 0."""

        def step(n: Array, carry: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
            state, losses = carry
            state, value = self._step(state, x, y, order[n])
            return state, losses.at[n].set(value)

        losses = jnp.zeros(len(order), self.network.variable_dtype)
        result: tuple[TrainState, Array] = lax.fori_loop(0, steps, step, (state, losses))
        return result

    def _each_step(self, state: TrainState, x: Array, y: Array, order: Array, steps: int) -> tuple[TrainState, Array]:
        """The same, one operation at a time."""
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
        """The loss, the other values after it, and its gradients by the trained ones."""
        differentiated = jax.value_and_grad(partial(self._loss, remember=remember), has_aux=True)
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
        found: tuple[Array, list[Array]] = differentiated(trained, x, y, others)
        return found

    def _loss(
        self, trained: list[Array], x: Array, y: Array, others: list[Array], *, remember: bool
    ) -> tuple[Array, list[Array]]:
        """The loss, and the other values after it: where dropout's draws are, and statistics that may remember it."""
        logits, others = self.network.stateless_call(trained, others, x, training=True, remember=remember)
        return loss(self.train_spec, logits, y), others

    def _states(
        self, trained: list[Array], x: Array, begin: list[list[Array]] | None
    ) -> tuple[Array, list[list[Array]]]:
        mapping = zip(self.network.trainable_variables, trained, strict=True)
        with keras.StatelessScope(state_mapping=mapping):
            return self.network.states(x, begin)


class JaxModel(KerasModel[Array]):
    """A program with the values of its variables, which live here and not in Keras."""

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
        for begin in range(0, len(order), LONGEST_BLOCK):
            block = order[begin : begin + LONGEST_BLOCK]
            self._state, losses = self._program.train(self._state, x, y, _padded(block), len(block))
            found.append(losses[: len(block)])
        losses = found[0] if len(found) == 1 else jnp.concatenate(found)
        self._pending.append(losses)
        return losses

    def differentiate(self, x: Array, y: Array) -> tuple[Array, list[Array]]:
        state = self._state
        value, others, gradients = self._program.differentiate(state.trained, x, y, state.others)
        self._state = state._replace(others=others)
        # What one program computes is ready at once, so that the loss stands for it: the gradients of a whole block
        # would fill the memory. Computed one operation at a time, each is ready by itself.
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
        names = (*network.trainable_variables, *network.non_trainable_variables)
        by_variable = {id(one): value for one, value in zip(names, (*state.trained, *state.others), strict=True)}
        return by_variable[id(variable)]

    def synchronize(self) -> None:
        # Every result, not the last alone: XLA's CPU client runs independent programs side by side.
        jax.block_until_ready((self._state, self._pending))
        self._pending.clear()

    def kernel_path(self, x: Array) -> str:
        return _kernels(self._program.infer, self._state.trained, self._state.others, x)

    def training_kernel_path(self, x: Array, y: Array, order: Array) -> str:
        steps = min(len(order), LONGEST_BLOCK)
        return _kernels(self._program.train, self._state, x, y, _padded(order[:steps]), steps, around=1)


def _padded(block: Array) -> Array:
    """Rows up to ``LONGEST_BLOCK``, which is what the program of training takes."""
    return jnp.pad(block, ((0, LONGEST_BLOCK - len(block)), (0, 0)))


def _kernels(function: Callable[..., Any], *given: Any, around: int = 0) -> str:
    """What computes a call of a function, jitted or not, in which there are so many loops around the model if it is."""
    called = jax.make_jaxpr(lambda: function(*given))().eqns
    if len(called) == 1 and isinstance(function, jax.stages.Wrapped):
        return describe(function.lower(*given).compile().as_text() or "", around=around)
    loops = any(equation.primitive.name in ("scan", "while") for equation in called)
    return f"JAX operations one by one, {'a loop over time' if loops else 'no loop'}"


ENGINE = Jax
