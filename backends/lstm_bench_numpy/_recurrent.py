"""What every recurrent cell has in common: one direction of one layer, forward and backward through time.

Sequences are time-major here, `(T, B, ...)`, so that one time step is one block of memory. The products with the input
weights do not depend on the state: one product before the loop serves all time steps, and after the backward loop one
product each gives the gradient of a weight matrix. What stays in the loop is the cell's own, in a derived class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

Steps = list[tuple[Array, ...]]
"""For each time step the views that its equations name, cut once."""


class Buffers:
    """Everything that one shape needs, allocated once.

    Args:
        steps: T.
        batch: B.
        layer: whose sizes, dtype and direction to follow.
    """

    def __init__(self, steps: int, batch: int, layer: Recurrent[Any]) -> None:
        H, rows, self.dtype, reverse = layer.hidden_size, layer.gates * layer.hidden_size, layer.dtype, layer.reverse
        self.times = range(steps)[::-1] if reverse else range(steps)  # in the order of reading
        # States stand between time steps: read forwards, step t goes from state t to t + 1; backwards, from t + 1 to t.
        self.begin, self.end = (steps, 0) if reverse else (0, steps)
        self._before, self._after = slice(None, -1), slice(1, None)
        if reverse:
            self._before, self._after = self._after, self._before
        self.h, self.h_before, self.outputs = self.states(steps, batch, H)
        self.z, self.d_z = np.empty((2, steps, batch, rows), self.dtype)  # before the gates' functions; its gradient
        self.d_recurrent = self.d_z  # gradient of h W_hh^T, where it differs
        self.d_h, self.scratch = np.empty((2, batch, H), self.dtype)
        self.x: Array = np.empty((0, 0), self.dtype)  # (T * B, I), not owned

    def states(self, steps: int, batch: int, H: int) -> tuple[Array, Array, Array]:
        """A state `(T + 1, B, H)`, and its views `(T, B, H)` before and after each time step."""
        state = np.empty((steps + 1, batch, H), self.dtype)
        return state, state[self._before], state[self._after]


B = TypeVar("B", bound=Buffers)


class Recurrent(ABC, Generic[B]):
    """One direction of one layer.

    Args:
        parameters: ``weight_ih`` `(G*H, I)`, ``weight_hh`` `(G*H, H)` and perhaps biases, by their last name.
        reverse: whether time is read from its end.
    """

    gates: ClassVar[int]

    def __init__(self, parameters: Mapping[str, Array], *, reverse: bool) -> None:
        self.parameters, self.reverse = parameters, reverse
        self.weight_ih, self.weight_hh = parameters["weight_ih"], parameters["weight_hh"]
        self.bias = parameters.get("bias")
        self.hidden_size, self.dtype = self.weight_hh.shape[1], self.weight_hh.dtype
        self._kept: dict[tuple[int, int], B] = {}
        self._last: B

    @abstractmethod
    def allocate(self, steps: int, batch: int) -> B:
        """Buffers for one shape."""

    @abstractmethod
    def run(self, buffers: B) -> None:
        """From ``z``, which holds x W_ih^T + b, and the state at ``begin``, compute the state after every time step."""

    @abstractmethod
    def run_back(self, buffers: B, d_outputs: Array | None) -> None:
        """From ``d_h``, the gradient of the final h, and those of all outputs, compute ``d_z`` and ``d_recurrent``."""

    def set_state(self, buffers: B, at: int, state: Sequence[Array | float]) -> None:
        """Write h, and c if the cell has one, before or after a time step."""
        buffers.h[at] = state[0]

    def get_state(self, buffers: B, at: int) -> tuple[Array, ...]:
        """Views of h, and of c if the cell has one, before or after a time step."""
        return (buffers.h[at],)

    def forward(self, x: Array, initial: Sequence[Array] | None = None) -> Array:
        """Outputs `(T, B, H)` in the order of time, from ``x`` `(T, B, I)` and an initial state, zeros if none.

        The outputs are a view that the next call for the same shape overwrites.
        """
        steps, batch, features = x.shape
        buffers = self._last = self._buffers_for(steps, batch)
        buffers.x = x.reshape(steps * batch, features)
        self.set_state(buffers, buffers.begin, (0.0, 0.0) if initial is None else initial)
        z = buffers.z.reshape(steps * batch, -1)
        np.matmul(buffers.x, self.weight_ih.T, out=z)
        if self.bias is not None:
            z += self.bias
        self.run(buffers)
        return buffers.outputs

    def final(self) -> tuple[Array, ...]:
        """h, and c if the cell has one, `(B, H)` after the last step of the latest ``forward``; views."""
        return self.get_state(self._last, self._last.end)

    def backward(
        self, d_outputs: Array | None, d_final: Array | None, *, wants_dx: bool
    ) -> tuple[dict[str, Array], Array | None]:
        """Gradients of the latest ``forward``.

        Args:
            d_outputs: gradient of the outputs `(T, B, H)`, or ``None`` for zero.
            d_final: gradient of the final h `(B, H)`, or ``None`` for zero.
            wants_dx: whether the gradient of x is wanted.

        Returns:
            Gradients by parameter name, and that of ``x`` `(T, B, I)` if it was wanted.
        """
        buffers = self._last
        buffers.d_h[...] = 0 if d_final is None else d_final
        self.run_back(buffers, d_outputs)
        steps, batch, rows = buffers.d_z.shape
        d_z, d_recurrent = (d.reshape(steps * batch, rows) for d in (buffers.d_z, buffers.d_recurrent))
        gradients: dict[str, Array] = {
            "weight_ih": d_z.T @ buffers.x,
            "weight_hh": d_recurrent.T @ buffers.h_before.reshape(steps * batch, self.hidden_size),
        }
        if self.bias is not None:
            gradients["bias"] = d_z.sum(axis=0)
        d_x: Array | None = (d_z @ self.weight_ih).reshape(steps, batch, -1) if wants_dx else None
        return gradients, d_x

    def _buffers_for(self, steps: int, batch: int) -> B:
        key = (steps, batch)
        if key not in self._kept:
            while len(self._kept) >= 3:  # training, evaluation, and a last odd batch
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self.allocate(steps, batch)
        return self._kept[key]
