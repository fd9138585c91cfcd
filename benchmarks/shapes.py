"""The shapes on which benchmarks compare our models with plain loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scopes = dict[str, Callable[[int], object]]
"""Functions by scope. Each does a number of steps, and waits until they are done. A step of ``train`` is a whole
optimizer step; of ``gradient``, forward and backward in training mode without an update; of ``infer``, a forward
pass."""


@dataclass(frozen=True)
class Shape:
    """One LSTM layer under a linear head, trained with Adam at 1e-3.

    Attributes:
        batch: sequences per step.
        steps: time steps of a sequence.
        features: of each time step.
        hidden: hidden size.
        outputs: 1 for a number under a squared error, or the number of classes under cross entropy.
    """

    batch: int
    steps: int
    features: int
    hidden: int
    outputs: int

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | NDArray[np.int64]]:
        """Random sequences `(N, T, I)` and their targets: eight batches or more, and about 120 sequences or more."""
        generator = np.random.default_rng(0)
        count = max(120, 8 * self.batch) // self.batch * self.batch
        x = generator.standard_normal((count, self.steps, self.features), np.float32)
        if self.outputs == 1:
            return x, generator.standard_normal((count, 1), np.float32)
        return x, generator.integers(0, self.outputs, count)


SHAPES = {
    "flights": Shape(batch=1, steps=12, features=1, hidden=100, outputs=1),
    "mnist-rows": Shape(batch=50, steps=28, features=28, hidden=75, outputs=10),
    "64x100x125": Shape(batch=64, steps=100, features=125, hidden=320, outputs=10),
    "128x128x512": Shape(batch=128, steps=128, features=512, hidden=512, outputs=10),
}
