"""Small problems on which two models are compared: drawn from a seed, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.errors import InvalidSpec
from lstm_bench.model.parameters import initial_parameters, named_generator
from lstm_bench.model.spec import CellKind, ModelSpec, Spec, TrainSpec, is_size
from lstm_bench.plugin.backend import State

STEPS = 20
"""Optimizer steps of a case."""

Weights = Literal["uniform", "glorot", "large"]
Inputs = Literal["normal", "large", "sparse", "small"]

KINDS: tuple[tuple[Weights, Inputs], ...] = (
    ("uniform", "normal"),
    ("glorot", "normal"),
    ("large", "normal"),
    ("uniform", "large"),
    ("uniform", "sparse"),
    ("glorot", "large"),
    ("glorot", "sparse"),
    ("large", "large"),
    ("large", "sparse"),
    ("uniform", "small"),
    ("glorot", "small"),
    ("large", "small"),
)
"""Every model is met with each of these. Frameworks that compile do so once for all of them."""

MODELS = 18
"""So many cases are of as many models, in which any two choices meet (seldom but one pair); the next are of the same
models, with other numbers. Frameworks that compile take most of their time for the first."""

CANDIDATES, SETS = 60, 6
"""Models that are drawn for one that is taken, and sets of them."""


SPREADING = {"lstm": 3.0, "gru": 2.0, "rnn": 1.0}
"""How much larger the weights are under batch norm. Gates leave little of the difference between two sequences in each
layer, and of numbers that are nearly equal batch norm leaves few right digits: how few depends on the order in which it
computes, and no order is wrong."""

STEADYING = 0.25
"""How much smaller the layers' biases are under batch norm, which takes away again what they add to all sequences."""

FEWEST = 6
"""Sequences of a batch under batch norm, at least: of fewer, it happens that all come out nearly equal."""

NARROWEST = 3
"""Features and units of a layer under batch norm, at least: what hears of one number alone comes out so, too."""


class Case(Spec, frozen=True, kw_only=True):
    """One model, how it is trained, and on what.

    Attributes:
        model: without dropout, of which each framework draws its own.
        train: its batch size is that of all data here.
        time: steps of a sequence.
        weights: ``uniform`` or ``glorot`` as in ``initial_parameters``; ``large`` is twice ``uniform``. Under batch
            norm, recurrent layers have larger ones and smaller biases in any case.
        inputs: ``normal``; ``large``, three times that, so that gates saturate; ``sparse``, three quarters zeros; or
            ``small``, a tenth of it, so that the recurrence decides. Under batch norm less so: half as large again,
            half zeros, or a half.
        seed: of weights, data and order.

    Raises:
        InvalidSpec: naming the field, what it must be and what it was.
    """

    model: ModelSpec
    train: TrainSpec
    time: int
    weights: Weights = "uniform"
    inputs: Inputs = "normal"
    seed: int = 0

    def __post_init__(self) -> None:
        self._require(self.model.dropout == 0, "model", "a model without dropout")
        self._require(is_size(self.time) and self.time <= 1000, "time", "a whole number from 1 to 1000")
        self._require_choice("weights", Weights)
        self._require_choice("inputs", Inputs)
        self._require(is_size(self.seed, least=0), "seed", "a whole number from 0")

    def __str__(self) -> str:
        """``{"model":{...},...}``: JSON of all that differs from the defaults, as ``--case`` takes it."""
        return msgspec.json.encode(_without_defaults(self)).decode()


def read_case(text: str) -> Case:
    """A case from its JSON.

    Raises:
        InvalidSpec: if it is none.
    """
    try:
        return msgspec.json.decode(text, type=Case)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidSpec(f"cannot read the case {text!r}: {error}") from error


def _without_defaults(record: msgspec.Struct) -> dict[str, Any]:
    fields = {}
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if field.default is msgspec.NODEFAULT or value != field.default:
            fields[field.name] = _without_defaults(value) if isinstance(value, msgspec.Struct) else value
    return fields


def draw_case(seed: int, number: int) -> Case:
    """The case of this number: all cells in turn, one to three layers of mixed sizes, and everything else drawn."""
    generation, rest = divmod(number, MODELS * len(KINDS))
    kind, which = divmod(rest, MODELS)
    shape = _shapes(seed, generation)[which]
    weights, inputs = KINDS[kind]
    return Case(
        model=shape.model, train=shape.train, time=shape.time, weights=weights, inputs=inputs, seed=seed + number
    )


class _Shape(NamedTuple):
    """All of a case that a framework compiles for."""

    model: ModelSpec
    train: TrainSpec
    time: int

    @property
    def size(self) -> int:
        """Loops over time, which is what takes a compiler its time."""
        return len(self.model.hidden_sizes) * len(self.model.directions)

    def pairs(self) -> set[tuple[Any, Any]]:
        """Every two choices that meet in it."""
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
def _shapes(seed: int, generation: int) -> tuple[_Shape, ...]:
    """Models in which as many choices meet as in any of some sets that are drawn; the smallest of equals."""
    generator = named_generator(seed, "cases", str(generation))
    sets = [_some_shapes(generator) for _ in range(SETS)]
    return max(sets, key=lambda some: (len(_met(some)), -sum(shape.size for shape in some)))


def _some_shapes(generator: np.random.Generator) -> tuple[_Shape, ...]:
    """Of many that are drawn, those that bring most choices together that did not meet before; the smallest of equals.

    One of each cell is a plain one, of one layer read forwards and trained with Adam, so that a backend that can do
    little is held against something, too.
    """
    found: list[_Shape] = []
    for which in range(MODELS):
        cell = get_args(CellKind)[which % 3]
        if which < 3:
            found.append(_plain(generator, cell))
        else:
            met, candidates = _met(found), [_any(generator, cell) for _ in range(CANDIDATES)]
            found.append(max(candidates, key=lambda shape: (len(shape.pairs() - met), -shape.size)))
    return tuple(found)


def _met(shapes: Iterable[_Shape]) -> set[tuple[Any, Any]]:
    return set().union(*(shape.pairs() for shape in shapes))


def _plain(generator: np.random.Generator, cell: CellKind) -> _Shape:
    size = partial(_size, generator)
    model = ModelSpec(cell=cell, input_size=size(5), hidden_sizes=(size(6),), output_size=size(4))
    rate = float(generator.choice([1e-3, 1e-2]))
    return _Shape(model, TrainSpec(loss="mse", optimizer="adam", learning_rate=rate, batch_size=size(8)), size(8))


def _any(generator: np.random.Generator, cell: CellKind) -> _Shape:
    size = partial(_size, generator)

    def pick(*choices: Any) -> Any:
        return choices[int(generator.integers(len(choices)))]

    batch_norm = pick(False, False, True)
    few, many = (NARROWEST, FEWEST) if batch_norm else (1, 1)
    model = ModelSpec(
        cell=cell,
        input_size=size(5, few),
        hidden_sizes=tuple(size(6, few) for _ in range(pick(1, 1, 2, 2, 3))),
        output_size=size(4),
        bidirectional=pick(False, True),
        bias=pick(True, True, False),
        batch_norm=batch_norm,
        readout=pick("last", "all"),
    )
    optimizer, momentum = pick(("sgd", 0.0), ("sgd", 0.9), ("rmsprop", 0.0), ("adam", 0.0))
    train = TrainSpec(
        loss=pick("mse", "cross_entropy"),
        optimizer=optimizer,
        learning_rate=pick(1e-3, 1e-2),
        batch_size=size(8, many),
        momentum=momentum,
        clip_norm=pick(None, 0.05, 1e3),
    )
    return _Shape(model, train, size(8))


def _size(generator: np.random.Generator, most: int, least: int = 1) -> int:
    return int(generator.integers(least, most + 1))


@dataclass(frozen=True)
class Problem:
    """What a case is made of, in float64.

    Attributes:
        parameters: initial values by canonical name.
        initial: a state to begin from.
        x: sequences `(N, T, I)`.
        y: their targets.
        order: rows of batches, `(STEPS, B)`.
    """

    parameters: dict[str, NDArray[np.float64]]
    initial: State
    x: NDArray[np.float64]
    y: NDArray[Any]
    order: NDArray[np.intp]

    def perturbed(self, eps: float) -> Problem:
        """The same problem with every number changed by up to ``eps`` of itself."""
        generator = np.random.default_rng(0)

        def change(array: NDArray[Any]) -> NDArray[Any]:
            if not np.issubdtype(array.dtype, np.floating):
                return array
            return array * (1 + eps * generator.uniform(-1, 1, array.shape))

        return Problem(
            {name: change(array) for name, array in self.parameters.items()},
            State(tuple(map(change, self.initial.h)), tuple(map(change, self.initial.c))),
            change(self.x),
            change(self.y),
            self.order,
        )


def problem_of(case: Case) -> Problem:
    """The numbers of a case; the same on every call."""
    spec, train = case.model, case.train
    parameters = initial_parameters(spec, "glorot" if case.weights == "glorot" else "uniform", case.seed)
    usual = 2.0 if case.weights == "large" else 1.0
    weights, biases = (SPREADING[spec.cell], STEADYING) if spec.batch_norm else (usual, usual)
    large, small, kept = (1.5, 0.5, 0.5) if spec.batch_norm else (3.0, 0.1, 0.25)
    for name, array in parameters.items():
        owner, _, kind = name.rpartition(".")
        if owner == "head":
            array *= usual
        elif owner != "batch_norm":
            array *= weights if kind.startswith("weight") else biases
    generator = named_generator(case.seed, "problem")
    count, batch = 3 * train.batch_size, train.batch_size
    x = generator.standard_normal((count, case.time, spec.input_size))
    if case.inputs == "large":
        x *= large
    elif case.inputs == "small":
        x *= small
    elif case.inputs == "sparse":
        x *= generator.random(x.shape) < kept
    shape = (count,) if spec.readout == "last" else (count, case.time)
    y: NDArray[Any]
    if train.loss == "mse":
        y = generator.standard_normal((*shape, spec.output_size))
    else:
        y = generator.integers(0, spec.output_size, shape)
    order = np.stack([generator.permutation(count)[:batch] for _ in range(STEPS)])
    states = tuple(
        tuple(generator.uniform(-1, 1, (len(spec.directions), batch, hidden)) for hidden in spec.hidden_sizes)
        for _ in range(2 if spec.cell == "lstm" else 1)
    )
    return Problem(parameters, State(*states), x, y, order)
