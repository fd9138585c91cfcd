"""Keras on JAX: a block of training steps is one jitted function of all that it changes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from lstm_bench import Parameters, Precision, TrainSpec
from lstm_bench_keras._model import LONGEST_BLOCK, Engine, KerasModel, describe_xla
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

    def model(self, network: Network, train: TrainSpec, jit: bool) -> KerasModel[Any]:
        return JaxModel(network, train, jit)

    def peak_memory(self) -> int | None:
        statistics = jax.devices()[0].memory_stats()
        return statistics["peak_bytes_in_use"] if statistics else None


class TrainState(NamedTuple):
    """The values of all variables that training changes."""

    trained: list[Array]
    others: list[Array]
    optimizer: list[Array]


class JaxModel(KerasModel[Array]):
    """The values live here, not in Keras's variables, which are brought up to date when someone asks."""

    def __init__(self, network: Network, train: TrainSpec, jit: bool) -> None:
        super().__init__(network, train)
        self._optimizer = optimizer(train, network)
        variables = (network.trainable_variables, network.non_trainable_variables, self._optimizer.variables)
        # Copies: what is donated to a program is gone, and Keras's variables still hold the originals.
        self._state = TrainState(*([jnp.array(variable.value) for variable in some] for some in variables))
        self._stale = False
        self._infer = jax.jit(self._logits) if jit else self._logits
        self._train = jax.jit(self._steps, donate_argnums=0) if jit else self._each_step
        self._pending: list[Array] = []

    def _put(self, array: NDArray[Any]) -> Array:
        return jax.device_put(array)

    def get(self, native: Array) -> NDArray[Any]:
        return np.array(native, np.float32 if native.dtype == jnp.bfloat16 else None)

    def infer(self, x: Array) -> Array:
        logits = self._infer(self._state.trained, self._state.others, x)
        self._pending.append(logits)
        return logits

    def _logits(self, trained: list[Array], others: list[Array], x: Array) -> Array:
        logits: Array = self._network.stateless_call(trained, others, x, training=False)[0]
        return logits

    def train(self, x: Array, y: Array, order: Array) -> Array:
        found = []
        for begin in range(0, len(order), LONGEST_BLOCK):
            block = order[begin : begin + LONGEST_BLOCK]
            padded = jnp.pad(block, ((0, LONGEST_BLOCK - len(block)), (0, 0)))
            self._state, losses = self._train(self._state, x, y, padded, len(block))
            found.append(losses[: len(block)])
        losses = found[0] if len(found) == 1 else jnp.concatenate(found)
        self._stale = True
        self._pending.append(losses)
        return losses

    def _steps(self, state: TrainState, x: Array, y: Array, order: Array, steps: Array) -> tuple[TrainState, Array]:
        """Train on the first ``steps`` rows of ``order``; the losses of the others are 0."""

        def step(n: Array, carry: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
            state, losses = carry
            state, value = self._step(state, x, y, order[n])
            return state, losses.at[n].set(value)

        result: tuple[TrainState, Array] = lax.fori_loop(0, steps, step, (state, jnp.zeros(len(order), self._dtype)))
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
        (value, others), gradients = self._loss_and_gradients(state, x_batch, y_batch)
        trained, optimizer = self._optimizer.stateless_apply(state.optimizer, gradients, state.trained)
        return TrainState(trained, others, optimizer), value

    def _loss(self, trained: list[Array], x: Array, y: Array, others: list[Array]) -> tuple[Array, list[Array]]:
        """The loss, and what a forward pass in training mode makes of the other values."""
        logits, others = self._network.stateless_call(trained, others, x, training=True)
        return loss(self._train_spec, logits, y), others

    def _loss_and_gradients(self, state: TrainState, x: Array, y: Array) -> tuple[tuple[Array, list[Array]], list[Any]]:
        found, gradients = jax.value_and_grad(self._loss, has_aux=True)(state.trained, x, y, state.others)
        return found, self._network.restrain(gradients)

    def input_gradient(self, x: Array, y: Array) -> NDArray[Any]:
        by_x = jax.grad(self._loss, argnums=1, has_aux=True)
        return self.get(by_x(self._state.trained, x, y, self._state.others)[0])

    def gradients(self, x: Array, y: Array) -> tuple[float, Parameters]:
        (value, others), gradients = self._loss_and_gradients(self._state, x, y)
        # The next call draws other masks; batch norm's statistics stay.
        norm = self._network.norm
        statistics = set() if norm is None else {id(norm.moving_mean), id(norm.moving_variance)}
        kept = [
            old if id(variable) in statistics else new
            for variable, old, new in zip(
                self._network.non_trainable_variables, self._state.others, others, strict=True
            )
        ]
        self._state = self._state._replace(others=kept)
        return float(value), self._canonical(gradients)

    def _refresh(self) -> None:
        if self._stale:
            network = self._network
            for variables, values in (
                (network.trainable_variables, self._state.trained),
                (network.non_trainable_variables, self._state.others),
            ):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(jnp.array(value))
            self._stale = False

    def synchronize(self) -> None:
        # Every result, not the last alone: XLA's CPU client runs independent programs side by side.
        jax.block_until_ready((self._state, self._pending))
        self._pending.clear()

    def kernel_path(self, x: Array) -> str:
        compiled = jax.jit(self._logits).lower(self._state.trained, self._state.others, x).compile()
        return describe_xla(compiled.as_text() or "")


ENGINE = Jax
