"""What the groups of cheats share: how an animal is registered, and how it pretends to work."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any, ClassVar, Literal

import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
from lstm_bench_numpy._training import Optimizer

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()

Shows = Literal["results", "work", "processors", "process", "nothing"]
"""What gives a cheat away:

- ``results``: what a timed call gives, or leaves behind, is not the reference's;
- ``work``: everything is right, but the work was not done while the clock ran;
- ``processors``: everything is right, but other processors took part than were granted;
- ``process``: the harness itself was changed by code that runs in its process;
- ``nothing``: the animal is honest.
"""

RIGHT, CHECKED = "nothing", 10
"""``CHECKED`` is the number of training steps that a run has always compared with the reference."""

USUAL = {"train": 6e-4, "infer": 2e-4, "differentiate": 5e-4}
"""Seconds of a step of the first recipe, before one was timed."""


@dataclass(frozen=True)
class Animal:
    """A backend of this zoo.

    Attributes:
        kind: a class of models, or of backends.
        group: the kind of cheating.
        shows: what gives it away.
        recipe: the name of the recipe that it cheats on.
        threads: processors to grant it.
    """

    kind: type
    group: str
    shows: Shows
    recipe: str
    threads: int


ANIMALS: dict[str, Animal] = {}


def animal(group: str, shows: Shows = "results", *, recipe: str = "flights", threads: int = 1):
    """Register a class of models or of backends under its name in small letters."""

    def register(kind: type) -> type:
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
        ANIMALS[name] = Animal(kind, group, shows, recipe, threads)
        return kind

    return register


class Zoo(NumpyBackend):
    """The NumPy backend with another class of model."""

    abilities: ClassVar = NUMPY.abilities

    def __init__(self, model: type[NumpyModel] = NumpyModel) -> None:
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


def backends() -> Iterable[BackendInfo]:
    for name, found in ANIMALS.items():
        kind, abilities = found.kind, getattr(found.kind, "abilities", NUMPY.abilities)
        load = kind if issubclass(kind, Zoo) else lambda kind=kind: Zoo(kind)
        yield BackendInfo(name=name, summary=kind.__doc__ or "", load=load, abilities=abilities)


class Cheat(NumpyModel):
    """A model that knows how long its work takes, so that it can pretend to have done it in half the time.

    Without that, some cheats would be infinitely fast, and a look at the number would be enough.
    """

    share = 0.5
    pace: ClassVar[dict[str, float]] = {}

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._spelled = train, self._flat.size, dtype
        self.calls = {"train": 0, "infer": 0, "differentiate": 0}

    def timed(self, what: str, work: Callable[[], Any], steps: int = 1) -> Any:
        begin = perf_counter()
        result = work()
        self.pace[what] = min(self.pace.get(what, 1.0), (perf_counter() - begin) / max(steps, 1))
        return result

    def really_train(self, x, y, order):
        return self.timed("train", lambda: NumpyModel.train(self, x, y, order), len(order))

    def really_infer(self, x):
        return self.timed("infer", lambda: NumpyModel.infer(self, x))

    def really_differentiate(self, x, y):
        return self.timed("differentiate", lambda: NumpyModel.differentiate(self, x, y))

    def pretend(self, what: str, steps: int = 1) -> None:
        """Spin for half as long as these steps would take."""
        until = perf_counter() + self.share * steps * self.pace.get(what, USUAL[what])
        while perf_counter() < until:
            pass

    def count(self, what: str) -> int:
        """Count this call, and return its number, from 1."""
        self.calls[what] += 1
        return self.calls[what]

    def restart_optimizer(self) -> None:
        self._optimizer = Optimizer(*self._spelled)

    def state(self) -> tuple[Any, ...]:
        """Copies of everything that training changes."""
        optimizer = self._optimizer
        kept = [array.copy() for array in (self._flat, optimizer._m, optimizer._v, *self._statistics.values())]
        return (optimizer._steps, *kept)

    def restore(self, state: tuple[Any, ...]) -> None:
        self._optimizer._steps, *kept = state
        own = (self._flat, self._optimizer._m, self._optimizer._v, *self._statistics.values())
        for array, value in zip(own, kept, strict=True):
            array[...] = value


class TrainsOtherwise(Cheat):
    """A model that is honest in calls of as few steps as are compared, and otherwise trains by ``train_otherwise``."""

    def train(self, x, y, order):
        call = self.count("train")
        return self.train_otherwise(x, y, order) if self.cheats(order, call) else self.really_train(x, y, order)

    def cheats(self, order, call: int) -> bool:
        return len(order) > CHECKED

    def train_otherwise(self, x, y, order):
        """Train nothing: losses stay near those of one honest step."""
        self.pretend("train", len(order) - 1)
        return np.repeat(self.really_train(x, y, order[:1]), len(order))


class InfersOtherwise(Cheat):
    """A model that is honest in its first thirty calls, and otherwise infers by ``infer_otherwise``."""

    last = None

    def infer(self, x):
        call = self.count("infer")
        if self.last is not None and self.last.shape[0] == len(x) and self.cheats(x, call):
            return self.infer_otherwise(x)
        self.last = self.really_infer(x)
        return self.last

    def cheats(self, x, call: int) -> bool:
        return call > 30

    def infer_otherwise(self, x):
        """Give the latest logits that were computed."""
        self.pretend("infer")
        return self.last.copy()


class Later:
    """A native array that is computed when it is read."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute, self.value = compute, None

    def evaluate(self) -> Any:
        if self._compute is not None:
            self.value, self._compute = self._compute(), None
        return self.value


class Lazy(Cheat):
    """A model whose native arrays may be computed later, in the order in which they were asked for."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._due: list[weakref.ref[Later]] = []
        self._debts: list[Later] = []

    def later(self, compute: Callable[[], Any], *, keep: bool = False) -> Later:
        """A result that changes nothing is forgotten when nobody holds it; ``keep`` is for training."""
        result = Later(compute)
        if keep:
            self._debts.append(result)
        self._due.append(weakref.ref(result))
        return result

    def settle(self) -> None:
        """Compute what was put off and is still held by somebody."""
        due, self._due, debts, self._debts = self._due, [], self._debts, []
        for reference in due:
            if (result := reference()) is not None:
                result.evaluate()
        del debts

    def get(self, native):
        self.settle()
        return super().get(native.evaluate() if isinstance(native, Later) else native)

    def parameters(self):
        self.settle()
        return super().parameters()

    def gradients(self, x, y):
        self.settle()
        loss, gradients = NumpyModel.differentiate(self, x, y)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}

    def train(self, x, y, order):
        self.settle()
        return self.really_train(x, y, order)

    def infer(self, x):
        self.settle()
        return self.really_infer(x)

    def differentiate(self, x, y):
        self.settle()
        return self.really_differentiate(x, y)


def wait(seconds: float) -> None:
    """Sleep, as a compiler or a bus would take time."""
    sleep(seconds)
