"""The specification of a computation: the model, its training and the precision. Checked when constructed."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, get_args

import msgspec

from lstm_bench.errors import InvalidSpec

CellKind = Literal["lstm", "gru", "rnn"]
Readout = Literal["last", "all"]
Loss = Literal["mse", "cross_entropy"]
Optimizer = Literal["sgd", "rmsprop", "adam"]
Precision = Literal["float64", "float32", "tf32", "bfloat16"]
Initialisation = Literal["uniform", "glorot"]
Scope = Literal["train", "gradient", "infer"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""``float32`` is IEEE float32 throughout. ``tf32`` allows matrix products to round their inputs to TF32. With
``bfloat16``, layers and head compute in bfloat16; parameters, optimizer, statistics and losses are float32."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""The scopes that can be timed, in the order in which tables show them."""

LARGEST_SIZE = 2**24
"""The largest length of an axis. Beyond it, element counts overflow before memory runs out."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen, keyword-only record whose fields are checked by ``__post_init__``."""

    def _require(self, holds: bool, field: str, wanted: str) -> None:
        if not holds:
            raise InvalidSpec(f"{type(self).__name__}.{field} must be {wanted}; got {getattr(self, field)!r}")

    def _require_choice(self, field: str, choices: Any) -> None:
        names = get_args(choices)
        self._require(getattr(self, field) in names, field, "one of " + ", ".join(names))

    def _as_float(self, field: str) -> None:
        """Turn a number into a float, so that equal specifications have equal JSON: 1 and 1.0 are both written 1.0."""
        value = getattr(self, field)
        msgspec.structs.force_setattr(self, field, value if value is None else float(value))

    def _require_bool(self, field: str) -> None:
        self._require(isinstance(getattr(self, field), bool), field, "True or False")


def is_size(value: object, least: int = 1) -> bool:
    """Whether ``value`` can be a size: an integer, and no bool, from ``least`` to ``LARGEST_SIZE``."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_SIZE


def is_real(value: object) -> bool:
    """Whether ``value`` is a finite number, and no bool."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def is_name(value: object) -> bool:
    """Whether ``value`` can be a name that users type: letters, digits, - and _ without spaces."""
    return isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None


class ModelSpec(Spec, frozen=True, kw_only=True):
    """A stack of recurrent layers under a linear head that computes logits.

    Attributes:
        input_size: features of each time step.
        hidden_sizes: hidden size of each layer, bottom first: ``(100,)``, ``(128, 64, 32)``.
        output_size: number of logits.
        cell: the recurrent cell of every layer.
        bidirectional: whether each layer also reads the sequence backwards. The output of a layer is then the
            concatenation of both directions.
        bias: whether the layers and the head have biases.
        dropout: probability with which an element of a layer's output is dropped before the next layer, in training
            only.
        batch_norm: whether batch normalisation is applied to the input of the head.
        readout: the input of the head: ``"last"`` is the final state of each direction of the top layer, ``"all"``
            the top layer's output at every time step.

    Raises:
        InvalidSpec: naming the field, the values that it can have and the value that it had.
    """

    input_size: int
    hidden_sizes: tuple[int, ...]
    output_size: int
    cell: CellKind = "lstm"
    bidirectional: bool = False
    bias: bool = True
    dropout: float = 0.0
    batch_norm: bool = False
    readout: Readout = "last"

    def __post_init__(self) -> None:
        size = f"a whole number from 1 to {LARGEST_SIZE}"
        self._require(is_size(self.input_size), "input_size", size)
        self._require(is_size(self.output_size), "output_size", size)
        sizes = self.hidden_sizes
        self._require(
            isinstance(sizes, tuple) and len(sizes) > 0 and all(is_size(s) for s in sizes),
            "hidden_sizes",
            f"a tuple of one or more layers' sizes, each {size}",
        )
        self._require_choice("cell", CellKind)
        self._require_choice("readout", Readout)
        for field in ("bidirectional", "bias", "batch_norm"):
            self._require_bool(field)
        self._require(
            is_real(self.dropout) and 0 <= self.dropout < 1, "dropout", "a probability, at least 0 and under 1"
        )
        self._as_float("dropout")

    @property
    def directions(self) -> tuple[str, ...]:
        """``("forward",)`` or ``("forward", "backward")``."""
        return ("forward", "backward") if self.bidirectional else ("forward",)

    def layer_input_size(self, layer: int) -> int:
        """The number of features that ``layer`` reads at each time step; 0 is the bottom layer."""
        return self.input_size if layer == 0 else len(self.directions) * self.hidden_sizes[layer - 1]

    @property
    def readout_size(self) -> int:
        """The number of features that the head reads."""
        return len(self.directions) * self.hidden_sizes[-1]


class TrainSpec(Spec, frozen=True, kw_only=True):
    """The training of the model: one optimizer step per batch, on the mean loss.

    Attributes:
        loss: ``"mse"`` is the mean over all elements, ``"cross_entropy"`` the mean over all labels of the softmax's
            cross entropy in nats.
        optimizer: ``"sgd"`` (``v = momentum * v + g; p -= lr * v``), ``"rmsprop"`` (decay 0.9, epsilon 1e-8 outside
            the root) or ``"adam"`` (0.9, 0.999, ``m_hat / (sqrt(v_hat) + 1e-8)``).
        learning_rate: step size, above 0.
        batch_size: sequences per step.
        momentum: for ``"sgd"`` only, at least 0 and under 1.
        clip_norm: gradients are scaled by ``min(1, clip_norm / global norm)``; ``None`` for no clipping.

    Raises:
        InvalidSpec: naming the field, the values that it can have and the value that it had.
    """

    loss: Loss
    optimizer: Optimizer
    learning_rate: float
    batch_size: int
    momentum: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        self._require_choice("loss", Loss)
        self._require_choice("optimizer", Optimizer)
        self._require(
            is_real(self.learning_rate) and self.learning_rate > 0, "learning_rate", "a finite number above 0"
        )
        self._require(is_size(self.batch_size), "batch_size", f"a whole number from 1 to {LARGEST_SIZE}")
        self._require(is_real(self.momentum) and 0 <= self.momentum < 1, "momentum", "at least 0 and under 1")
        self._require(self.momentum == 0 or self.optimizer == "sgd", "momentum", f"0 with optimizer {self.optimizer!r}")
        self._require(
            self.clip_norm is None or (is_real(self.clip_norm) and self.clip_norm > 0),
            "clip_norm",
            "a finite number above 0, or None for no clipping",
        )
        for field in ("learning_rate", "momentum", "clip_norm"):
            self._as_float(field)


class Recipe(Spec, frozen=True, kw_only=True):
    """A named variant of a task: everything that decides what a training run computes, except its seed.

    Attributes:
        name: unique within its task.
        summary: one line of description.
        model: the model.
        train: the training of the model.
        epochs: passes over the training sequences; 0 for a recipe that is only timed, without a training run.
        initialisation: scheme of the initial weights, see ``lstm_bench.model.parameters.initial_parameters``.
        forget_bias: initial bias of the forget gates of LSTM layers; ``None`` for that of the scheme.
        shuffle: whether each epoch draws an order of its own. Without it, sequences come in the task's order.
        validation: the fraction of the training sequences, taken from their end, that is held out. Their loss is
            evaluated as often as ``evaluate_every`` says, or else after each epoch.
        patience: training stops after this many evaluations of the validation loss in a row without a gain, and the
            best weights are restored. ``None`` to train to the end and keep the last weights.
        minimum_gain: the validation loss must fall by more than this to count as a gain.
        evaluate_every: optimizer steps between two evaluations of the model; the first evaluation precedes training.
            ``None`` to evaluate only the validation loss, if there is one, after each epoch.
        target: training stops when the task's first metric reaches this value.
        scopes: the scopes that are timed. ``"train"`` is a whole optimizer step, ``"gradient"`` forward and backward
            without an update, ``"infer"`` forward in evaluation mode.

    Raises:
        InvalidSpec: naming the field, the values that it can have and the value that it had.
    """

    name: str
    summary: str
    model: ModelSpec
    train: TrainSpec
    epochs: int
    initialisation: Initialisation = "uniform"
    forget_bias: float | None = None
    shuffle: bool = False
    validation: float = 0.0
    patience: int | None = None
    minimum_gain: float = 0.0
    evaluate_every: int | None = None
    target: float | None = None
    scopes: tuple[Scope, ...] = ("train", "infer")

    def __post_init__(self) -> None:
        self._require(isinstance(self.model, ModelSpec), "model", "a ModelSpec")
        self._require(isinstance(self.train, TrainSpec), "train", "a TrainSpec")
        self._require(is_size(self.epochs, least=0), "epochs", f"a whole number from 0 to {LARGEST_SIZE}")
        self._require_choice("initialisation", Initialisation)
        self._require(self.forget_bias is None or is_real(self.forget_bias), "forget_bias", "a finite number, or None")
        self._require_bool("shuffle")
        self._require(
            is_real(self.validation) and 0 <= self.validation < 1, "validation", "a part, at least 0 and under 1"
        )
        for field in ("patience", "evaluate_every"):
            value = getattr(self, field)
            self._require(value is None or is_size(value), field, f"a whole number from 1 to {LARGEST_SIZE}, or None")
        self._require(self.patience is None or self.validation > 0, "patience", "None without validation")
        self._require(is_real(self.minimum_gain) and self.minimum_gain >= 0, "minimum_gain", "a finite number from 0")
        self._require(self.target is None or is_real(self.target), "target", "a finite number, or None")
        self._require(self.target is None or self.evaluate_every is not None, "target", "None without evaluate_every")
        self._require(
            isinstance(self.scopes, tuple)
            and len(set(self.scopes)) == len(self.scopes) > 0
            and set(self.scopes) <= set(SCOPES),
            "scopes",
            "a tuple of one or more of " + ", ".join(SCOPES),
        )
        for field in ("forget_bias", "validation", "minimum_gain", "target"):
            self._as_float(field)
