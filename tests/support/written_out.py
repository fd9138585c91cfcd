"""The whole model written with the equations of the NumPy backend, in parts, each of which a wrong backend can replace.

Its gradients come from complex steps: the derivative of a function f is the imaginary part of f(p + ih) / h for a tiny
h. No derivative is written down, so the diagnosis cannot share a mistake with it. A part of the model through which no
gradient shall pass takes the real part.
"""

from __future__ import annotations

import numpy as np

from lstm_bench import State
from lstm_bench_numpy import equations
from lstm_bench_numpy._model import NumpyModel

TINY = 1e-30


def relu(z):
    return np.where(z.real > 0, z, 0)


def cut(z, low, high):
    return np.where(z.real < low, low, np.where(z.real > high, high, z))


def gates(z, count):
    """What ``np.split(z, count, axis=-1)`` returns, in a third of the time."""
    size = z.shape[-1] // count
    return [z[..., n * size : (n + 1) * size] for n in range(count)]


class WrittenOut(NumpyModel):
    """right: the whole model by its equations"""

    sigmoid, tanh = staticmethod(equations.sigmoid), staticmethod(np.tanh)
    epsilon = 1e-5

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self.spec, self.how = spec, train

    # the parts that the animals replace

    def weights(self, own):
        return own

    def lstm(self, x, h, c, W_ih, W_hh, b):
        i, f, g, o = gates(x @ W_ih.T + h @ W_hh.T + b, 4)
        return self.lstm_of(i, f, g, o, c)

    def lstm_of(self, i, f, g, o, c):
        c = self.sigmoid(f) * c + self.sigmoid(i) * self.tanh(g)
        return self.sigmoid(o) * self.tanh(c), c

    def gru(self, x, h, W_ih, W_hh, b, b_hn):
        return equations.gru(x, h, W_ih, W_hh, b, b_hn)

    def rnn(self, x, h, W_ih, W_hh, b):
        return (self.tanh(x @ W_ih.T + h @ W_hh.T + b),)

    def between(self, state, t, T):
        """Change the state before the time step of number t in the order of reading."""
        return state

    def direction(self, d, x, state, own):
        """Outputs in the order of time, and the final state."""
        step, names = getattr(self, self.spec.cell), equations.CELLS[self.spec.cell][1]
        own = self.weights(own)
        outputs, T = [], x.shape[1]
        for n, t in enumerate(range(T)[:: -1 if d else 1]):
            state = step(x[:, t], *self.between(state, n, T), *(own.get(name, 0.0) for name in names))
            outputs.append(state[0])
        return np.stack(outputs[::-1] if d else outputs, axis=1), state

    def layer(self, x, states, own):
        return [self.direction(d, x, state, p) for d, (state, p) in enumerate(zip(states, own, strict=True))]

    def head_reads(self, outputs, finals):
        return np.concatenate([state[0] for state in finals[-1]], axis=-1)

    def statistics(self, v):
        axes = tuple(range(v.ndim - 1))
        mean = v.mean(axis=axes)
        return mean, ((v - mean) ** 2).mean(axis=axes)

    def head(self, v, p):
        return v @ p["head.weight"].T + p.get("head.bias", 0.0)

    # the whole

    def recur(self, p, x, initial=None):
        finals = []
        for n, hidden in enumerate(self.spec.hidden_sizes):
            prefixes = [f"layers.{n}.{name}." for name in self.spec.directions]
            own = [{k.removeprefix(a): v for k, v in p.items() if k.startswith(a)} for a in prefixes]
            zeros = np.zeros((len(x), hidden))
            states = [(zeros,) * (2 if self.spec.cell == "lstm" else 1) for _ in own]
            if initial is not None:
                states = [tuple(part[n][d] for part in (initial.h, initial.c) if part) for d in range(len(own))]
            done = self.layer(x, states, own)
            x = np.concatenate([outputs for outputs, _ in done], axis=-1)
            finals.append([state for _, state in done])
        return x, finals

    def network(self, p, x, statistics):
        outputs, finals = self.recur(p, x)
        v = outputs if self.spec.readout == "all" else self.head_reads(outputs, finals)
        found = ()
        if self.spec.batch_norm:
            found = self.statistics(v)
            mean, variance = found if statistics is None else statistics
            v = p["batch_norm.weight"] * (v - mean) / np.sqrt(variance + self.epsilon) + p["batch_norm.bias"]
        return self.head(v, p), found

    def infer(self, x):
        return self.network(self._named, x, tuple(self._statistics.values()) or None)[0]

    def states(self, x, initial=None):
        outputs, finals = self.recur(self._named, x, initial)
        stacked = [tuple(np.stack(part) for part in zip(*layer, strict=True)) for layer in finals]
        return outputs, State(*zip(*stacked, strict=True))

    def loss_of(self, z, y):
        if self.how.loss == "mse":
            return ((z - y) ** 2).mean()
        return (np.log(np.exp(z).sum(axis=-1)) - np.take_along_axis(z, y[..., None], axis=-1)[..., 0]).mean()

    def _backpropagate(self, x, y, *, remember, wants_dx=False):
        def loss(p, x):
            return self.loss_of(self.network(p, x, None)[0], y)

        flat, begin = self._flat_gradient, 0
        for name, view in self._named.items():
            for place in np.ndindex(view.shape):
                changed = view.astype(complex)
                changed[place] += 1j * TINY
                flat[begin] = loss(self._named | {name: changed}, x).imag / TINY
                begin += 1
        if wants_dx:
            d_x = np.zeros_like(x)
            for place in np.ndindex(x.shape):
                changed = x.astype(complex)
                changed[place] += 1j * TINY
                d_x[place] = loss(self._named, changed).imag / TINY
            self._d_x = d_x.swapaxes(0, 1)
        value = float(loss(self._named, x))
        if remember:
            for running, new in zip(self._statistics.values(), self.network(self._named, x, None)[1], strict=True):
                running[...] = 0.9 * running + 0.1 * new
        return value
