"""Small problems on which two models are compared: drawn from a seed, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.backend import State
from lstm_bench.errors import InvalidSpec
from lstm_bench.parameters import initial_parameters, named_generator
from lstm_bench.spec import CellKind, ModelSpec, Spec, TrainSpec, is_size

STEPS = 20
"""Optimizer steps of a case."""

Weights = Literal["uniform", "glorot", "large"]
Inputs = Literal["normal", "large", "sparse"]

KINDS: tuple[tuple[Weights, Inputs], ...] = (
    ("uniform", "normal"), ("glorot", "normal"), ("large", "normal"), ("uniform", "large"), ("uniform", "sparse"),
)  # fmt: skip
"""Every model is met with each of these. Frameworks that compile do so once for all of them."""


MODELS = 40
"""So many cases are of as many models; the next are of the same ones, with other numbers."""


class Case(Spec, frozen=True, kw_only=True):
    """One model, how it is trained, and on what.

    Attributes:
        model: without dropout, of which each framework draws its own.
        train: its batch size is that of all data here.
        time: steps of a sequence.
        weights: ``uniform`` or ``glorot`` as in ``initial_parameters``; ``large`` is twice ``uniform``.
        inputs: ``normal``; ``large``, three times that, so that gates saturate; or ``sparse``, three quarters zeros.
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
    """The case of this number: all cells in turn, one to three layers of mixed sizes, and everything else drawn.

    Every fourth model is a plain one, of one layer read forwards and trained with Adam, so that a backend that can do
    little is held against something, too.
    """
    kind = number // MODELS % len(KINDS)
    which = number % MODELS + number // (MODELS * len(KINDS)) * MODELS
    generator = named_generator(seed, "case", str(which))

    def pick(*choices: Any) -> Any:
        return choices[int(generator.integers(len(choices)))]

    def size(most: int) -> int:
        return int(generator.integers(1, most + 1))

    cell = get_args(CellKind)[which % 3]
    if which % 4 == 3:
        model = ModelSpec(cell=cell, input_size=size(5), hidden_sizes=(size(6),), output_size=size(4))
        train = TrainSpec(loss="mse", optimizer="adam", learning_rate=pick(1e-3, 1e-2), batch_size=size(8))
    else:
        model = ModelSpec(
            cell=cell,
            input_size=size(5),
            hidden_sizes=tuple(size(6) for _ in range(size(3))),
            output_size=size(4),
            bidirectional=pick(False, True),
            bias=pick(True, True, False),
            batch_norm=pick(False, False, True),
            readout=pick("last", "all"),
        )
        optimizer = pick("sgd", "rmsprop", "adam")
        train = TrainSpec(
            loss=pick("mse", "cross_entropy"),
            optimizer=optimizer,
            learning_rate=pick(1e-3, 1e-2),
            # Batch norm over two or three sequences subtracts nearly equal numbers, which leaves few right digits.
            batch_size=int(generator.integers(4 if model.batch_norm else 1, 9)),
            momentum=pick(0.0, 0.9) if optimizer == "sgd" else 0.0,
            clip_norm=pick(None, 0.05, 1e3),
        )
    weights, inputs = KINDS[kind]
    return Case(model=model, train=train, time=size(8), weights=weights, inputs=inputs, seed=seed + number)


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
            State(tuple(map(change, self.initial.hidden)), tuple(map(change, self.initial.cell))),
            change(self.x), change(self.y), self.order,
        )  # fmt: skip


def problem_of(case: Case) -> Problem:
    """The numbers of a case; the same on every call."""
    spec, train = case.model, case.train
    parameters = initial_parameters(spec, "glorot" if case.weights == "glorot" else "uniform", case.seed)
    if case.weights == "large":
        parameters = {n: p if n.startswith("batch_norm") else 2 * p for n, p in parameters.items()}
    generator = named_generator(case.seed, "problem")
    count, batch = 3 * train.batch_size, train.batch_size
    x = generator.standard_normal((count, case.time, spec.input_size))
    if case.inputs == "large":
        x *= 3
    elif case.inputs == "sparse":
        x *= generator.random(x.shape) < 0.25
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
