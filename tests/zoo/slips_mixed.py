"""Backends with two faults, and backends with a fault that no known confusion explains.

The docstring is what the diagnosis has to say after "it matches if". One that begins with "unknown" must get no
explanation; with "forward" or "backward", only the stages up to there are explained by what follows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy import equations
from lstm_bench_numpy._model import NumpyModel
from menagerie import Menagerie
from textbook import Textbook
from written_out import WrittenOut

ANIMALS = Menagerie()
animal = ANIMALS.add


class _NeverClips(Textbook):
    def clip(self, g):
        return g


class _KeepsTheHead(Textbook):
    since = 1

    def update(self, p, g):
        before = p.copy()
        super().update(p, g)
        if self.n >= self.since:
            p[self.mask("head")] = before[self.mask("head")]


class _OnnxGates(WrittenOut):
    def weights(self, own):
        if self.spec.cell != "lstm":
            return own
        return own | {k: np.concatenate([np.split(p, 4)[n] for n in (0, 2, 3, 1)]) for k, p in own.items()}


class _Noise(NumpyModel):
    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= 1 + 0.01 * np.random.default_rng(len(x)).standard_normal(self._flat.size)
        return loss


# --- two faults


@animal
class DecaysWeightsAndNeverClips(_NeverClips):
    """gradients are not clipped, and if weights decay by 0.01, decoupled, as in AdamW"""

    def update(self, p, g):
        p *= 1 - self.rate() * 0.01
        super().update(p, g)


@animal
class KeepsTheHeadAndATenfoldRate(_KeepsTheHead):
    """the learning rate is ten times as large, and if the head is not trained"""

    def rate(self):
        return 10 * super().rate()


@animal
class ScalesAndForgets(Textbook):
    """its gradients are twice as large, and if the optimizer forgets its state between calls of train"""

    def train(self, x, y, order):
        self.forget()
        return super().train(x, y, order)

    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= 2
        return loss


@animal
class GatesOfBothCells(_OnnxGates):
    """its gates are i, o, f, g, where they should be i, f, g, o, and if its gates are z, r, n, where they should be
    r, z, n"""

    def weights(self, own):
        if self.spec.cell != "gru":
            return super().weights(own)
        return own | {k: np.concatenate([np.split(own[k], 3)[n] for n in (1, 0, 2)]) for k in own if k != "bias_hn"}


@animal
class GatesAndForgetBias(_OnnxGates):
    """its gates are i, o, f, g, where they should be i, f, g, o, and if it adds 1 to the forget gate's bias"""

    def lstm_of(self, i, f, g, o, c):
        return super().lstm_of(i, f + 1, g, o, c)


@animal
class BiasesTwiceAndTheMean(WrittenOut):
    """the bias is added twice, as b_ih and as b_hh, and if the head reads the mean of the outputs, not the final
    state"""

    def weights(self, own):
        return {k: 2 * p if "bias" in k else p for k, p in own.items()}

    def head_reads(self, outputs, finals):
        return outputs.mean(axis=1)


@animal
class BatchNormAndTruncated(WrittenOut):
    """batch norm's epsilon is 1e-3, not 1e-5, and if the backward pass goes through the last 2 time steps only"""

    epsilon = 1e-3

    def between(self, state, t, T):
        return tuple(part.real for part in state) if t == T - 2 else state


# --- faults that nothing known explains, alone or beside a known one


@animal
class NoisyGradients(_Noise, Textbook):
    """unknown: noise in every gradient"""


@animal
class OddScale(Textbook):
    """unknown: gradients that are 1.37 times as large"""

    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= 1.37
        return loss


@animal
class OddEpsilon(Textbook):
    """unknown: an epsilon of 2.3e-4"""

    epsilon = 2.3e-4


@animal
class OddRateAndNeverClips(_NeverClips):
    """unknown: beside the missing clipping, a learning rate that is a fifth larger"""

    def rate(self):
        return 1.2 * super().rate()


@animal
class OneParameterDrifts(Textbook):
    """unknown: one number of one parameter drifts"""

    def update(self, p, g):
        super().update(p, g)
        p[0] += 1e-3


@animal
class KeepsTheHeadLater(_KeepsTheHead):
    """unknown: the head is trained until the fifth step"""

    since = 5


@animal
class NoisyLogits(Textbook):
    """unknown: noise in the logits"""

    def infer(self, x):
        logits = super().infer(x)
        return logits * (1 + 1e-3 * np.random.default_rng(0).standard_normal(logits.shape))


@animal
class LeakyMemory(WrittenOut):
    """unknown: a memory that loses three percent in each time step"""

    def lstm_of(self, i, f, g, o, c):
        return super().lstm_of(i, f, g, o, 0.97 * c)


@animal
class SteepGates(WrittenOut):
    """unknown: gates that are a tenth steeper"""

    @staticmethod
    def sigmoid(z):
        return equations.sigmoid(1.1 * z)


@animal
class LargerLogits(WrittenOut):
    """unknown: logits of another scale"""

    def head(self, v, p):
        return 1.37 * super().head(v, p)


# --- faults of which one part is known


@animal
class GatesAndNoise(_Noise, _OnnxGates):
    """forward: its gates are i, o, f, g, where they should be i, f, g, o"""


@animal
class GatesAndAnOddRate(_OnnxGates):
    """backward: its gates are i, o, f, g, where they should be i, f, g, o"""

    def train(self, x, y, order):
        before = self._flat.copy()
        losses = super().train(x, y, order)
        self._flat += 0.2 * (self._flat - before)
        return losses


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    return ANIMALS.backends()
