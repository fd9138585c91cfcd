"""Batch normalisation (Ioffe & Szegedy 2015) of the readout: decay 0.9, epsilon 1e-5, biased variance throughout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

DECAY, EPSILON = 0.9, 1e-5


class BatchNorm:
    """Normalises each feature over all other axes.

    Args:
        parameters: ``weight`` and ``bias`` `(R,)`.
        mean: running mean `(R,)`; changed in place.
        variance: running variance `(R,)`; changed in place.
    """

    def __init__(self, parameters: Mapping[str, Array], mean: Array, variance: Array) -> None:
        self._weight, self._bias, self._mean, self._variance = parameters["weight"], parameters["bias"], mean, variance

    def infer(self, x: Array) -> Array:
        """Normalise ``x`` `(..., R)` by the running statistics."""
        normal: Array = (x - self._mean) / np.sqrt(self._variance + EPSILON)
        return self._weight * normal + self._bias

    def forward(self, x: Array, *, remember: bool) -> Array:
        """Normalise ``x`` `(..., R)` by its own statistics; with ``remember`` they also move the running ones."""
        self._axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axis=self._axes), x.var(axis=self._axes)
        self._deviation = np.sqrt(variance + EPSILON)
        self._normal: Array = (x - mean) / self._deviation
        if remember:
            for running, new in ((self._mean, mean), (self._variance, variance)):
                running *= DECAY
                running += (1 - DECAY) * new
        out: Array = self._weight * self._normal + self._bias
        return out

    def backward(self, d_out: Array) -> tuple[dict[str, Array], Array]:
        """Gradients of the latest ``forward``: of ``weight`` and ``bias`` by name, and of its input `(..., R)`."""
        gradients = {"weight": (d_out * self._normal).sum(axis=self._axes), "bias": d_out.sum(axis=self._axes)}
        d_normal = d_out * self._weight
        d_x: Array = d_normal - d_normal.mean(axis=self._axes)
        d_x -= self._normal * (d_normal * self._normal).mean(axis=self._axes)
        d_x /= self._deviation
        return gradients, d_x
