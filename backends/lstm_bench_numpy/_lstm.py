"""One direction of one LSTM layer, forward and backward (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    z = x W_ih^T + h W_hh^T + b        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)        g = tanh(z_g)
    c' = f * c + i * g                 h' = o * tanh(c')

Sequences are time-major here, `(T, B, ...)`, so that one time step is one block of memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

CHUNK_BYTES = 2**18
"""Gates that the backward pass prepares at once: many time steps in one call where they are small, but no more than
stays in a processor's cache until the loop gets there."""


class LSTM:
    """One direction of one layer. It reads its parameters and writes its gradients where the model keeps them.

    Args:
        weight_ih: `(4H, I)`, rows i, f, g, o.
        weight_hh: `(4H, H)`.
        bias: `(4H,)` or ``None``.
        reverse: whether time is read from its end.
    """

    def __init__(self, weight_ih: Array, weight_hh: Array, bias: Array | None, *, reverse: bool) -> None:
        self.weight_ih, self.weight_hh, self.bias, self.reverse = weight_ih, weight_hh, bias, reverse
        self.hidden_size = H = weight_hh.shape[1]
        # sigmoid(z) = (1 + tanh(z / 2)) / 2, so a scale before, a scale after and a shift make one tanh serve all gates
        self._scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], weight_hh.dtype), H)
        self._shift = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], weight_hh.dtype), H)
        self._buffers: dict[tuple[int, int], _Buffers] = {}
        self._last: _Buffers

    def forward(self, x: Array, initial: tuple[Array, Array] | None = None) -> Array:
        """Outputs `(T, B, H)` in the order of time, from ``x`` `(T, B, I)` and initial h and c `(B, H)`, zeros if none.

        The outputs are a view that the next call for the same shape overwrites.
        """
        steps, batch, features = x.shape
        buffers = self._last = self._buffers_for(steps, batch)
        buffers.x = x.reshape(steps * batch, features)
        buffers.h[buffers.begin], buffers.c[buffers.begin] = (0.0, 0.0) if initial is None else initial

        z_all = buffers.gates.reshape(steps * batch, -1)
        np.matmul(buffers.x, self.weight_ih.T, out=z_all)
        if self.bias is not None:
            z_all += self.bias
        weight, scale, shift, recurrent, ig = self.weight_hh.T, self._scale, self._shift, buffers.z, buffers.bh
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
        return buffers.outputs

    def final(self) -> tuple[Array, Array]:
        """H and c `(B, H)` after the last step of the latest ``forward``; views."""
        return self._last.h[self._last.end], self._last.c[self._last.end]

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
        buffers, H = self._last, self.hidden_size
        steps, batch, _ = buffers.gates.shape
        d_h, d_c, product, d_z = buffers.d_h, buffers.d_c, buffers.bh, buffers.d_z
        d_h[...] = 0 if d_final is None else d_final
        d_c[...] = 0
        d_c_gates = d_c[:, None, :]
        for chunk in buffers.chunks:
            self._prepare_backward(buffers, chunk)
            for t in chunk if self.reverse else chunk[::-1]:
                if d_outputs is not None:
                    d_h += d_outputs[t]
                d_z_ifg, d_z_o, d_z_t, f, into_c = buffers.backward_steps[t]
                np.multiply(d_h, into_c, out=product)
                d_c += product
                d_z_ifg *= d_c_gates
                d_z_o *= d_h
                d_c *= f
                np.matmul(d_z_t, self.weight_hh, out=d_h)

        flat = d_z.reshape(steps * batch, 4 * H)
        gradients: dict[str, Array] = {
            "weight_ih": flat.T @ buffers.x,
            "weight_hh": flat.T @ buffers.h_before.reshape(steps * batch, H),
        }
        if self.bias is not None:
            gradients["bias"] = flat.sum(axis=0)
        d_x: Array | None = (flat @ self.weight_ih).reshape(steps, batch, -1) if wants_dx else None
        return gradients, d_x

    def _prepare_backward(self, buffers: _Buffers, chunk: range) -> None:
        """All that the incoming gradient does not touch, for some time steps at once.

        It is what d_c (for i, f, g) and d_h (for o) are multiplied by to give d_z, and what d_h is multiplied by on its
        way into d_c.
        """
        at, H = slice(chunk.start, chunk.stop), self.hidden_size
        d_z, gates, tanh_c, into_c = buffers.d_z[at], buffers.gates[at], buffers.tanh_c[at], buffers.into_c[at]
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

    def _buffers_for(self, steps: int, batch: int) -> _Buffers:
        key = (steps, batch)
        if key not in self._buffers:
            while len(self._buffers) >= 3:  # training, evaluation, and a last odd batch
                del self._buffers[next(iter(self._buffers))]
            self._buffers[key] = _Buffers.allocate(steps, batch, self.hidden_size, self._scale.dtype, self.reverse)
        return self._buffers[key]


@dataclass
class _Buffers:
    """Everything that one shape needs, allocated once, with its views of each time step cut once."""

    chunks: list[range]  # of time, in the order of the backward pass
    begin: int  # index into h and c of the state before the first step read
    end: int  # and after the last
    h: Array  # (T + 1, B, H): the initial state stands at ``begin``
    c: Array  # (T + 1, B, H)
    gates: Array  # (T, B, 4H)
    tanh_c: Array  # (T, B, H)
    outputs: Array  # (T, B, H), a view of h
    h_before: Array  # (T, B, H), a view of h
    c_before: Array  # (T, B, H), a view of c
    d_z: Array  # (T, B, 4H)
    into_c: Array  # (T, B, H)
    z: Array  # (B, 4H)
    bh: Array  # (B, H)
    d_h: Array  # (B, H)
    d_c: Array  # (B, H)
    forward_steps: list[tuple[Array, ...]]
    backward_steps: list[tuple[Array, ...]]
    x: Array  # (T * B, I), not owned

    @classmethod
    def allocate(cls, steps: int, batch: int, H: int, dtype: np.dtype[Any], reverse: bool) -> _Buffers:
        h, c = np.empty((2, steps + 1, batch, H), dtype)
        gates, d_z = np.empty((2, steps, batch, 4 * H), dtype)
        tanh_c, into_c = np.empty((2, steps, batch, H), dtype)
        bh, d_h, d_c = np.empty((3, batch, H), dtype)
        # Read forwards, step t goes from state t to t + 1; read backwards, from t + 1 to t.
        before, after = (slice(1, None), slice(None, -1)) if reverse else (slice(None, -1), slice(1, None))
        times = range(steps)[::-1] if reverse else range(steps)
        begin, end = (steps, 0) if reverse else (0, steps)
        h_before, outputs, c_before, c_after = h[before], h[after], c[before], c[after]
        forward_steps = [
            (gates[t], *(gates[t][:, k * H : (k + 1) * H] for k in range(4)),
             c_before[t], c_after[t], tanh_c[t], h_before[t], outputs[t])
            for t in times
        ]  # fmt: skip
        backward_steps: list[tuple[Array, ...]] = [
            (d_z[t].reshape(batch, 4, H)[:, :3], d_z[t][:, 3 * H :], d_z[t], gates[t][:, H : 2 * H], into_c[t])
            for t in range(steps)
        ]
        length = max(1, CHUNK_BYTES // gates[0].nbytes)
        chunks = [range(begin, min(begin + length, steps)) for begin in range(0, steps, length)]
        return cls(
            chunks=chunks if reverse else chunks[::-1], begin=begin, end=end, h=h, c=c,
            gates=gates, tanh_c=tanh_c, outputs=outputs, h_before=h_before, c_before=c_before,
            d_z=d_z, into_c=into_c, z=np.empty((batch, 4 * H), dtype), bh=bh, d_h=d_h, d_c=d_c,
            forward_steps=forward_steps, backward_steps=backward_steps, x=np.empty((0, 0), dtype),
        )  # fmt: skip
