"""The optimizers with all slips of ``Slip``.

The formulas are written out here a second time, so that they share no code with any backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstm_bench.conformance.slips import Array, Slip
from lstm_bench.model.spec import TrainSpec

Named = dict[str, Array]


class WrongOptimizer:
    """An optimizer on named arrays, with everything wrong that the slip names."""

    def __init__(self, cell: str, train: TrainSpec, slip: Slip) -> None:
        self._cell, self._train, self._slip = cell, train, slip
        self.forget()

    def forget(self) -> None:
        """Start anew, as before the first step."""
        self._steps = 0
        self._first: Named = {}
        self._second: Named = {}
        self._third: Named = {}

    def step(self, parameters: Named, gradients: Mapping[str, Array]) -> None:
        """Take one step: replace the parameters that have a gradient."""
        train, slip = self._train, self._slip
        trained = self.clipped(gradients)
        self._steps += 1
        for name, given in trained.items():
            if frozen(slip, name):
                continue
            p, g = parameters[name], given
            rate = train.learning_rate * (slip.rate if slip.rate_of in name else 1.0)
            spared = slip.decay_kind.endswith("weights") and "weight" not in name
            decay = 0.0 if spared else slip.decay
            if slip.decay_kind.startswith("l2"):
                g = g + decay * p
            else:
                p = p - rate * decay * p
            change = {"sgd": self._sgd, "rmsprop": self._rmsprop, "adam": self._adam}[train.optimizer](name, g)
            parameters[name] = p - rate * change * self._times(name, change)

    def clipped(self, gradients: Mapping[str, Array]) -> Named:
        """Return the gradients after clipping."""
        limit, slip = self._train.clip_norm, self._slip
        if limit is None or slip.clips == "never":
            return dict(gradients)
        if slip.clips == "values":
            return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}
        squares = {
            name: float(np.sum(g * g * (self._times(name, g) if slip.clip_biases else 1.0)))
            for name, g in gradients.items()
            if slip.frozen_counted or not frozen(slip, name)
        }
        together = float(np.sqrt(sum(squares.values())))

        def factor(name: str) -> float:
            norm = float(np.sqrt(squares.get(name, 0.0))) if slip.clips == "each" else together
            whole = limit / (norm + slip.clip_epsilon) if norm else 1.0
            return whole if slip.clips == "always" else min(1.0, whole)

        return {name: g * factor(name) for name, g in gradients.items()}

    def _times(self, name: str, like: Array) -> Array:
        """How often a parameter's update counts: once for each bias that shares a canonical one."""
        times = np.ones_like(like)
        if name.startswith("layers") and name.endswith(".bias"):
            # A GRU's bias_hn is canonical, so both biases of its candidate are, and move once.
            times[: 2 * len(times) // 3 if self._cell == "gru" else len(times)] = self._slip.biases
        return times

    def _kept(self, kept: Named, name: str, like: Array, start: float = 0.0) -> Array:
        return kept.get(name, np.full_like(like, start))

    def _sgd(self, name: str, g: Array) -> Array:
        slip, momentum = self._slip, self._train.momentum * self._slip.momentum_times
        dampened = slip.dampening == "first" or (slip.dampening == "second" and self._steps > 1)
        v = momentum * self._kept(self._first, name, g) + ((1 - momentum) * g if dampened else g)
        self._first[name] = v
        return g + momentum * v if slip.nesterov else v

    def _rmsprop(self, name: str, g: Array) -> Array:
        slip, decay = self._slip, self._slip.rmsprop_decay
        v = decay * self._kept(self._second, name, g, slip.rmsprop_start) + (1 - decay) * g * g
        self._second[name] = v
        if slip.centered:
            center = decay * self._kept(self._first, name, g) + (1 - decay) * g
            self._first[name] = center
            v = v - center * center
        return g / self._root(v)

    def _adam(self, name: str, g: Array) -> Array:
        slip, (b1, b2) = self._slip, self._slip.betas
        m = b1 * self._kept(self._first, name, g) + (1 - b1) * g
        v = b2 * self._kept(self._second, name, g) + (1 - b2) * g * g
        self._first[name], self._second[name] = m, v
        n = max((self._steps if slip.counts else 1) - 1 + slip.counts_from, 1)
        first = 1 - b1**n if slip.corrected in ("both", "first") else 1.0
        second = 1 - b2**n if slip.corrected in ("both", "second") else 1.0
        if slip.amsgrad:
            own = v / second if slip.amsgrad == "corrected" else v
            largest = self._third[name] = np.maximum(self._kept(self._third, name, g), own)
            v = largest * second if slip.amsgrad == "corrected" else largest
        if slip.epsilon_at == "hat":
            return m * float(np.sqrt(second)) / first / (np.sqrt(v) + slip.epsilon)
        return m / first / self._root(v / second)

    def _root(self, square: Array) -> Array:
        epsilon = self._slip.epsilon
        inside = self._slip.epsilon_at == "inside"
        root: Any = np.sqrt(square + epsilon) if inside else np.sqrt(square) + epsilon
        return np.asarray(root)


def frozen(slip: Slip, name: str) -> bool:
    """Whether the slip keeps this parameter from being trained."""
    return slip.frozen in name
