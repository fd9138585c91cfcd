"""The LSTM cell (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

z = x W_ih^T + h W_hh^T + b        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)        g = tanh(z_g)
c' = f * c + i * g                 h' = o * tanh(c')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lstm_bench_numpy._recurrent import Array, Buffers, Recurrent, Steps

CHUNK_BYTES = 2**18
"""Bytes of gates that the backward pass prepares in one call. More would save calls, but leave the processor's cache
before the loop reads it."""


class LSTMBuffers(Buffers):
    """Buffers with the memory c and its gradient."""

    def __init__(self, steps: int, batch: int, layer: Recurrent[Any]) -> None:
        super().__init__(steps, batch, layer)
        H, z, d_z = layer.hidden_size, self.z, self.d_z
        self.c, self.c_before, c_after = self.states(steps, batch, H)
        self.tanh_c, self.into_c = np.empty((2, steps, batch, H), self.dtype)
        self.d_c, self.recurrent = np.empty((batch, H), self.dtype), np.empty((batch, 4 * H), self.dtype)
        self.forward_steps: Steps = [
            (
                z[t],
                *(z[t][:, k * H : (k + 1) * H] for k in range(4)),
                self.c_before[t],
                c_after[t],
                self.tanh_c[t],
                self.h_before[t],
                self.outputs[t],
            )
            for t in self.times
        ]
        self.backward_steps: Steps = [
            (d_z[t].reshape(batch, 4, H)[:, :3], d_z[t][:, 3 * H :], d_z[t], z[t][:, H : 2 * H], self.into_c[t])
            for t in range(steps)
        ]
        length = max(1, CHUNK_BYTES // z[0].nbytes)
        chunks = [range(begin, min(begin + length, steps)) for begin in range(0, steps, length)]
        self.chunks = chunks if layer.reverse else chunks[::-1]  # time steps, in the order of the backward pass


class LSTM(Recurrent[LSTMBuffers]):
    """One direction of one LSTM layer, rows i, f, g, o."""

    gates = 4

    def __init__(self, parameters: Mapping[str, Array], *, reverse: bool) -> None:
        super().__init__(parameters, reverse=reverse)
        # sigmoid(z) = (1 + tanh(z / 2)) / 2, so one tanh serves all gates, with a scale before it, and a scale and a
        # shift after it.
        self._scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], self.dtype), self.hidden_size)
        self._shift = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], self.dtype), self.hidden_size)

    def allocate(self, steps: int, batch: int) -> LSTMBuffers:
        return LSTMBuffers(steps, batch, self)

    def set_state(self, buffers: LSTMBuffers, at: int, state: Sequence[Array | float]) -> None:
        buffers.h[at], buffers.c[at] = state

    def get_state(self, buffers: LSTMBuffers, at: int) -> tuple[Array, ...]:
        return buffers.h[at], buffers.c[at]

    def run(self, buffers: LSTMBuffers) -> None:
        weight, scale, shift, recurrent, ig = (
            self.weight_hh.T,
            self._scale,
            self._shift,
            buffers.recurrent,
            buffers.scratch,
        )
        for z, i, f, g, o, c_before, c, tanh_c, h_before, h in buffers.forward_steps:
            np.matmul(h_before, weight, out=recurrent)
            z += recurrent
            z *= scale
            np.tanh(z, out=z)
            z *= scale
            z += shift
            np.multiply(f, c_before, out=c)
            np.multiply(i, g, out=ig)
            c += ig
            np.tanh(c, out=tanh_c)
            np.multiply(o, tanh_c, out=h)

    def run_back(self, buffers: LSTMBuffers, d_outputs: Array | None) -> None:
        d_h, d_c, product = buffers.d_h, buffers.d_c, buffers.scratch
        d_c[...] = 0
        d_c_gates = d_c[:, None, :]
        for chunk in buffers.chunks:
            self._prepare_backward(buffers, chunk)
            for t in chunk if self.reverse else chunk[::-1]:
                if d_outputs is not None:
                    d_h += d_outputs[t]
                d_z_ifg, d_z_o, d_z, f, into_c = buffers.backward_steps[t]
                np.multiply(d_h, into_c, out=product)
                d_c += product
                d_z_ifg *= d_c_gates
                d_z_o *= d_h
                d_c *= f
                np.matmul(d_z, self.weight_hh, out=d_h)

    def _prepare_backward(self, buffers: LSTMBuffers, chunk: range) -> None:
        """Compute the factors that do not depend on the incoming gradient, for several time steps at once.

        ``d_z`` gets the factors of d_c (for i, f, g) and of d_h (for o); ``into_c`` gets the factor of d_h in d_c. The
        forward pass has left the gates in ``z``.
        """
        at, H = slice(chunk.start, chunk.stop), self.hidden_size
        d_z, gates, tanh_c, into_c = buffers.d_z[at], buffers.z[at], buffers.tanh_c[at], buffers.into_c[at]
        i, _, g, o = (gates[..., k * H : (k + 1) * H] for k in range(4))
        d_i, d_f, d_g, d_o = (d_z[..., k * H : (k + 1) * H] for k in range(4))
        np.subtract(1, gates, out=d_z)
        d_z *= gates
        np.multiply(g, g, out=d_g)
        np.subtract(1, d_g, out=d_g)
        d_i *= g
        d_f *= buffers.c_before[at]
        d_g *= i
        d_o *= tanh_c
        np.multiply(tanh_c, tanh_c, out=into_c)
        np.subtract(1, into_c, out=into_c)
        into_c *= o
