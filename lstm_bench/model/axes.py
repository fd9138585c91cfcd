"""The axes along which users can vary a recipe. Each axis is an option; a repeated option makes a grid."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.model.spec import CellKind, Optimizer, Recipe


@dataclass(frozen=True)
class RecipeAxis:
    """A setting that can be varied in the recipe of any task.

    Attributes:
        meaning: one line of help.
        apply: returns the recipe with another value of this setting. Raises ``InvalidSpec`` or ``ValueError`` for a
            value that makes no sense.
        wanted: the values that make sense, in words.
        read: returns the recipe's own value as a user would type it.
        choices: the allowed values; empty if there are too many to list.
        needs: what a recipe must have for this setting to matter, in words; empty if it always matters.
        matters: whether it matters in a recipe.
    """

    meaning: str
    apply: Callable[[Recipe, str], Recipe]
    wanted: str
    read: Callable[[Recipe], str]
    choices: tuple[str, ...] = ()
    needs: str = ""
    matters: Callable[[Recipe], bool] = lambda recipe: True


def _with_cell(recipe: Recipe, value: str) -> Recipe:
    return _model(recipe, cell=value)


def _with_hidden(recipe: Recipe, value: str) -> Recipe:
    sizes = tuple(int(size) for size in value.split("x"))
    return _model(recipe, hidden_sizes=sizes * len(recipe.model.hidden_sizes) if len(sizes) == 1 else sizes)


def _with_batch_norm(recipe: Recipe, value: str) -> Recipe:
    return _model(recipe, batch_norm=json.loads(value))


def _with_batch(recipe: Recipe, value: str) -> Recipe:
    return _train(recipe, batch_size=int(value))


def _with_optimizer(recipe: Recipe, value: str) -> Recipe:
    momentum = recipe.train.momentum if value == "sgd" else 0.0
    return _train(recipe, optimizer=value, momentum=momentum)


def _with_learning_rate(recipe: Recipe, value: str) -> Recipe:
    return _train(recipe, learning_rate=float(value))


def _with_momentum(recipe: Recipe, value: str) -> Recipe:
    return _train(recipe, momentum=float(value)) if recipe.train.optimizer == "sgd" else recipe


AXES: Mapping[str, RecipeAxis] = {
    "cell": RecipeAxis("Recurrent cell.", _with_cell, "a cell", lambda recipe: recipe.model.cell, get_args(CellKind)),
    "hidden": RecipeAxis(
        "Hidden size of every layer, or one for each, bottom first, such as 128x64x32.",
        _with_hidden,
        "a whole number, or one for each layer as in 128x64x32",
        lambda recipe: "x".join(map(str, recipe.model.hidden_sizes)),
    ),
    "batch-norm": RecipeAxis(
        "Batch normalisation before the head.",
        _with_batch_norm,
        "true or false",
        lambda recipe: str(recipe.model.batch_norm).lower(),
        ("true", "false"),
    ),
    "batch": RecipeAxis(
        "Sequences per step.", _with_batch, "a whole number", lambda recipe: str(recipe.train.batch_size)
    ),
    "optimizer": RecipeAxis(
        "Optimizer.", _with_optimizer, "an optimizer", lambda recipe: recipe.train.optimizer, get_args(Optimizer)
    ),
    "learning-rate": RecipeAxis(
        "Learning rate.", _with_learning_rate, "a number above 0", lambda recipe: f"{recipe.train.learning_rate:g}"
    ),
    "momentum": RecipeAxis(
        "Momentum, where the optimizer is sgd.",
        _with_momentum,
        "a number from 0 and under 1",
        lambda recipe: f"{recipe.train.momentum:g}",
        needs="--optimizer sgd",
        matters=lambda recipe: recipe.train.optimizer == "sgd",
    ),
}
"""Every axis by the name of its option. Values are applied in this order."""


def vary(recipe: Recipe, values: Mapping[str, str], owner: str) -> tuple[Recipe, dict[str, str]]:
    """Return the recipe with these values, and the values that differ from the recipe's own.

    Args:
        recipe: the recipe to vary.
        values: the new values by the name of their axis.
        owner: names the recipe's task in messages, such as ``"task 'copy'"``.

    Raises:
        UnknownName: for an unknown axis, or a value that is not among the choices of its axis.
        LSTMBenchError: for any other value that makes no sense. The message names the option and the values that do.
    """
    changes = {}
    for name in (*(axis for axis in AXES if axis in values), *(name for name in values if name not in AXES)):
        if name not in AXES:
            raise UnknownName("axis", name, AXES)
        axis, value = AXES[name], values[name]
        if axis.choices and value not in axis.choices:
            raise UnknownName("value", value, axis.choices, f"--{name}")
        before = axis.read(recipe)
        try:
            recipe = axis.apply(recipe, value)
        except ValueError as error:
            reason = f": {error}" if isinstance(error, LSTMBenchError) else ""
            raise LSTMBenchError(f"--{name} {value} does not suit {owner}: write {axis.wanted}{reason}") from error
        if axis.read(recipe) != before:
            changes[name] = axis.read(recipe)
    return recipe, changes


def _model(recipe: Recipe, **changes: object) -> Recipe:
    return msgspec.structs.replace(recipe, model=msgspec.structs.replace(recipe.model, **changes))


def _train(recipe: Recipe, **changes: object) -> Recipe:
    return msgspec.structs.replace(recipe, train=msgspec.structs.replace(recipe.train, **changes))
