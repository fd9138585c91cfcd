"""Backends whose directions, states, backward passes, batch norm or loading is wrong.

The docstring of each is what the diagnosis has to say after "it matches if". None shares code with the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lstm_bench import BackendInfo, State, hookimpl
from menagerie import Menagerie
from written_out import WrittenOut

ANIMALS = Menagerie()
animal = ANIMALS.add


# --- directions, states and the readout


@animal
class ReadsTheLastOutput(WrittenOut):
    """the head reads the last output of the backward direction, not its final state"""

    def head_reads(self, outputs, finals):
        return outputs[:, -1]


@animal
class ReadsTheMean(WrittenOut):
    """the head reads the mean of the outputs, not the final state"""

    def head_reads(self, outputs, finals):
        return outputs.mean(axis=1)


@animal
class ReadsC(WrittenOut):
    """the head reads c, not h"""

    def head_reads(self, outputs, finals):
        return np.concatenate([state[-1] for state in finals[-1]], axis=-1)


@animal
class ReadsForwardTwice(WrittenOut):
    """the backward direction reads forward"""

    def direction(self, d, x, state, own):
        return super().direction(0, x, state, own)


@animal
class ReadsFromTheEnd(WrittenOut):
    """the sequences are read from their end"""

    def recur(self, p, x, initial=None):
        return super().recur(p, x[:, ::-1], initial)


@animal
class ExchangesWeights(WrittenOut):
    """the directions exchange their weights"""

    def layer(self, x, states, own):
        return super().layer(x, states, own[::-1])


@animal
class BackwardComesFirst(WrittenOut):
    """the directions' outputs change places: backward comes before forward"""

    def layer(self, x, states, own):
        return super().layer(x, states, own)[::-1]


@animal
class LeavesBackwardReversed(WrittenOut):
    """the backward direction's outputs start with the last time step"""

    def direction(self, d, x, state, own):
        outputs, final = super().direction(d, x, state, own)
        return (outputs[:, ::-1] if d else outputs), final


@animal
class IgnoresInitialStates(WrittenOut):
    """it ignores the initial states"""

    def states(self, x, initial=None):
        return super().states(x)


@animal
class SwapsFinalStates(WrittenOut):
    """h and c change places in the final states"""

    def states(self, x, initial=None):
        outputs, final = super().states(x, initial)
        return outputs, State(final.c, final.h) if final.c else final


# --- backward passes


@animal
class NoGradientThroughTime(WrittenOut):
    """no gradient passes from one time step to the one before"""

    def between(self, state, t, T):
        return tuple(part.real for part in state)


@animal
class TruncatesToTwoSteps(WrittenOut):
    """the backward pass goes through the last 2 time steps only"""

    def between(self, state, t, T):
        return tuple(part.real for part in state) if t == T - 2 else state


@animal
class CutsEveryTwoSteps(WrittenOut):
    """the backward pass is cut every 2 time steps"""

    def between(self, state, t, T):
        return tuple(part.real for part in state) if t % 2 == 0 else state


@animal
class NoGradientThroughC(WrittenOut):
    """no gradient passes through c to the time step before"""

    def between(self, state, t, T):
        return (state[0], state[1].real) if self.spec.cell == "lstm" else state


@animal
class ConstantStatistics(WrittenOut):
    """no gradient passes through batch norm's mean and variance"""

    def statistics(self, v):
        return tuple(part.real for part in super().statistics(v))


# --- batch norm


@animal
class LargeEpsilonInBatchNorm(WrittenOut):
    """batch norm's epsilon is 1e-3, not 1e-5"""

    epsilon = 1e-3


@animal
class KerasBatchNorm(WrittenOut):
    """batch norm's epsilon is 1e-3 and its decay 0.99, as in Keras, not 1e-5 and 0.9"""

    epsilon = 1e-3

    def _backpropagate(self, x, y, *, remember, wants_dx=False):
        before = {name: array.copy() for name, array in self._statistics.items()}
        loss = super()._backpropagate(x, y, remember=remember, wants_dx=wants_dx)
        for name, now in self._statistics.items():
            now[...] = 0.99 * before[name] + 0.1 * (now - 0.9 * before[name]) if remember else now
        return loss


@animal
class NormalisesByRunningStatistics(WrittenOut):
    """batch norm normalises by the running statistics in training, too"""

    def network(self, p, x, statistics):
        logits, _ = super().network(p, x, tuple(self._statistics.values()) or None)
        return logits, super().network(p, x, None)[1]


# --- weights that are wrong once, when they are loaded


class _Loaded(WrittenOut):
    def __init__(self, spec, train, parameters, dtype, seed):
        changed = {name: self.load(spec, name, p) for name, p in parameters.items()}
        super().__init__(spec, train, changed, dtype, seed)

    def load(self, spec, name, p):
        return p


@animal
class LoadsOnnxGates(_Loaded):
    """its gates are i, o, f, g, where they should be i, f, g, o"""

    def load(self, spec, name, p):
        if spec.cell != "lstm" or not name.startswith("layers"):
            return p
        i, o, f, g = np.split(p, 4)
        return np.concatenate([i, f, g, o])


@animal
class LoadsFloat16(_Loaded):
    """its initial weights are rounded to float16"""

    def load(self, spec, name, p):
        return p.astype(np.float16)


@animal
class LoadsForgetBiasPlusOne(_Loaded):
    """it adds 1 to the forget gate's bias"""

    def load(self, spec, name, p):
        if spec.cell != "lstm" or not (name.startswith("layers") and name.endswith("bias")):
            return p
        return p + np.repeat([0, 1, 0, 0], len(p) // 4)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    return ANIMALS.backends()
