"""The NumPy backend with an optimizer in parts, each of which a wrong backend can replace."""

from __future__ import annotations

import numpy as np

from lstm_bench_numpy._model import NumpyModel
from lstm_bench_numpy._training import Optimizer


class Textbook(NumpyModel):
    """right: an optimizer in parts that the animals replace; parameters and gradients are flat vectors"""

    epsilon, epsilon_inside, decay, b1, b2 = 1e-8, 0.0, 0.9, 0.9, 0.999

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self.spec, self.how, self.names = spec, train, list(self._named)
        self.forget()
        self._optimizer = _Parts(train, self._flat.size, dtype)
        self._optimizer.owner = self

    def forget(self):
        self.n = 0
        self.m, self.v, self.largest = np.zeros((3, self._flat.size))

    def mask(self, part):
        return np.concatenate([np.full(view.size, part in name) for name, view in self._named.items()])

    def train(self, x, y, order):
        return np.concatenate([self.step(x, y, rows[None]) for rows in order])

    def step(self, x, y, rows):
        return super().train(x, y, rows)

    def prepare(self, gradient):
        return gradient

    def clip(self, g):
        return g * min(1.0, self.how.clip_norm / max(self.norm(g), 1e-300))

    def norm(self, g):
        return np.sqrt(np.sum(g * g))

    def rate(self):
        return self.how.learning_rate

    def update(self, p, g):
        p -= self.rate() * {"sgd": self.sgd, "rmsprop": self.rmsprop, "adam": self.adam}[self.how.optimizer](g)

    def root(self, v):
        return np.sqrt(v + self.epsilon_inside) + self.epsilon

    def sgd(self, g):
        self.m = self.how.momentum * self.m + g
        return self.m

    def rmsprop(self, g):
        self.v = self.decay * self.v + (1 - self.decay) * g * g
        return g / self.root(self.v)

    def adam(self, g):
        self.m = self.b1 * self.m + (1 - self.b1) * g
        self.v = self.b2 * self.v + (1 - self.b2) * g * g
        return self.adam_of(self.m, self.v, self.count())

    def count(self):
        return self.n

    def adam_of(self, m, v, n):
        return m / (1 - self.b1**n) / self.root(v / (1 - self.b2**n))


class _Parts(Optimizer):
    def step(self, parameters, gradient):
        owner = self.owner
        owner.n += 1
        gradient = owner.prepare(gradient.copy())
        if owner.how.clip_norm is not None:
            gradient = owner.clip(gradient)
        owner.update(parameters, gradient)
