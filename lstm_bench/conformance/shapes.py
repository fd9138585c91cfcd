"""Draw the shapes of cases: models with their training and number of time steps, which is what frameworks compile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple, get_args

import numpy as np

from lstm_bench.model.flops import operations
from lstm_bench.model.parameters import named_generator
from lstm_bench.model.spec import CellKind, ModelSpec, TrainSpec

MODELS = 18
"""Number of different models in a set. In this many models almost every pair of choices occurs (seldom is more than one
missing)."""

CANDIDATES, SETS = 60, 14
"""Candidates drawn for each model, and sets of models drawn. The best candidate and the best set are used."""

FEWEST = 6
"""Minimum batch size under batch norm. In smaller batches all outputs may happen to be nearly equal."""

NARROWEST = 3
"""Minimum features and units of a layer under batch norm. Narrower layers give nearly equal outputs, too."""

COSTLIEST = 10**8
"""Most floating point operations of a batch's gradient. The reference computes about a hundred of them for a case."""


@dataclass(frozen=True)
class _Sizes:
    """The sizes to choose from.

    Attributes:
        hidden: hidden sizes.
        batch: batch sizes.
        time: numbers of time steps.
        loops: the most loops over time, layers times directions. Frameworks that write a loop out compile for long.
        remembers: whether the model is to have gates that can stay open, which takes biases and no batch norm.
        rates: learning rates.
    """

    hidden: tuple[int, ...] = tuple(range(1, 7))
    batch: tuple[int, ...] = tuple(range(1, 9))
    time: tuple[int, ...] = tuple(range(1, 9))
    loops: int = 6
    remembers: bool = False
    rates: tuple[float, ...] = (1e-3, 1e-2)


SMALL = _Sizes()

WIDE = _Sizes(hidden=(15, 16, 17, 31, 32, 33, 64, 128), batch=(1, 2, 7, 8, 16, 32), time=tuple(range(1, 18)))
"""Sizes at which kernels change: around the width of vector registers and tiles, and past the smallest ones."""

LONG = _Sizes(
    hidden=(3, 4, 5, 6, 15, 16, 17, 31, 32, 33),
    batch=(1, 2, 7, 8),
    time=tuple(range(91, 101)),
    loops=1,
    remembers=True,
    rates=(1e-3,),
)
"""Sequences so long that a backward pass that is cut off after 90 steps shows. At a rate of 1e-2, RMSprop moves each
weight by 0.03 in its first step. That made rounding errors in float64 grow to 4e-9 in 20 steps."""


class Shape(NamedTuple):
    """The part of a case that a framework compiles for.

    Attributes:
        model: the model.
        train: its training.
        time: time steps of a sequence.
        remembers: whether the sequences are long, and the model has gates to remember their beginning by.
    """

    model: ModelSpec
    train: TrainSpec
    time: int
    remembers: bool = False

    @property
    def size(self) -> int:
        """Number of loops over time, which decides the compile time."""
        return len(self.model.hidden_sizes) * len(self.model.directions)

    def pairs(self) -> set[tuple[Any, Any]]:
        """Every pair of choices that occurs in this shape."""
        model, train = self.model, self.train
        choices = {
            "cell": model.cell,
            "layers": len(model.hidden_sizes),
            "bidirectional": model.bidirectional,
            "bias": model.bias,
            "batch norm": model.batch_norm,
            "readout": model.readout,
            "loss": train.loss,
            "optimizer": (train.optimizer, train.momentum > 0),
            "learning rate": train.learning_rate,
            "clipped at": train.clip_norm,
            "from zeros": self.time % 2 == 0,
        }
        return set(combinations(choices.items(), 2))


@lru_cache
def draw_shapes(seed: int, generation: int) -> tuple[Shape, ...]:
    """Draw ``SETS`` sets of models, and return the set with the most pairs of choices, or the smaller set in a tie."""
    generator = named_generator(seed, "cases", str(generation))
    sets = [_some_shapes(generator) for _ in range(SETS)]
    return max(sets, key=lambda some: (len(_met(some)), -sum(shape.size for shape in some)))


def _some_shapes(generator: np.random.Generator) -> tuple[Shape, ...]:
    """Draw a set of models. Each is the candidate with the most new pairs of choices, or the smaller model in a tie.

    The first model of each cell is plain (one forward layer, trained with Adam), so that a backend with few features is
    tested, too. The second is ``LONG``, the third ``WIDE``.
    """
    found: list[Shape] = []
    for which in range(MODELS):
        turn, cell = which // 3, get_args(CellKind)[which % 3]
        if turn == 0:
            found.append(_plain(generator, cell))
        else:
            sizes = {1: LONG, 2: WIDE}.get(turn, SMALL)
            met, candidates = _met(found), [_affordable(generator, cell, sizes) for _ in range(CANDIDATES)]
            found.append(max(candidates, key=lambda shape: (len(shape.pairs() - met), -shape.size)))
    return tuple(found)


def _met(shapes: Iterable[Shape]) -> set[tuple[Any, Any]]:
    return set().union(*(shape.pairs() for shape in shapes))


def _plain(generator: np.random.Generator, cell: CellKind) -> Shape:
    def size(most: int) -> int:
        return int(generator.integers(1, most + 1))

    model = ModelSpec(cell=cell, input_size=size(5), hidden_sizes=(size(6),), output_size=size(4))
    rate = float(generator.choice([1e-3, 1e-2]))
    return Shape(model, TrainSpec(loss="mse", optimizer="adam", learning_rate=rate, batch_size=size(8)), size(8))


def _affordable(generator: np.random.Generator, cell: CellKind, sizes: _Sizes) -> Shape:
    while True:
        shape = _any(generator, cell, sizes)
        cost = operations(shape.model, "gradient", batch=shape.train.batch_size, time=shape.time)
        if shape.size <= sizes.loops and cost <= COSTLIEST:
            return shape


def _any(generator: np.random.Generator, cell: CellKind, sizes: _Sizes) -> Shape:
    def pick(*choices: Any) -> Any:
        return choices[int(generator.integers(len(choices)))]

    def size(choices: Iterable[int], least: int) -> int:
        return int(pick(*(choice for choice in choices if choice >= least)))

    batch_norm = not sizes.remembers and pick(False, False, True)
    few, many = (NARROWEST, FEWEST) if batch_norm else (1, 1)
    loss = pick("mse", "cross_entropy")
    model = ModelSpec(
        cell=cell,
        input_size=size(range(1, 6), few),
        hidden_sizes=tuple(size(sizes.hidden, few) for _ in range(pick(1, 1, 2, 2, 3))),
        output_size=size(range(1, 5), 2 if loss == "cross_entropy" else 1),  # over one class, all gradients are zero
        bidirectional=pick(False, True),
        bias=sizes.remembers or pick(True, True, False),
        batch_norm=batch_norm,
        readout=pick("last", "all"),
    )
    optimizer, momentum = pick(("sgd", 0.0), ("sgd", 0.9), ("rmsprop", 0.0), ("adam", 0.0))
    train = TrainSpec(
        loss=loss,
        optimizer=optimizer,
        learning_rate=pick(*sizes.rates),
        batch_size=size(sizes.batch, many),
        momentum=momentum,
        clip_norm=pick(None, 0.05, 1e3),
    )
    return Shape(model, train, size(sizes.time, 1), sizes.remembers)
