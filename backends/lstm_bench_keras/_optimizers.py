"""The canonical update formulas as Keras optimizers. Keras's own Adam and RMSprop add epsilon at another place."""

from __future__ import annotations

from math import log
from typing import Any

import keras
from keras import ops

from lstm_bench import TrainSpec


class Adam(keras.optimizers.Optimizer):  # type: ignore[misc]  # Keras has no types
    """``m_hat / (sqrt(v_hat) + 1e-8)`` (Kingma & Ba 2015). Keras's own adds epsilon to the root of an uncorrected v."""

    def build(self, variables: Any) -> None:
        """Make zeros for both moments of each variable."""
        if not self.built:
            super().build(variables)
            self._m, self._v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable once."""
        at = self._get_variable_index(variable)
        m, v = self._m[at], self._v[at]
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign(m, m + 0.1 * (gradient - m))
        self.assign(v, v + 0.001 * (ops.square(gradient) - v))
        m_hat = m / -ops.expm1(step * log(0.9))  # 1 - 0.9**step without cancellation
        v_hat = v / -ops.expm1(step * log(0.999))
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * m_hat / (ops.sqrt(v_hat) + 1e-8))


class RMSprop(keras.optimizers.Optimizer):  # type: ignore[misc]
    """``g / (sqrt(v) + 1e-8)``. Keras's own adds epsilon under the root."""

    def build(self, variables: Any) -> None:
        """Make zeros for the mean square of each variable."""
        if not self.built:
            super().build(variables)
            (self._v,) = self.add_optimizer_variables(variables, ["v"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable once."""
        v = self._v[self._get_variable_index(variable)]
        self.assign(v, 0.9 * v + 0.1 * ops.square(gradient))
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * gradient / (ops.sqrt(v) + 1e-8))


class Momentum(keras.optimizers.Optimizer):  # type: ignore[misc]
    """``v = momentum * v + g; p -= lr * v``. Keras's own rounds the momentum to float32, also in float64."""

    def __init__(self, momentum: float, **common: Any) -> None:
        super().__init__(**common)
        self._momentum = momentum

    def build(self, variables: Any) -> None:
        """Make zeros for the velocity of each variable."""
        if not self.built:
            super().build(variables)
            (self._v,) = self.add_optimizer_variables(variables, ["v"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable once."""
        v = self._v[self._get_variable_index(variable)]
        self.assign(v, self._momentum * v + gradient)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * v)


def optimizer(train: TrainSpec, network: keras.Model) -> Any:
    """The optimizer of a ``TrainSpec``, with fresh state for a network's variables."""
    found = _optimizer(train)
    found.build(network.trainable_variables)
    return found


def _optimizer(train: TrainSpec) -> Any:
    common = {"learning_rate": train.learning_rate, "global_clipnorm": train.clip_norm}
    if train.optimizer == "adam":
        return Adam(**common)
    if train.optimizer == "rmsprop":
        return RMSprop(**common)
    return Momentum(train.momentum, **common) if train.momentum else keras.optimizers.SGD(**common)
