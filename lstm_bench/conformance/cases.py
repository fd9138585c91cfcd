"""Draw small random models and data to compare backends on, from a seed, equal on every machine."""

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
"""Optimizer steps in a case."""

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
"""Kinds of weights and inputs. Every model is tested with each pair, and is compiled only once for all pairs."""

MODELS = 18
"""Number of different models. In this many models almost every pair of choices occurs (seldom is more than one
missing). The first 18 cases use a new model each. The following cases use these models with the other ``KINDS``,
because JIT compilation takes most of the time. After all kinds come new models."""

CANDIDATES, SETS = 60, 6
"""Candidates drawn for each model, and sets of models drawn. The best candidate and the best set are used."""


SPREADING = {"lstm": 3.0, "gru": 2.0, "rnn": 1.0}
"""Factor on the weights under batch norm. Gates reduce the difference between two sequences in every layer, and batch
norm loses digits of numbers that are nearly equal. How many it loses depends on the order of its operations, and every
order is correct, so the weights are made larger to keep sequences apart."""

STEADYING = 0.25
"""Factor on the layers' biases under batch norm, which subtracts anything that all sequences have in common."""

FEWEST = 6
"""Minimum batch size under batch norm. In smaller batches all outputs may happen to be nearly equal."""

NARROWEST = 3
"""Minimum features and units of a layer under batch norm. Narrower layers give nearly equal outputs, too."""


class Case(Spec, frozen=True, kw_only=True):
    """A model, its training, and the kind of its weights and data.

    Attributes:
        model: the model, without dropout because each framework draws its own masks.
        train: loss, optimizer and batch size. The data are three batches of this size.
        time: time steps in a sequence.
        weights: ``uniform`` or ``glorot`` as in ``initial_parameters``; ``large`` is twice ``uniform``. Under batch
            norm, recurrent layers always have larger weights and smaller biases.
        inputs: ``normal``; ``large`` is three times as large, so that gates saturate; ``sparse`` is three quarters
            zeros; ``small`` is a tenth, so that the recurrence dominates. Under batch norm the factors are milder: 1.5,
            half zeros, and 0.5.
        seed: of weights, data and order.

    Raises:
        InvalidSpec: naming the field, the allowed values and the given value.
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
        """JSON of all fields that differ from their defaults, ``{"model":{...},...}``, as ``--case`` takes it."""
        return msgspec.json.encode(_without_defaults(self)).decode()


def read_case(text: str) -> Case:
    """Read a case from its JSON.

    Raises:
        InvalidSpec: if the text is not a case.
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
    """Draw the case of this number. Cells and ``KINDS`` take turns; layers (one to three) and the rest are random."""
    generation, rest = divmod(number, MODELS * len(KINDS))
    kind, which = divmod(rest, MODELS)
    shape = _shapes(seed, generation)[which]
    weights, inputs = KINDS[kind]
    return Case(
        model=shape.model, train=shape.train, time=shape.time, weights=weights, inputs=inputs, seed=seed + number
    )


class _Shape(NamedTuple):
    """The part of a case that a framework compiles for."""

    model: ModelSpec
    train: TrainSpec
    time: int

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
def _shapes(seed: int, generation: int) -> tuple[_Shape, ...]:
    """Draw ``SETS`` sets of models, and return the set with the most pairs of choices, or the smaller set in a tie."""
    generator = named_generator(seed, "cases", str(generation))
    sets = [_some_shapes(generator) for _ in range(SETS)]
    return max(sets, key=lambda some: (len(_met(some)), -sum(shape.size for shape in some)))


def _some_shapes(generator: np.random.Generator) -> tuple[_Shape, ...]:
    """Draw a set of models. Each is the candidate with the most new pairs of choices, or the smaller model in a tie.

    The first model of each cell is plain (one forward layer, trained with Adam), so that a backend with few features is
    tested, too.
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
    """The weights and data of a case, in float64.

    Attributes:
        parameters: initial values by canonical name.
        initial: an initial state for ``Model.states``.
        x: sequences `(N, T, I)`.
        y: their targets.
        order: the batches as indices into ``x`` and ``y``, `(STEPS, B)`.
    """

    parameters: dict[str, NDArray[np.float64]]
    initial: State
    x: NDArray[np.float64]
    y: NDArray[Any]
    order: NDArray[np.intp]

    def perturbed(self, eps: float) -> Problem:
        """Return the problem with a random relative perturbation of up to ``eps`` in every number."""
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
    """Draw the weights and data of a case, equal on every call."""
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
