"""Backends whose optimizer or clipping is wrong.

The docstring of each is what the diagnosis has to say after "it matches if". None shares code with the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lstm_bench import BackendInfo, hookimpl
from menagerie import Menagerie
from textbook import Textbook

ANIMALS = Menagerie()
animal = ANIMALS.add


# --- epsilon, decays and bias correction


@animal
class EpsilonInRoot(Textbook):
    """the epsilon stands within the root"""

    epsilon, epsilon_inside = 0.0, 1e-8


@animal
class KerasRmsprop(Textbook):
    """the epsilon is 1e-7, not 1e-8, and stands within the root"""

    epsilon, epsilon_inside = 0.0, 1e-7


@animal
class LargeEpsilon(Textbook):
    """the epsilon is 1e-3, not 1e-8"""

    epsilon = 1e-3


@animal
class EpsilonHat(Textbook):
    """Adam is that of epsilon hat, as in Keras: m * sqrt(1 - 0.999^t) / (1 - 0.9^t) / (sqrt(v) + epsilon)"""

    def adam_of(self, m, v, n):
        return np.sqrt(1 - 0.999**n) / (1 - 0.9**n) * m / (np.sqrt(v) + self.epsilon)


@animal
class KerasAdam(EpsilonHat):
    """the epsilon is 1e-7, not 1e-8, and Adam is that of epsilon hat, as in Keras: m * sqrt(1 - 0.999^t) / (1 - 0.9^t) / (sqrt(v) + epsilon)"""  # noqa: E501

    epsilon = 1e-7

    def rmsprop(self, g):
        self.epsilon, kept = 1e-8, self.epsilon
        change = super().rmsprop(g)
        self.epsilon = kept
        return change


@animal
class NoBiasCorrection(Textbook):
    """Adam's bias correction is left out"""

    def adam_of(self, m, v, n):
        return m / self.root(v)


@animal
class CountsFromTwo(Textbook):
    """Adam's bias correction takes the first step for step 2"""

    def count(self):
        return self.n + 1


@animal
class CountsLate(Textbook):
    """Adam's bias correction is one step late: it takes the second step for step 1, too"""

    def count(self):
        return max(self.n - 1, 1)


@animal
class NeverCounts(Textbook):
    """Adam's bias correction stays at step 1"""

    def count(self):
        return 1


@animal
class SwappedBetas(Textbook):
    """Adam's two decays are exchanged: 0.999 and 0.9"""

    b1, b2 = 0.999, 0.9


@animal
class ShorterMemory(Textbook):
    """Adam's decays are 0.9 and 0.99, not 0.9 and 0.999"""

    b2 = 0.99


@animal
class AmsgradOfTorch(Textbook):
    """Adam is AMSGrad"""

    def adam_of(self, m, v, n):
        self.largest = np.maximum(self.largest, v)
        return super().adam_of(m, self.largest, n)


@animal
class AmsgradOfOptax(Textbook):
    """Adam is AMSGrad"""

    def adam_of(self, m, v, n):
        self.largest = np.maximum(self.largest, v / (1 - 0.999**n))
        return m / (1 - 0.9**n) / self.root(self.largest)


@animal
class TorchRmsprop(Textbook):
    """RMSprop's decay is 0.99, not 0.9"""

    decay = 0.99


@animal
class RmspropFromOne(Textbook):
    """RMSprop's mean square starts at 1, not at 0"""

    def rmsprop(self, g):
        if self.n == 1:
            self.v = np.ones_like(g)
        return super().rmsprop(g)


@animal
class CenteredRmsprop(Textbook):
    """RMSprop is centered: the squared mean of the gradient is subtracted"""

    def rmsprop(self, g):
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.9 * self.v + 0.1 * g * g
        return g / self.root(self.v - self.m**2)


# --- momentum, rates and decay of weights


@animal
class Nesterov(Textbook):
    """momentum is Nesterov's"""

    def sgd(self, g):
        return g + self.how.momentum * super().sgd(g)


@animal
class Dampened(Textbook):
    """momentum is dampened"""

    def sgd(self, g):
        return super().sgd(g if self.n == 1 else (1 - self.how.momentum) * g)


@animal
class AveragedMomentum(Textbook):
    """momentum is dampened from the first step on"""

    def sgd(self, g):
        return super().sgd((1 - self.how.momentum) * g)


@animal
class NoMomentum(Textbook):
    """momentum is left out"""

    def sgd(self, g):
        return g


@animal
class TenfoldRate(Textbook):
    """the learning rate is ten times as large"""

    def rate(self):
        return 10 * super().rate()


@animal
class TenthOfTheRate(Textbook):
    """the learning rate is a tenth"""

    def rate(self):
        return super().rate() / 10


@animal
class DecaysWeights(Textbook):
    """weights decay by 0.01, added to the gradient"""

    def update(self, p, g):
        super().update(p, g + 0.01 * p)


@animal
class Adamw(Textbook):
    """weights decay by 0.01, decoupled, as in AdamW"""

    def update(self, p, g):
        p *= 1 - self.rate() * 0.01
        super().update(p, g)


@animal
class DecaysWeightsAlone(Textbook):
    """weights decay by 1e-4, added to the gradient, but biases do not"""

    def update(self, p, g):
        super().update(p, g + 1e-4 * p * self.mask("weight"))


# --- clipping


@animal
class ClipsEach(Textbook):
    """gradients are clipped each by its own norm, not by the norm of all"""

    def clip(self, g):
        ends = np.cumsum([view.size for view in self._named.values()])[:-1]
        return np.concatenate([super(ClipsEach, self).clip(part) for part in np.split(g, ends)])


@animal
class ClipsValues(Textbook):
    """gradients are clipped value by value, not by the norm of all"""

    def clip(self, g):
        return np.clip(g, -self.how.clip_norm, self.how.clip_norm)


@animal
class NeverClips(Textbook):
    """gradients are not clipped"""

    def clip(self, g):
        return g


@animal
class AlwaysClips(Textbook):
    """gradients under the limit are scaled up to it"""

    def clip(self, g):
        return g * self.how.clip_norm / self.norm(g)


@animal
class ClipsAsTorch(Textbook):
    """clipping adds 1e-6 to the norm, as in PyTorch"""

    def norm(self, g):
        return super().norm(g) + 1e-6


@animal
class ReturnsClippedGradients(Textbook):
    """the gradients that it returns are clipped"""

    def gradients(self, x, y):
        loss, gradients = super().gradients(x, y)
        norm = np.sqrt(sum(np.sum(g * g) for g in gradients.values()))
        factor = 1.0 if self.how.clip_norm is None else min(1.0, self.how.clip_norm / norm)
        return loss, {name: factor * g for name, g in gradients.items()}


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    return ANIMALS.backends()
