"""Mistakes that a backend could make in good faith, and that ten steps of one call do not show."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np

from cheating.base import Cheat, TrainsOtherwise, animal


class _StepByStep(Cheat):
    def train(self, x, y, order):
        return np.array([self.step(x, y, rows) for rows in order])

    def step(self, x, y, rows):
        return self.really_train(x, y, rows[None])[0]


@animal("slips")
class RestartsItsOptimizer(_StepByStep):
    """moments and step count start anew after every 64 steps"""

    def step(self, x, y, rows):
        if self._optimizer._steps >= 64:
            self.restart_optimizer()
        return super().step(x, y, rows)


@animal("slips")
class CountsStepsInSevenBits(_StepByStep):
    """the step count of the bias correction starts anew at 100; moments stay"""

    def step(self, x, y, rows):
        self._optimizer._steps %= 100
        return super().step(x, y, rows)


@animal("slips")
class DecaysItsRate(_StepByStep):
    """the learning rate falls by a thousandth in each step after the 15th"""

    def step(self, x, y, rows):
        before = self._flat.copy()
        loss = super().step(x, y, rows)
        late = max(0, self._optimizer._steps - 15)
        self._flat[...] = before + (self._flat - before) * 0.999**late
        return loss


@animal("slips")
class ReadsSixtyFourRows(TrainsOtherwise):
    """orders of more than 64 batches begin anew with the first"""

    def cheats(self, order, call):
        return len(order) > 64

    def train_otherwise(self, x, y, order):
        return self.really_train(x, y, order[np.arange(len(order)) % 64])


@animal("slips", recipe="shuffled")
class SortsLongOrders(TrainsOtherwise):
    """calls of more than 10 steps read the batches in the order of the data"""

    def train_otherwise(self, x, y, order):
        return self.really_train(x, y, order[np.lexsort(order.T[::-1])])


@animal("slips", recipe="clipped")
class StopsClipping(_StepByStep):
    """gradients are not clipped after the 15th step"""

    def step(self, x, y, rows):
        if self._optimizer._steps == 15:
            self._optimizer._train = msgspec.structs.replace(self._optimizer._train, clip_norm=None)
        return super().step(x, y, rows)


@animal("slips", recipe="tiny")
class HoldsTheLowerLayer(_StepByStep):
    """the lower of two layers is not trained after the 15th step"""

    def step(self, x, y, rows):
        kept = {name: view.copy() for name, view in self._named.items() if name.startswith("layers.0.")}
        loss = super().step(x, y, rows)
        if self._optimizer._steps > 15:
            for name, value in kept.items():
                self._named[name][...] = value
        return loss


@animal("slips")
class ShortensLongCalls(TrainsOtherwise):
    """calls of more than 16 steps read 8 time steps at most"""

    def cheats(self, order, call):
        return len(order) > 16

    def train_otherwise(self, x, y, order):
        return self.really_train(x[:, -8:], y, order)


@animal("slips", recipe="wide")
class SlipsInWideLayers(TrainsOtherwise):
    """in layers whose width is a multiple of 16, the last 16 units learn nothing in calls of more than 10 steps"""

    def cheats(self, order, call):
        return len(order) > 10 and self._spec.hidden_sizes[0] % 16 == 0

    def train_otherwise(self, x, y, order):
        held = self._named["layers.0.forward.weight_hh"][:, -16:]
        before, losses = held.copy(), []
        for rows in order:
            losses.append(self.really_train(x, y, rows[None])[0])
            held[...] = before
        return np.array(losses)


@animal("slips")
class SharesMoments(Cheat):
    """a model built after another of its size has trained more than a step goes on with the other's moments"""

    moments: ClassVar[dict] = {}

    def train(self, x, y, order):
        size = self._flat.size
        if self._optimizer._steps == 0 and size in self.moments and len(order) > 10:
            self._optimizer._m[...], self._optimizer._v[...] = self.moments[size]
        losses = self.really_train(x, y, order)
        if len(order) > 1:
            self.moments[size] = self._optimizer._m.copy(), self._optimizer._v.copy()
        return losses


# --- dropout, under which nothing is compared with the reference


@animal("slips", recipe="dropped")
class DropsNothing(Cheat):
    """trains without dropout"""

    def _draw_mask(self, layer, shape):
        del self._masks[layer:]
        self._masks.append(np.ones(shape, self._dtype))
        return self._masks[layer]


@animal("slips", recipe="dropped")
class DropsTheSameInEveryStep(Cheat):
    """draws one mask, and uses it in all steps"""

    _drawn = None

    def _draw_mask(self, layer, shape):
        if self._drawn is None or self._drawn.shape != shape:
            self._drawn = super()._draw_mask(layer, shape)
        del self._masks[layer:]
        self._masks.append(self._drawn)
        return self._drawn


@animal("slips", recipe="dropped")
class HoldsWhatIsBelowDropout(Cheat):
    """with dropout, the lower of two layers is not trained"""

    def train(self, x, y, order):
        kept = {name: view.copy() for name, view in self._named.items() if name.startswith("layers.0.")}
        losses = self.really_train(x, y, order)
        if self._spec.dropout:
            for name, value in kept.items():
                self._named[name][...] = value
        return losses
