"""Backends whose weights or cells are wrong.

The docstring of each is what the diagnosis has to say after "it matches if". None shares code with the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy import equations
from menagerie import Menagerie
from written_out import WrittenOut, cut, relu

ANIMALS = Menagerie()
animal = ANIMALS.add


# --- weights, wherever they are used


class _Regated(WrittenOut):
    gates: ClassVar[dict[str, tuple[int, ...]]] = {}

    def weights(self, own):
        order = self.gates.get(self.spec.cell)
        if order is None:
            return own
        count = len(order)
        return own | {k: np.concatenate([np.split(own[k], count)[n] for n in order]) for k in own if k != "bias_hn"}


@animal
class OnnxGates(_Regated):
    """its gates are i, o, f, g, where they should be i, f, g, o"""

    gates: ClassVar = {"lstm": (0, 2, 3, 1)}


@animal
class KerasGruGates(_Regated):
    """its gates are z, r, n, where they should be r, z, n"""

    gates: ClassVar = {"gru": (1, 0, 2)}


@animal
class TransposedRecurrentWeights(WrittenOut):
    """the recurrent weights of each gate are transposed"""

    def weights(self, own):
        u = own["weight_hh"]
        return own | {"weight_hh": np.concatenate([gate.T for gate in np.split(u, len(u) // u.shape[1])])}


class _Biased(WrittenOut):
    def factors(self):
        return {}

    def weights(self, own):
        factors = self.factors()
        if "bias" not in own or not factors:
            return own
        hidden = own["weight_hh"].shape[1]
        names = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}[self.spec.cell]
        by_gate = np.repeat([factors.get(name, 1.0) for name in names], hidden)
        return own | {k: v * (by_gate if k == "bias" else factors["hn"]) for k, v in own.items() if "bias" in k}


@animal
class ForgetBiasTwice(_Biased):
    """the forget gate's bias is added twice"""

    def factors(self):
        return {"f": 2.0, "hn": 1.0}


@animal
class BiasesTwice(_Biased):
    """the bias is added twice, as b_ih and as b_hh"""

    def factors(self):
        return dict.fromkeys(["i", "f", "g", "o", "r", "z", "n", "h", "hn"], 2.0)


@animal
class NoBiases(_Biased):
    """the layers' biases are left out"""

    def factors(self):
        return dict.fromkeys(["i", "f", "g", "o", "r", "z", "n", "h", "hn"], 0.0)


@animal
class NoOutputGateBias(_Biased):
    """the bias of an LSTM's gate o is left out"""

    def factors(self):
        return {"o": 0.0, "hn": 1.0}


@animal
class NoSecondGruBias(_Biased):
    """bias_hn is left out"""

    def factors(self):
        return {"hn": 0.0}


@animal
class NoHeadBias(WrittenOut):
    """the head's bias is left out"""

    def head(self, v, p):
        return v @ p["head.weight"].T + 0 * p.get("head.bias", 0.0)


# --- cells


@animal
class ForgetBiasPlusOne(WrittenOut):
    """it adds 1 to the forget gate's bias"""

    def lstm_of(self, i, f, g, o, c):
        return super().lstm_of(i, f + 1, g, o, c)


@animal
class NoForgetGate(WrittenOut):
    """it has no forget gate: c + i * g"""

    def lstm_of(self, i, f, g, o, c):
        c = c + self.sigmoid(i) * self.tanh(g)
        return self.sigmoid(o) * self.tanh(c), c


@animal
class CoupledGates(WrittenOut):
    """its forget gate is 1 - i"""

    def lstm_of(self, i, f, g, o, c):
        c = (1 - self.sigmoid(i)) * c + self.sigmoid(i) * self.tanh(g)
        return self.sigmoid(o) * self.tanh(c), c


@animal
class HardSigmoid(WrittenOut):
    """its gates are a hard sigmoid, clip(0.2 z + 0.5)"""

    @staticmethod
    def sigmoid(z):
        return cut(0.2 * z + 0.5, 0, 1)

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x @ W_ih.T + b, 3, axis=-1), np.split(h @ W_hh.T, 3, axis=-1)
        r, z = self.sigmoid(x_r + h_r), self.sigmoid(x_z + h_z)
        return ((1 - z) * np.tanh(x_n + r * (h_n + b_hn)) + z * h,)


@animal
class ReluCell(WrittenOut):
    """both of its tanh are ReLU"""

    tanh = staticmethod(relu)

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x @ W_ih.T + b, 3, axis=-1), np.split(h @ W_hh.T, 3, axis=-1)
        r, z = self.sigmoid(x_r + h_r), self.sigmoid(x_z + h_z)
        return ((1 - z) * relu(x_n + r * (h_n + b_hn)) + z * h,)


@animal
class NoTanhOfC(WrittenOut):
    """its output is o * c, without tanh"""

    def lstm_of(self, i, f, g, o, c):
        c = self.sigmoid(f) * c + self.sigmoid(i) * self.tanh(g)
        return self.sigmoid(o) * c, c


@animal
class ResetsBefore(WrittenOut):
    """it resets h before the recurrent product, not after it"""

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        x_r, x_z, x_n = np.split(x @ W_ih.T + b, 3, axis=-1)
        u_r, u_z, u_n = np.split(W_hh, 3)
        r, z = self.sigmoid(x_r + h @ u_r.T), self.sigmoid(x_z + h @ u_z.T)
        return ((1 - z) * np.tanh(x_n + (r * h) @ u_n.T + b_hn) + z * h,)


@animal
class InvertedUpdateGate(WrittenOut):
    """its update gate is inverted: z * n + (1 - z) * h"""

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        (h_right,) = super().gru(x, h, W_ih, W_hh, b, b_hn)
        (x_r, _, x_n), (h_r, _, h_n) = np.split(x @ W_ih.T + b, 3, axis=-1), np.split(h @ W_hh.T, 3, axis=-1)
        n = np.tanh(x_n + self.sigmoid(x_r + h_r) * (h_n + b_hn))
        return (n + h - h_right,)


@animal
class BiasOutsideTheReset(WrittenOut):
    """bias_hn is added outside the reset"""

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        hidden = W_hh.shape[1]
        return equations.gru(x, h, W_ih, W_hh, b + np.concatenate([np.zeros(2 * hidden), b_hn + 0]), 0.0 * b_hn)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    return ANIMALS.backends()
