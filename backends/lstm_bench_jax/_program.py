"""A model's computation in JAX without its numbers: a block of training steps is one compiled program."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from lstm_bench import ModelSpec, Precision, TrainSpec
from lstm_bench_jax import _layers
from lstm_bench_jax._network import Network, Statistics, Trained, loss

PRODUCTS = {"float64": "highest", "float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""JAX's name for the precision of matrix products, by the precision of the setting."""


class TrainState(NamedTuple):
    """All arrays that training changes."""

    trained: Trained
    statistics: Statistics
    optimizer: Any
    key: Array


class Program:
    """The functions of a model, apart from parameters and data. JAX compiles each function for each shape it meets.

    Attributes:
        dtype: of the parameters; a model in bfloat16 keeps them in float32.
        network: the model without its parameters.
        optimizer: the update of the parameters.
        infer: logits in evaluation mode.
        train: many steps; its first argument is overwritten.
        differentiate: the loss of a batch, its gradients by the parameters, and the key for the next dropout masks.
        input_gradient: the gradient of the same loss by ``x``, and the key for the next dropout masks.
        states: the outputs and final states of the recurrent layers.
    """

    def __init__(self, spec: ModelSpec, train: TrainSpec, precision: Precision, impl: str) -> None:
        recur = _layers.cudnn if impl == "cudnn" else _layers.scan(spec.cell, unroll=impl == "unrolled")
        self.dtype = np.dtype("float64" if precision == "float64" else "float32")
        self.network = Network(spec, recur, jnp.bfloat16 if precision == "bfloat16" else self.dtype)
        self.optimizer = _optimizer(train)
        self._train_spec, self._products = train, PRODUCTS[precision]
        self.infer = jax.jit(self._infer)
        self.train = jax.jit(self._train, donate_argnums=0)
        self.differentiate = jax.jit(self._differentiate)
        self.input_gradient = jax.jit(self._input_gradient)
        self.states = jax.jit(self._states)

    def _infer(self, trained: Trained, statistics: Statistics, x: Array) -> Array:
        with jax.default_matmul_precision(self._products):
            return self.network.infer(trained, statistics, x)

    def _states(self, trained: Trained, x: Array, initial: Any) -> Any:
        with jax.default_matmul_precision(self._products):
            return self.network.states(trained, x, initial)

    def _differentiate(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Trained, Array]:
        key, used = self._draw(key)
        (value, _), gradients = self._gradients(trained, statistics, x, y, used)
        return value, gradients, key

    def _input_gradient(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Array]:
        key, used = self._draw(key)
        with jax.default_matmul_precision(self._products):
            d_x, _ = jax.grad(self._loss, argnums=2, has_aux=True)(trained, statistics, x, y, used)
        return d_x, key

    def _draw(self, key: Array) -> tuple[Array, Array]:
        """The key for the next dropout masks and the key for these masks. Without dropout, no number is drawn."""
        if not self.network.spec.dropout:
            return key, key
        after, used = jax.random.split(key)
        return after, used

    def _gradients(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[tuple[Array, Statistics], Trained]:
        """The loss with the statistics after this batch, and the gradients of the loss."""
        with jax.default_matmul_precision(self._products):
            return jax.value_and_grad(self._loss, has_aux=True)(trained, statistics, x, y, key)

    def _loss(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Statistics]:
        logits, after = self.network.train(trained, statistics, x, key)
        return loss(self._train_spec, logits, y), after

    def _train(self, state: TrainState, x: Array, y: Array, order: Array, steps: Array) -> tuple[TrainState, Array]:
        """Train on the first ``steps`` rows of ``order``; the losses of the other rows are 0."""

        def step(n: Array, carry: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
            state, losses = carry
            rows = order[n]
            key, used = self._draw(state.key)
            x_batch, y_batch = (data.at[rows].get(mode="promise_in_bounds") for data in (x, y))
            (value, statistics), gradients = self._gradients(state.trained, state.statistics, x_batch, y_batch, used)
            updates, optimizer = self.optimizer.update(gradients, state.optimizer)
            trained = optax.apply_updates(state.trained, updates)
            return TrainState(trained, statistics, optimizer, key), losses.at[n].set(value)

        losses = jnp.zeros(len(order), self.dtype)
        result: tuple[TrainState, Array] = lax.fori_loop(0, steps, step, (state, losses))
        return result


@lru_cache
def program_of(spec: ModelSpec, train: TrainSpec, precision: Precision, impl: str) -> Program:
    """The program of a model. Models that compute the same share one program and all that is compiled for it."""
    return Program(spec, train, precision, impl)


def _optimizer(train: TrainSpec) -> optax.GradientTransformation:
    steps: list[optax.GradientTransformation] = []
    if train.clip_norm is not None:
        steps.append(optax.clip_by_global_norm(train.clip_norm))
    if train.optimizer == "adam":
        steps.append(optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8))
    elif train.optimizer == "rmsprop":
        steps.append(optax.scale_by_rms(decay=0.9, eps=1e-8, eps_in_sqrt=False))
    elif train.momentum:
        steps.append(optax.trace(decay=train.momentum))
    return optax.chain(*steps, optax.scale(-train.learning_rate))
