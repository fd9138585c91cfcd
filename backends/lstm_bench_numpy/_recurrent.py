"""The common part of all recurrent cells: one direction of one layer, forward and backward through time.

Sequences are time-major here, `(T, B, ...)`, so that one time step is one block of memory. The product with the input
weights does not depend on the state, so one product before the loop serves all time steps. After the backward loop, one
product gives the gradient of each weight matrix. Only the equations of the cell stay in the loop, in a derived class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

Steps = list[tuple[Array, ...]]
"""For each time step, the views of buffers that its equations use. They are made once, since a slice costs time."""


class Buffers:
    """All arrays that one layer and direction needs for one shape of input, allocated once.

    Args:
        steps: time steps T.
        batch: sequences B.
        layer: the layer; gives sizes, dtype and direction.
    """

    def __init__(self, steps: int, batch: int, layer: Recurrent[Any]) -> None:
        H, rows, self.dtype, reverse = layer.hidden_size, layer.gates * layer.hidden_size, layer.dtype, layer.reverse
        self.times = range(steps)[::-1] if reverse else range(steps)  # in the order of reading
        # There is a state before and after each time step: step t goes from state t to t + 1, in reverse the other way.
        self.begin, self.end = (steps, 0) if reverse else (0, steps)
        self._before, self._after = slice(None, -1), slice(1, None)
        if reverse:
            self._before, self._after = self._after, self._before
        self.h, self.h_before, self.outputs = self.states(steps, batch, H)
        self.z, self.d_z = np.empty((2, steps, batch, rows), self.dtype)  # input of the gates' functions; its gradient
        self.d_recurrent = self.d_z  # gradient of h W_hh^T; a GRU has another array here
        self.d_h, self.scratch = np.empty((2, batch, H), self.dtype)
        self.x: Array = np.empty((0, 0), self.dtype)  # (T * B, I), a view of the input

    def states(self, steps: int, batch: int, H: int) -> tuple[Array, Array, Array]:
        """A state `(T + 1, B, H)`, and views of it `(T, B, H)`: before each time step, and after each."""
        state = np.empty((steps + 1, batch, H), self.dtype)
        return state, state[self._before], state[self._after]


B = TypeVar("B", bound=Buffers)


class Recurrent(ABC, Generic[B]):
    """One direction of one layer.

    Args:
        parameters: ``weight_ih`` `(G*H, I)`, ``weight_hh`` `(G*H, H)` and, in a model with biases, ``bias`` `(G*H,)`.
        reverse: whether the last time step is read first.
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
        """New buffers for ``steps`` time steps of ``batch`` sequences."""

    @abstractmethod
    def run(self, buffers: B) -> None:
        """Compute the state after every time step from the state at ``begin`` and ``z``, which holds x W_ih^T + b."""

    @abstractmethod
    def run_back(self, buffers: B, d_outputs: Array | None) -> None:
        """Compute ``d_z`` and ``d_recurrent`` from ``d_h``, the gradient of the final h, and the outputs' gradients."""

    def set_state(self, buffers: B, at: int, state: Sequence[Array | float]) -> None:
        """Write h, and c of an LSTM, into the state of number ``at``."""
        buffers.h[at] = state[0]

    def get_state(self, buffers: B, at: int) -> tuple[Array, ...]:
        """Views of h, and of c of an LSTM, in the state of number ``at``."""
        return (buffers.h[at],)

    def forward(self, x: Array, initial: Sequence[Array] | None = None) -> Array:
        """The outputs `(T, B, H)` in the order of time; a view that the next call for the same shape overwrites.

        Args:
            x: `(T, B, I)`.
            initial: h, and c of an LSTM, `(B, H)` each; zeros if ``None``.
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
        """The final h, and c of an LSTM, `(B, H)` each, of the latest ``forward``; views."""
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
            while len(self._kept) >= 3:  # one for training, one for evaluation, one for a smaller last batch
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self.allocate(steps, batch)
        return self._kept[key]
