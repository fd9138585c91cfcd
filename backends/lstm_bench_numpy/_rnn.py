"""The plain recurrent cell (Elman 1990): h' = tanh(x W_ih^T + h W_hh^T + b)."""

from __future__ import annotations

import numpy as np

from lstm_bench_numpy._recurrent import Array, Buffers, Recurrent


class RNN(Recurrent[Buffers]):
    """One direction of one plain recurrent layer."""

    gates = 1

    def allocate(self, steps: int, batch: int) -> Buffers:
        return Buffers(steps, batch, self)

    def run(self, buffers: Buffers) -> None:
        weight, recurrent = self.weight_hh.T, buffers.scratch
        for t in buffers.times:
            z = buffers.z[t]
            np.matmul(buffers.h_before[t], weight, out=recurrent)
            z += recurrent
            np.tanh(z, out=buffers.outputs[t])

    def run_back(self, buffers: Buffers, d_outputs: Array | None) -> None:
        d_h = buffers.d_h
        np.multiply(buffers.outputs, buffers.outputs, out=buffers.d_z)
        np.subtract(1, buffers.d_z, out=buffers.d_z)
        for t in buffers.times[::-1]:
            if d_outputs is not None:
                d_h += d_outputs[t]
            buffers.d_z[t] *= d_h
            np.matmul(buffers.d_z[t], self.weight_hh, out=d_h)
