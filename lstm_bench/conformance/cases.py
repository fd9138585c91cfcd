"""Draw small random models and data to compare backends on, from a seed, equal on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.lasting import make_lasting
from lstm_bench.conformance.shapes import MODELS, draw_shapes
from lstm_bench.errors import InvalidSpec
from lstm_bench.model.parameters import initial_parameters, named_generator
from lstm_bench.model.spec import ModelSpec, Precision, Spec, TrainSpec, is_size
from lstm_bench.plugin.backend import State

CALLS = (1, 6, 6, 7)
"""Optimizer steps of each call of ``Model.train`` in a case. The calls of equal length get the same native array."""

STEPS = sum(CALLS)
"""Optimizer steps in a case."""

Weights = Literal["uniform", "glorot", "large", "lasting"]
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
"""Kinds of weights and inputs. Every model is tested with each pair, and is compiled only once for all pairs. Models of
long sequences have ``lasting`` weights in place of ``uniform`` ones."""

SPREADING = {"lstm": 3.0, "gru": 2.0, "rnn": 1.0}
"""Factor on the weights under batch norm. Gates reduce the difference between two sequences in every layer, and batch
norm loses digits of numbers that are nearly equal. How many it loses depends on the order of its operations, and every
order is correct, so the weights are made larger to keep sequences apart."""

STEADYING = 0.25
"""Factor on the layers' biases under batch norm, which subtracts anything that all sequences have in common."""


class Case(Spec, frozen=True, kw_only=True):
    """A model, its training, and the kind of its weights and data.

    Attributes:
        model: the model, without dropout because each framework draws its own masks.
        train: loss, optimizer and batch size. The data are three batches of this size.
        time: time steps in a sequence.
        weights: ``uniform`` or ``glorot`` as in ``initial_parameters``; ``large`` is twice ``uniform``; ``lasting`` is
            ``uniform`` with a state that lasts for a hundred steps. Under batch norm, recurrent layers always have
            larger weights and smaller biases.
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
    """Draw the case of this number. Cells and ``KINDS`` take turns; layers (one to three) and the rest are random.

    The first ``MODELS`` cases use a new model each. The following cases use these models with the other ``KINDS``,
    because JIT compilation takes most of the time. After all kinds come new models.
    """
    generation, rest = divmod(number, MODELS * len(KINDS))
    kind, which = divmod(rest, MODELS)
    shape = draw_shapes(seed, generation)[which]
    weights, inputs = KINDS[kind]
    if shape.remembers and weights == "uniform":
        weights = "lasting"
    return Case(
        model=shape.model, train=shape.train, time=shape.time, weights=weights, inputs=inputs, seed=seed + number
    )


def representable(case: Case, precision: Precision) -> Case:
    """Return the case, in bfloat16 without a lasting state.

    Such a state changes by less than a percent in a step. bfloat16 rounds most of that away, always in one direction,
    and after a hundred steps PyTorch's GRU is off by a quarter, which is right for the format and says nothing.
    """
    if precision == "bfloat16" and case.weights == "lasting":
        return msgspec.structs.replace(case, weights="uniform")
    return case


@dataclass(frozen=True)
class Problem:
    """The weights and data of a case, in float64.

    Attributes:
        parameters: initial values by canonical name.
        initial: an initial state for ``Model.states``.
        x: sequences `(N, T, I)`.
        y: their targets.
        order: the batches as indices into ``x`` and ``y``, `(STEPS, B)`. Batches repeat, and one batch has a sequence
            twice.
    """

    parameters: dict[str, NDArray[np.float64]]
    initial: State
    x: NDArray[np.float64]
    y: NDArray[Any]
    order: NDArray[np.intp]

    def perturbed(self, eps: float, seed: int = 0) -> Problem:
        """Return the problem with a random relative perturbation of up to ``eps`` in every number.

        Args:
            eps: the largest change, relative to the number. With the opposite sign, all changes are opposite.
            seed: of the changes.
        """
        generator = np.random.default_rng(seed)

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
    if case.weights == "lasting":
        make_lasting(parameters, spec, case.seed)
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
    states = tuple(
        tuple(generator.uniform(-1, 1, (len(spec.directions), batch, hidden)) for hidden in spec.hidden_sizes)
        for _ in range(2 if spec.cell == "lstm" else 1)
    )
    return Problem(parameters, State(*states), x, y, _order(generator, count, batch))


def _order(generator: np.random.Generator, count: int, batch: int) -> NDArray[np.intp]:
    """Draw the batches of all calls, `(STEPS, B)`."""
    order = np.stack([generator.permutation(count)[:batch] for _ in range(STEPS)])
    first, second, third = split_calls(order)[1:]
    second[...] = first
    third[1] = third[0]
    third[2, -1] = third[2, 0]
    return order


def split_calls(order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Split the batches `(STEPS, B)` into those of each call of ``Model.train``; views."""
    return np.split(order, list(accumulate(CALLS))[:-1])
