"""Honest backends that look odd, and have to stay ok."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cheating.base import RIGHT, Cheat, Lazy, animal, wait
from cheating.machine import Asynchronous
from lstm_bench_numpy._model import NumpyModel


@animal("odd", RIGHT)
class CompilesForEachShape(Cheat):
    """the first call of a kind, a shape and a number of steps takes 30 ms longer"""

    compiled: ClassVar[set[Any]] = set()

    def compile(self, *key):
        if key not in self.compiled:
            self.compiled.add(key)
            wait(0.03)

    def train(self, x, y, order):
        self.compile("train", order.shape)
        return super().train(x, y, order)

    def infer(self, x):
        self.compile("infer", x.shape)
        return super().infer(x)

    def differentiate(self, x, y):
        self.compile("differentiate", x.shape)
        return super().differentiate(x, y)


@animal("odd", RIGHT)
class ComputesInAThread(Asynchronous):
    """a thread computes, and synchronize waits for it"""


@animal("odd", RIGHT, recipe="gradient")
class ComputesOnSynchronize(Lazy):
    """notes what is asked for, and synchronize computes all of it, read or not"""

    def later(self, compute):
        return super().later(compute, keep=True)

    def train(self, x, y, order):
        return self.later(lambda: NumpyModel.train(self, x, y, order))

    def infer(self, x):
        return self.later(lambda: NumpyModel.infer(self, x))

    def synchronize(self):
        self.settle()


@animal("odd", RIGHT, recipe="gradient")
class OverwritesGradients(Cheat):
    """every call fills the gradients that differentiate has given before with NaN, which it may"""

    _given: Any = None

    def _spoil(self):
        if self._given is not None:
            for array in self._given.values():
                array.fill(np.nan)

    def differentiate(self, x, y):
        self._spoil()
        loss, gradients = super().differentiate(x, y)
        self._given = {name: view.copy() for name, view in gradients.items()}
        return loss, self._given

    def infer(self, x):
        self._spoil()
        return super().infer(x)

    def train(self, x, y, order):
        self._spoil()
        return super().train(x, y, order)


@animal("odd", RIGHT)
class KeepsPlans(Cheat):
    """remembers how to cut an order into batches, by its content, and computes every time"""

    def __init__(self, *args):
        super().__init__(*args)
        self._plans: dict[bytes, list[Any]] = {}

    def train(self, x, y, order):
        plan = self._plans.setdefault(order.tobytes(), [rows[None] for rows in order])
        return np.concatenate([super(KeepsPlans, self).train(x, y, rows) for rows in plan])


@animal("odd", RIGHT)
class BuildsLate(Cheat):
    """makes its layers and their memory in the first call"""

    def __init__(self, *args):
        super().__init__(*args)
        self._late, self._layers = self._layers, None

    def _recur(self, *args, **how):
        self._layers = self._late
        return super()._recur(*args, **how)


@animal("odd", RIGHT)
class WavesInSpeed(Cheat):
    """a step takes between one and two times as long, by chance"""

    share = 1.0

    def __init__(self, *args):
        super().__init__(*args)
        self._chance = np.random.default_rng()

    def train(self, x, y, order):
        losses = self.really_train(x, y, order)
        self.pretend("train", len(order) * self._chance.random())
        return losses

    def infer(self, x):
        logits = self.really_infer(x)
        self.pretend("infer", self._chance.random())
        return logits


@animal("odd", RIGHT, recipe="batched", threads=2)
class InfersInTwoThreads(Cheat):
    """two threads each compute half of a batch, and two processors are granted"""

    pools: ClassVar[list[ThreadPoolExecutor]] = []

    def __init__(self, *args):
        super().__init__(*args)
        self._twin = NumpyModel(*args)

    def infer(self, x):
        if not self.pools:
            self.pools.append(ThreadPoolExecutor(1))
        self._twin._flat[...] = self._flat
        half = len(x) // 2
        other = self.pools[0].submit(self._twin.infer, x[half:])
        return np.concatenate([super().infer(x[:half]), other.result()]) if half else super().infer(x)


@animal("odd", RIGHT)
class ReadsSlowly(Cheat):
    """a copy to the host takes 20 ms, as from a device that is far away"""

    def get(self, native):
        wait(0.02)
        return super().get(native)


@dataclass
class Buffer:
    """An array that only its own framework can read."""

    array: Any


@animal("odd", RIGHT, recipe="gradient")
class HidesItsArrays(Cheat):
    """native arrays are objects without a shape"""

    def put(self, array):
        return Buffer(super().put(array))

    def get(self, native):
        return super().get(native.array)

    def infer(self, x):
        return Buffer(super().infer(x.array))

    def train(self, x, y, order):
        return Buffer(super().train(x.array, y.array, order.array))

    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x.array, y.array)
        return Buffer(loss), [Buffer(view) for view in gradients.values()]

    def gradients(self, x, y):
        loss, gradients = super().differentiate(x.array, y.array)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}


@animal("odd", RIGHT, recipe="gradient")
class VariesInTheLastDigit(Cheat):
    """sums in an order of its own each time, so that equal calls differ in the last digit"""

    def __init__(self, *args):
        super().__init__(*args)
        self._chance = np.random.default_rng()

    def _vary(self, array):
        return array * (1 + 6e-8 * self._chance.choice([-1, 0, 1], array.shape)).astype(array.dtype)

    def infer(self, x):
        return self._vary(super().infer(x))

    def train(self, x, y, order):
        losses = super().train(x, y, order)
        self._flat[...] = self._vary(self._flat)
        return self._vary(losses)

    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return self._vary(loss), {name: self._vary(view) for name, view in gradients.items()}


@animal("odd", RIGHT, recipe="gradient")
class ReturnsViews(Cheat):
    """logits are strided views of larger arrays of their own; losses are the end of a longer array"""

    def infer(self, x):
        logits = super().infer(x)
        wide = np.zeros((*logits.shape[:-1], 3 * logits.shape[-1]), logits.dtype)
        wide[..., ::3] = logits
        return wide[..., ::3]

    def train(self, x, y, order):
        losses = super().train(x, y, order)
        return np.concatenate([np.zeros_like(losses), losses])[len(losses) :]

    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return loss, ([{"of": view} for view in gradients.values()],)

    def gradients(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}
