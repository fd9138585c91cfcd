"""The recurrent cells: one time step forwards, and one time step backwards.

Arrays of one time step are `(B, ...)`. Arrays of all time steps are `(T, B, ...)`, stacked by a scan. Weights are
`(inputs, outputs)`, the transpose of the canonical layout, as the matrix products take them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import sigmoid
from numpy.typing import NDArray

HostWeights: TypeAlias = dict[str, NDArray[Any]]
"""Weights in NumPy. Layouts are changed here, since JAX would compile every transpose."""

Weights: TypeAlias = dict[str, Array]
Tensors: TypeAlias = tuple[Array, ...]


class Cell(ABC):
    """One kind of cell. Its state is h, or h and c, each `(B, H)`.

    Attributes:
        gates: G, the number of pre-activations of each unit.
        states: the number of arrays in the state.
    """

    gates: int
    states = 1

    @abstractmethod
    def pack(self, canonical: HostWeights) -> HostWeights:
        """The cell's weights from the parameters of one layer and direction, by canonical name."""

    @abstractmethod
    def unpack(self, weights: HostWeights) -> HostWeights:
        """The inverse of ``pack``, for weights and for their gradients."""

    @abstractmethod
    def step(self, weights: Weights, x: Array, state: Tensors) -> tuple[Tensors, Tensors]:
        """One time step.

        Returns:
            The next state; and the arrays that ``step_back`` needs, first of them h before the step.
        """

    @abstractmethod
    def recurrent(self, weights: Weights) -> Array:
        """W_hh, the weights that h is multiplied by, `(H, G*H)`."""

    @abstractmethod
    def step_back(self, recurrent: Array, kept: Tensors, d_state: Tensors) -> tuple[Tensors, Tensors]:
        """One time step back.

        Args:
            recurrent: as ``recurrent`` gives it.
            kept: as ``step`` gives it.
            d_state: the gradients by the state after the step.

        Returns:
            The gradients by the state before the step, and by the pre-activations `(B, G*H)`.
        """

    @abstractmethod
    def gradients(self, weights: Weights, xs: Array, hs: Array, d_z: Tensors) -> tuple[Weights, Array]:
        """The gradients by the weights and by ``xs``: a few large products over all time steps.

        Args:
            weights: the weights.
            xs: the layer's inputs `(T, B, I)`.
            hs: h before each time step `(T, B, H)`.
            d_z: the gradients by the pre-activations of all time steps `(T, B, G*H)`, from ``step_back``.
        """


class _OneProduct(Cell):
    """A cell that computes all gates in one product: ``kernel`` `(I+H, G*H)` holds W_ih above W_hh."""

    def pack(self, canonical: HostWeights) -> HostWeights:
        kernel = np.concatenate((canonical["weight_ih"].T, canonical["weight_hh"].T))
        return {"kernel": kernel} | {name: canonical[name] for name in ("bias",) if name in canonical}

    def unpack(self, weights: HostWeights) -> HostWeights:
        weight_ih, weight_hh = self._split(weights["kernel"])
        return {"weight_ih": weight_ih.T, "weight_hh": weight_hh.T} | {
            name: weights[name] for name in ("bias",) if name in weights
        }

    def _split(self, kernel: Any) -> tuple[Any, Any]:
        """W_ih `(I, G*H)` and W_hh `(H, G*H)`."""
        hidden = kernel.shape[1] // self.gates
        return kernel[:-hidden], kernel[-hidden:]

    def _z(self, weights: Weights, x: Array, h: Array) -> Array:
        return _biased(jnp.concatenate((x, h), axis=-1) @ weights["kernel"], weights, "bias")

    def recurrent(self, weights: Weights) -> Array:
        return self._split(weights["kernel"])[1]

    def gradients(self, weights: Weights, xs: Array, hs: Array, d_z: Tensors) -> tuple[Weights, Array]:
        rows = _rows(d_z[0])
        # Two products: a single product of xs beside hs would first have to copy both into one array.
        found = {"kernel": jnp.concatenate((_rows(xs).T @ rows, _rows(hs).T @ rows))}
        if "bias" in weights:
            found["bias"] = rows.sum(axis=0)
        return found, d_z[0] @ self._split(weights["kernel"])[0].T


class LSTM(_OneProduct):
    """Gates i, f, g, o; the state is h and c."""

    gates, states = 4, 2

    def step(self, weights: Weights, x: Array, state: Tensors) -> tuple[Tensors, Tensors]:
        h, c = state
        i, f, g, o = jnp.split(self._z(weights, x, h), 4, axis=-1)
        i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        c_next = f * c + i * g
        return (o * jnp.tanh(c_next), c_next), (h, c, i, f, g, o)

    def step_back(self, recurrent: Array, kept: Tensors, d_state: Tensors) -> tuple[Tensors, Tensors]:
        _, c, i, f, g, o = kept
        d_h, d_c = d_state
        tanh_c = jnp.tanh(f * c + i * g)  # to compute it again costs less than to store it
        d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)
        d_z = jnp.concatenate(
            (d_c * g * i * (1 - i), d_c * c * f * (1 - f), d_c * i * (1 - g * g), d_h * tanh_c * o * (1 - o)), axis=-1
        )
        return (d_z @ recurrent.T, d_c * f), (d_z,)


class RNN(_OneProduct):
    """``h' = tanh(z)``."""

    gates = 1

    def step(self, weights: Weights, x: Array, state: Tensors) -> tuple[Tensors, Tensors]:
        (h,) = state
        h_next = jnp.tanh(self._z(weights, x, h))
        return (h_next,), (h, h_next)

    def step_back(self, recurrent: Array, kept: Tensors, d_state: Tensors) -> tuple[Tensors, Tensors]:
        _, h_next = kept
        d_z = d_state[0] * (1 - h_next * h_next)
        return (d_z @ recurrent.T,), (d_z,)


class GRU(Cell):
    """Gates r, z, n. The reset gate scales the candidate's recurrent product, so that product is kept apart."""

    gates = 3

    def pack(self, canonical: HostWeights) -> HostWeights:
        return {name: array.T for name, array in canonical.items()}

    def unpack(self, weights: HostWeights) -> HostWeights:
        return self.pack(weights)

    def recurrent(self, weights: Weights) -> Array:
        return weights["weight_hh"]

    def step(self, weights: Weights, x: Array, state: Tensors) -> tuple[Tensors, Tensors]:
        (h,) = state
        x_r, x_z, x_n = jnp.split(_biased(x @ weights["weight_ih"], weights, "bias"), 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ weights["weight_hh"], 3, axis=-1)
        r, z, h_n = sigmoid(x_r + h_r), sigmoid(x_z + h_z), _biased(h_n, weights, "bias_hn")
        n = jnp.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,), (h, r, z, n, h_n)

    def step_back(self, recurrent: Array, kept: Tensors, d_state: Tensors) -> tuple[Tensors, Tensors]:
        h, r, z, n, h_n = kept
        (d_h,) = d_state
        d_n = d_h * (1 - z) * (1 - n * n)
        d_r, d_z = d_n * h_n * r * (1 - r), d_h * (h - n) * z * (1 - z)
        of_x = jnp.concatenate((d_r, d_z, d_n), axis=-1)
        of_h = jnp.concatenate((d_r, d_z, d_n * r), axis=-1)
        return (of_h @ recurrent.T + d_h * z,), (of_x, of_h)

    def gradients(self, weights: Weights, xs: Array, hs: Array, d_z: Tensors) -> tuple[Weights, Array]:
        of_x, of_h = map(_rows, d_z)
        found = {"weight_ih": _rows(xs).T @ of_x, "weight_hh": _rows(hs).T @ of_h}
        if "bias" in weights:
            found["bias"] = of_x.sum(axis=0)
            found["bias_hn"] = of_h[:, -hs.shape[-1] :].sum(axis=0)
        return found, d_z[0] @ weights["weight_ih"].T


CELLS: dict[str, Cell] = {"lstm": LSTM(), "gru": GRU(), "rnn": RNN()}


def _biased(z: Array, weights: Weights, name: str) -> Array:
    return z + weights[name] if name in weights else z


def _rows(array: Array) -> Array:
    """`(T, B, ...)` as `(T*B, ...)`."""
    return array.reshape(-1, array.shape[-1])
