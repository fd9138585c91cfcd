"""The GRU cell (Cho et al. 2014), which here resets after the recurrent product, as cuDNN does.

    z_r, z_z, z_n = x W_ih^T + b       q_r, q_z, q_n = h W_hh^T       r, u = sigmoid(z_r + q_r), sigmoid(z_z + q_z)
    n = tanh(z_n + r * (q_n + b_hn))   h' = (1 - u) * n + u * h

The update gate is called u here, since z is the input of the gates' functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_bench_numpy._recurrent import Array, Buffers, Recurrent, Steps


class GRUBuffers(Buffers):
    """Buffers with the recurrent product q and its gradient."""

    def __init__(self, steps: int, batch: int, layer: Recurrent[Any]) -> None:
        super().__init__(steps, batch, layer)
        H = layer.hidden_size
        self.q, self.d_recurrent = np.empty((2, steps, batch, 3 * H), self.dtype)
        self.steps: Steps = [
            (
                self.z[t][:, : 2 * H],
                *(self.z[t][:, k * H : (k + 1) * H] for k in range(3)),
                self.q[t],
                self.q[t][:, : 2 * H],
                self.q[t][:, 2 * H :],
                self.h_before[t],
                self.outputs[t],
            )
            for t in range(steps)
        ]
        self.backward_steps: Steps = [
            tuple(d[t][:, k * H : (k + 1) * H] for d in (self.d_z, self.d_recurrent) for k in range(3))
            for t in range(steps)
        ]


class GRU(Recurrent[GRUBuffers]):
    """One direction of one GRU layer, rows r, z, n, and the candidate's recurrent bias ``bias_hn`` `(H,)`."""

    gates = 3

    def allocate(self, steps: int, batch: int) -> GRUBuffers:
        return GRUBuffers(steps, batch, self)

    def run(self, buffers: GRUBuffers) -> None:
        weight, bias_hn, scratch = self.weight_hh.T, self.parameters.get("bias_hn"), buffers.scratch
        for t in buffers.times:
            ru, r, u, n, q, q_ru, q_n, h_before, h = buffers.steps[t]
            np.matmul(h_before, weight, out=q)
            if bias_hn is not None:
                q_n += bias_hn
            ru += q_ru
            ru *= 0.5  # sigmoid(z) = (1 + tanh(z / 2)) / 2
            np.tanh(ru, out=ru)
            ru *= 0.5
            ru += 0.5
            np.multiply(r, q_n, out=scratch)
            n += scratch
            np.tanh(n, out=n)
            np.subtract(h_before, n, out=scratch)
            scratch *= u
            np.add(n, scratch, out=h)

    def run_back(self, buffers: GRUBuffers, d_outputs: Array | None) -> None:
        d_h, scratch = buffers.d_h, buffers.scratch
        for t in buffers.times[::-1]:
            if d_outputs is not None:
                d_h += d_outputs[t]
            _, r, u, n, _, _, q_n, h_before, _ = buffers.steps[t]
            d_r, d_u, d_n, dq_r, dq_u, dq_n = buffers.backward_steps[t]
            np.subtract(h_before, n, out=d_u)  # d_z_u = d_h * (h - n) * u * (1 - u)
            d_u *= d_h
            np.subtract(1, u, out=scratch)
            np.multiply(d_h, scratch, out=d_n)  # d_z_n = d_h * (1 - u) * (1 - n^2)
            scratch *= u
            d_u *= scratch
            np.multiply(n, n, out=scratch)
            np.subtract(1, scratch, out=scratch)
            d_n *= scratch
            np.multiply(d_n, q_n, out=d_r)  # d_z_r = d_z_n * (q_n + b_hn) * r * (1 - r)
            np.subtract(1, r, out=scratch)
            scratch *= r
            d_r *= scratch
            dq_r[...], dq_u[...] = d_r, d_u
            np.multiply(d_n, r, out=dq_n)
            d_h *= u
            np.matmul(buffers.d_recurrent[t], self.weight_hh, out=scratch)
            d_h += scratch

    def backward(
        self, d_outputs: Array | None, d_final: Array | None, *, wants_dx: bool
    ) -> tuple[dict[str, Array], Array | None]:
        gradients, d_x = super().backward(d_outputs, d_final, wants_dx=wants_dx)
        if "bias_hn" in self.parameters:
            gradients["bias_hn"] = self._last.d_recurrent[..., 2 * self.hidden_size :].sum(axis=(0, 1))
        return gradients, d_x
