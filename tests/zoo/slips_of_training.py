"""Backends that add up, scale or lose gradients, mix up the order of calls, or keep wrong statistics.

The docstring of each is what the diagnosis has to say after "it matches if". None shares code with the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy._batch_norm import BatchNorm
from lstm_bench_numpy._model import NumpyModel
from menagerie import Menagerie
from textbook import Textbook

ANIMALS = Menagerie()
animal = ANIMALS.add


# --- gradients that are added up, scaled or lost


@animal
class NeverZeroesGradients(Textbook):
    """gradients are added to those of earlier training steps"""

    total = 0.0

    def prepare(self, gradient):
        self.total = self.total + gradient
        return self.total.copy()


@animal
class NeverZeroesAnyGradient(NeverZeroesGradients):
    """gradients are added to those of all earlier calls"""

    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        self._flat_gradient[...] = self.prepare(self._flat_gradient)
        return loss, gradients

    def input_gradient(self, x, y):
        dx = super().input_gradient(x, y)
        self.prepare(self._flat_gradient)
        return dx


class _Summed(Textbook):
    """scales by a size of the batch: everything that comes from the loss"""

    scales_loss, scales_dx = True, True

    def factor(self, y):
        return len(y)

    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= self.factor(y)
        if self.scales_dx and self._d_x is not None:
            self._d_x = self._d_x * self.factor(y)
        return loss * (self.factor(y) if self.scales_loss else 1)


@animal
class SumsLosses(_Summed):
    """its loss is the sum over the batch, not the mean"""


@animal
class SumsAllElements(_Summed):
    """its loss is the sum over all elements, not the mean"""

    def factor(self, y):
        return y.size


@animal
class SumsOutputs(_Summed):
    """its loss is the sum over the outputs, not the mean"""

    def factor(self, y):
        return self.spec.output_size if self.how.loss == "mse" else 1


@animal
class SumsGradients(_Summed):
    """its gradients are those of the sum over the batch"""

    scales_loss = False


@animal
class HalvesTheLoss(_Summed):
    """its loss and its gradients are half as large"""

    def factor(self, y):
        return 0.5


# --- parameters that are not trained, and state that is lost


class _Frozen(Textbook):
    part = ""

    def update(self, p, g):
        before = p.copy()
        super().update(p, g)
        p[self.mask(self.part)] = before[self.mask(self.part)]


@animal
class NeverTrains(_Frozen):
    """nothing is trained"""


@animal
class KeepsTheHead(_Frozen):
    """the head is not trained"""

    part = "head"


@animal
class KeepsRecurrentWeights(_Frozen):
    """the recurrent weights are not trained"""

    part = "weight_hh"


@animal
class KeepsBiases(_Frozen):
    """no bias is trained"""

    part = "bias"


@animal
class TrainsBothBiases(Textbook):
    """both of two biases are trained, so that their sum moves twice as far"""

    def update(self, p, g):
        before = p.copy()
        super().update(p, g)
        ends = np.cumsum([view.size for view in self._named.values()])[:-1]
        for (name, view), old in zip(self._named.items(), np.split(before, ends), strict=True):
            if name.startswith("layers") and name.endswith(".bias"):
                own = slice(0, 2 * view.size // 3 if self.spec.cell == "gru" else None)
                view[own] += view[own] - old[own]


@animal
class ForgetsBetweenCalls(Textbook):
    """the optimizer forgets its state between calls of train"""

    def train(self, x, y, order):
        self.forget()
        return super().train(x, y, order)


@animal
class ForgetsBetweenSteps(Textbook):
    """the optimizer forgets its state between training steps"""

    def step(self, x, y, rows):
        self.forget()
        return super().step(x, y, rows)


# --- orders and results


@animal
class FirstBatchOnly(Textbook):
    """every step of a call trains on its first batch"""

    def train(self, x, y, order):
        return super().train(x, y, np.broadcast_to(order[0], order.shape))


@animal
class IgnoresTheOrder(Textbook):
    """it trains on the sequences as they come, whatever the order says"""

    seen = 0

    def step(self, x, y, rows):
        rows = (self.seen + np.arange(rows.size)).reshape(rows.shape) % len(x)
        self.seen += rows.size
        return super().step(x, y, rows)


@animal
class TrainsBackwards(Textbook):
    """the batches of a call are taken from the last to the first"""

    def train(self, x, y, order):
        return super().train(x, y, order[::-1])


@animal
class LossAfterTheUpdate(Textbook):
    """the loss of a step is that after its update"""

    def step(self, x, y, rows):
        super().step(x, y, rows)
        return np.array([self.gradients(x[rows[0]], y[rows[0]])[0]])


@animal
class KerasLosses(Textbook):
    """the loss of a step is the mean of the call's losses so far"""

    def train(self, x, y, order):
        losses = super().train(x, y, order)
        return np.array([losses[: n + 1].mean() for n in range(len(losses))])


@animal
class InfersWithInitialWeights(Textbook):
    """infer uses the initial weights, also after training"""

    def __init__(self, *args):
        super().__init__(*args)
        self.stale = NumpyModel(*args)

    def infer(self, x):
        return self.stale.infer(x)


class _Stale(InfersWithInitialWeights):
    def refresh(self):
        for name, view in (self.stale._named | self.stale._statistics).items():
            view[...] = (self._named | self._statistics)[name]


@animal
class InfersOneStepLate(_Stale):
    """infer misses the last training step"""

    def step(self, x, y, rows):
        self.refresh()
        return super().step(x, y, rows)


@animal
class InfersOneCallLate(_Stale):
    """infer misses the last call of train"""

    def train(self, x, y, order):
        self.refresh()
        return super().train(x, y, order)


@animal
class ReturnsProbabilities(Textbook):
    """it returns probabilities (the softmax of the logits), not logits"""

    def infer(self, x):
        e = np.exp(super().infer(x))
        return e / e.sum(axis=-1, keepdims=True)


# --- batch norm


class _Normalised(Textbook):
    decay_of_statistics, epsilon_of_norm, unbiased, steps_of_statistics = 0.9, 1e-5, False, 1

    def step(self, x, y, rows):
        before = {name: array.copy() for name, array in self._statistics.items()}
        losses = super().step(x, y, rows)
        count = rows.size * (x.shape[1] if self.spec.readout == "all" else 1)
        for name, now in self._statistics.items():
            new = (now - 0.9 * before[name]) / 0.1
            if self.unbiased and name.endswith("variance"):
                new *= count / (count - 1)
            now[...] = before[name]
            for _ in range(self.steps_of_statistics):
                now[...] = self.decay_of_statistics * now + (1 - self.decay_of_statistics) * new
        return losses


@animal
class UnbiasedVariance(_Normalised):
    """batch norm's running variance is unbiased"""

    unbiased = True


@animal
class SlowerStatistics(_Normalised):
    """batch norm's decay is 0.99, not 0.9"""

    decay_of_statistics = 0.99


@animal
class NoStatistics(_Normalised):
    """batch norm's running statistics are never updated"""

    steps_of_statistics = 0


class _ByTheBatch(BatchNorm):
    def infer(self, x):
        return super().forward(x, remember=False)


@animal
class NormalisesByTheBatch(Textbook):
    """batch norm normalises by the batch in inference, too"""

    def __init__(self, *args):
        super().__init__(*args)
        if self._batch_norm is not None:
            self._batch_norm = _ByTheBatch(self._below("batch_norm"), *self._statistics.values())


@animal
class GradientsUpdateStatistics(Textbook):
    """batch norm's running statistics are updated by gradients, too"""

    def differentiate(self, x, y):
        return np.array(self._backpropagate(x, y, remember=True)), self._gradient


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    return ANIMALS.backends()
