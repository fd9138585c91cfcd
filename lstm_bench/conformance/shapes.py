"""Draw the shapes of cases: models with their training and number of time steps, which is what frameworks compile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
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


FEATURES, OUTPUTS = range(1, 6), range(1, 5)
"""Sizes of input and output to choose from."""

LAYERS = (1, 1, 2, 2, 3)
"""Numbers of layers to choose from."""


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

    @cached_property
    def may_be_dear(self) -> bool:
        """Whether a model of these sizes can cost more than ``COSTLIEST``."""
        largest = ModelSpec(
            cell="lstm",
            input_size=FEATURES[-1],
            hidden_sizes=(max(self.hidden),) * max(LAYERS),
            output_size=OUTPUTS[-1],
            bidirectional=True,
            readout="all",
        )
        return operations(largest, "gradient", batch=max(self.batch), time=max(self.time)) > COSTLIEST


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


class _Draft(NamedTuple):
    """The arguments of a shape's specifications. Thousands are drawn, and checked specifications are made of few."""

    model: dict[str, Any]
    train: dict[str, Any]
    time: int
    remembers: bool = False

    @property
    def loops(self) -> int:
        """Number of loops over time, which decides the compile time."""
        return len(self.model["hidden_sizes"]) * (2 if self.model["bidirectional"] else 1)

    def pairs(self) -> set[tuple[Any, Any]]:
        """Every pair of choices that occurs in this shape."""
        model, train = self.model, self.train
        choices = {
            **{name: model[name] for name in ("cell", "bidirectional", "bias", "batch_norm", "readout")},
            **{name: train[name] for name in ("loss", "learning_rate", "clip_norm")},
            "layers": len(model["hidden_sizes"]),
            "optimizer": (train["optimizer"], train["momentum"]),
            "from zeros": self.time % 2 == 0,
        }
        return set(combinations(choices.items(), 2))

    def shape(self) -> Shape:
        """The shape, with checked specifications."""
        return Shape(ModelSpec(**self.model), TrainSpec(**self.train), self.time, self.remembers)


@lru_cache
def draw_shapes(seed: int, generation: int) -> tuple[Shape, ...]:
    """Draw ``SETS`` sets of models, and return the set with the most pairs of choices, or the smaller set in a tie."""
    generator = named_generator(seed, "cases", str(generation))
    sets = [_some_drafts(generator) for _ in range(SETS)]
    best = max(sets, key=lambda some: (len(_met(some)), -sum(draft.loops for draft in some)))
    return tuple(draft.shape() for draft in best)


def _some_drafts(generator: np.random.Generator) -> list[_Draft]:
    """Draw a set of models. Each is the candidate with the most new pairs of choices, or the smaller model in a tie.

    The first model of each cell is plain (one forward layer, trained with Adam), so that a backend with few features is
    tested, too. The second is ``LONG``, the third ``WIDE``.
    """
    found: list[_Draft] = []
    for which in range(MODELS):
        turn, cell = which // 3, get_args(CellKind)[which % 3]
        if turn == 0:
            found.append(_plain(generator, cell))
        else:
            sizes = {1: LONG, 2: WIDE}.get(turn, SMALL)
            met, candidates = _met(found), [_affordable(generator, cell, sizes) for _ in range(CANDIDATES)]
            found.append(max(candidates, key=lambda draft: (len(draft.pairs() - met), -draft.loops)))
    return found


def _met(drafts: Iterable[_Draft]) -> set[tuple[Any, Any]]:
    return set().union(*(draft.pairs() for draft in drafts))


def _plain(generator: np.random.Generator, cell: CellKind) -> _Draft:
    def size(most: int) -> int:
        return int(generator.integers(1, most + 1))

    model = {
        "cell": cell,
        "input_size": size(FEATURES[-1]),
        "hidden_sizes": (size(6),),
        "output_size": size(OUTPUTS[-1]),
        "bidirectional": False,
        "bias": True,
        "batch_norm": False,
        "readout": "last",
    }
    rate = float(generator.choice([1e-3, 1e-2]))
    train = {
        "loss": "mse",
        "optimizer": "adam",
        "momentum": 0.0,
        "learning_rate": rate,
        "batch_size": size(8),
        "clip_norm": None,
    }
    return _Draft(model, train, size(8))


def _affordable(generator: np.random.Generator, cell: CellKind, sizes: _Sizes) -> _Draft:
    while True:
        draft = _any(generator, cell, sizes)
        if draft.loops <= sizes.loops and not (sizes.may_be_dear and _cost(draft.shape()) > COSTLIEST):
            return draft


def _cost(shape: Shape) -> int:
    return operations(shape.model, "gradient", batch=shape.train.batch_size, time=shape.time)


@lru_cache
def _from(choices: Sequence[int], least: int) -> tuple[int, ...]:
    return tuple(choice for choice in choices if choice >= least)


def _any(generator: np.random.Generator, cell: CellKind, sizes: _Sizes) -> _Draft:
    integers = generator.integers

    def pick(*choices: Any) -> Any:
        return choices[integers(len(choices))]

    def size(choices: Sequence[int], least: int) -> int:
        return int(pick(*_from(choices, least)))

    batch_norm = not sizes.remembers and pick(False, False, True)
    few, many = (NARROWEST, FEWEST) if batch_norm else (1, 1)
    loss = pick("mse", "cross_entropy")
    # The order of these lines decides what the generator draws.
    model = {
        "cell": cell,
        "input_size": size(FEATURES, few),
        "hidden_sizes": tuple([size(sizes.hidden, few) for _ in range(pick(*LAYERS))]),
        "output_size": size(OUTPUTS, 2 if loss == "cross_entropy" else 1),  # over one class, all gradients are zero
        "bidirectional": pick(False, True),
        "bias": sizes.remembers or pick(True, True, False),
        "batch_norm": batch_norm,
        "readout": pick("last", "all"),
    }
    optimizer, momentum = pick(("sgd", 0.0), ("sgd", 0.9), ("rmsprop", 0.0), ("adam", 0.0))
    train = {
        "loss": loss,
        "optimizer": optimizer,
        "momentum": momentum,
        "learning_rate": pick(*sizes.rates),
        "batch_size": size(sizes.batch, many),
        "clip_norm": pick(None, 0.05, 1e3),
    }
    return _Draft(model, train, size(sizes.time, 1), sizes.remembers)
