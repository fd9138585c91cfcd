"""Losses, and optimizers on flat vectors: all parameters are slices of one array, so an update is a few long loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import TrainSpec

Array = NDArray[np.floating[Any]]


def mean_squared_error(logits: Array, y: Array) -> tuple[float, Array]:
    """The mean over all elements of ``(logits - y) ** 2``, and its gradient in the shape of ``logits``."""
    difference = logits - y
    return float(np.mean(difference * difference)), difference * (2 / difference.size)


def cross_entropy(logits: Array, y: NDArray[np.integer[Any]]) -> tuple[float, Array]:
    """The mean over all labels of ``-log softmax(logits)[y]``, and its gradient in the shape of ``logits``.

    Args:
        logits: `(..., O)`.
        y: labels `(...)`.
    """
    labels = y[..., None]
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=-1, keepdims=True)
    loss = float(np.mean(np.log(totals) - np.take_along_axis(shifted, labels, axis=-1)))
    gradient = exponentials / totals
    np.put_along_axis(gradient, labels, np.take_along_axis(gradient, labels, axis=-1) - 1, axis=-1)
    gradient /= y.size
    return loss, gradient


Loss = Callable[[Array, NDArray[Any]], tuple[float, Array]]

LOSSES: dict[str, Loss] = {"mse": mean_squared_error, "cross_entropy": cross_entropy}


class Optimizer:
    """The optimizer of a ``TrainSpec``, by the formulas in the docstring of ``TrainSpec``.

    Args:
        train: the optimizer and its learning rate, momentum and clipping.
        size: length of the parameter vector.
        dtype: of the parameter vector.
    """

    def __init__(self, train: TrainSpec, size: int, dtype: np.dtype[Any]) -> None:
        self._train = train
        self._update = {"sgd": self._sgd, "rmsprop": self._rmsprop, "adam": self._adam}[train.optimizer]
        self._m, self._v = np.zeros((2, size), dtype)
        self._scratch = np.empty(size, dtype)
        self._steps = 0

    def step(self, parameters: Array, gradient: Array) -> None:
        """Update ``parameters`` from ``gradient``, both flat vectors; both are changed in place."""
        clip = self._train.clip_norm
        if clip is not None:
            norm = float(np.sqrt(np.dot(gradient, gradient)))
            if norm > clip:
                gradient *= clip / norm
        self._steps += 1
        self._update(parameters, gradient)

    def _sgd(self, parameters: Array, g: Array) -> None:
        v, lr = self._v, self._train.learning_rate
        v *= self._train.momentum
        v += g
        np.multiply(v, lr, out=self._scratch)
        parameters -= self._scratch

    def _rmsprop(self, parameters: Array, g: Array) -> None:
        v, s, decay = self._v, self._scratch, 0.9
        np.multiply(g, g, out=s)
        s *= 1 - decay
        v *= decay
        v += s
        np.sqrt(v, out=s)
        s += 1e-8
        np.divide(g, s, out=s)
        s *= self._train.learning_rate
        parameters -= s

    def _adam(self, parameters: Array, g: Array) -> None:
        """Kingma & Ba 2015, algorithm 1: ``p -= lr * m_hat / (sqrt(v_hat) + 1e-8)``."""
        m, v, s = self._m, self._v, self._scratch
        beta1, beta2 = 0.9, 0.999
        np.subtract(g, m, out=s)
        s *= 1 - beta1
        m += s
        np.multiply(g, g, out=s)
        s *= 1 - beta2
        v *= beta2
        v += s
        np.sqrt(v, out=s)
        s *= 1 / np.sqrt(1 - beta2**self._steps).item()
        s += 1e-8
        np.divide(m, s, out=s)
        s *= self._train.learning_rate / (1 - beta1**self._steps)
        parameters -= s
