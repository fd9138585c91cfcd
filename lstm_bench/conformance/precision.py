"""What a model's matrix products are computed in, seen from outside: which digits of a weight make a difference.

A product that is computed in a format rounds its operands to it. Of a number's significand, the leading bit included,
bfloat16 keeps 8 bits, TF32 11, IEEE float32 24 and float64 53. So a weight matrix is first rounded to a format, and
then moved away from zero by three eighths of the step to the next number of that format. Rounding, to the nearest or
towards zero, undoes this; the next finer format, 3 bits longer at least, holds it exactly. If the logits stay what they
were to the last bit, no more digits than the format's took part in the product. That the logits hang on the matrix at
all is seen by moving it eight whole steps.

It is ``infer`` that is asked, on batches of the shape that is timed: the very program whose speed is measured, whatever
a compiler or a library has made of it. No reference is needed, and no tolerance, in which a rounding error could hide.
What the products of the backward pass are computed in is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.extent import BUDGET, LEAST_TIME
from lstm_bench.model.flops import operations
from lstm_bench.model.parameters import Parameters, named_generator, parameter_shapes
from lstm_bench.model.spec import PRECISIONS, ModelSpec, Precision

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

SIGNIFICANDS: dict[Precision, int] = {"bfloat16": 8, "tf32": 11, "float32": 24}
"""Bits of the significand, coarsest format first. What keeps more than all of these is taken for float64."""

UNSEEN, SEEN = 0.375, 8.0
"""How far weights are moved, in steps of a format: so that the format does not show it, and so that it surely does."""

LEAST_SEQUENCES, LEAST_STATES = 8, 128
"""Sequences that are looked at, and final states of the smallest layer: what moves one unit may be lost on its way
through the layers above, but not that of so many."""


def rounded(array: NDArray[Any], bits: int) -> NDArray[np.float64]:
    """The nearest numbers with ``bits`` bits of significand, to even where two are as near."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    nearest: NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(significand, bits)), exponent - bits)
    return nearest


def moved(array: NDArray[Any], bits: int, steps: float) -> NDArray[np.float64]:
    """Each number further from zero, by so many of the steps in which numbers with ``bits`` bits go there."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    further: NDArray[np.float64] = np.ldexp(significand + np.sign(significand) * np.ldexp(steps, -bits), exponent)
    return further


def product_precisions(
    build: Callable[[Parameters], Model[Any]], spec: ModelSpec, parameters: Parameters, shape: tuple[int, int, int]
) -> dict[str, Precision]:
    """What each weight matrix is multiplied in, by its canonical name.

    Args:
        build: builds the model with given parameters.
        spec: of the model.
        parameters: such as it begins with, by canonical name.
        shape: `(B, T, I)` of the batches that are timed.

    Returns:
        For each matrix the coarsest format that has all the digits of it that count. Left out is a matrix that cannot
        be told: on which the logits do not hang, as on ``weight_hh`` where sequences have one step. It is empty if one
        model does not answer alike twice.
    """
    matrices = [name for name, array in parameters.items() if np.ndim(array) == 2]
    batches = _batches(spec, shape)

    def logits(changed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        model = build({**parameters, **changed})
        return [model.get(model.infer(model.put(x))) for x in batches]

    @cache
    def coarse(bits: int) -> dict[str, NDArray[np.float64]]:
        return {name: rounded(parameters[name], bits) for name in matrices}

    @cache
    def unmoved(bits: int) -> list[NDArray[Any]]:
        return logits(coarse(bits))

    def notices(name: str, bits: int, steps: float) -> bool:
        weights = coarse(bits)
        return not _same(logits({**weights, name: moved(weights[name], bits, steps)}), unmoved(bits))

    def precision_of(name: str) -> Precision | None:
        for precision, bits in SIGNIFICANDS.items():
            if not notices(name, bits, UNSEEN):
                return precision if notices(name, bits, SEEN) else None
        return "float64"

    first = min(SIGNIFICANDS.values())
    if not _same(logits(coarse(first)), unmoved(first)):
        return {}
    told = {name: precision_of(name) for name in matrices}
    return {name: precision for name, precision in told.items() if precision is not None}


def affordable(spec: ModelSpec, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape itself, or one of shorter sequences where so many forward passes would take minutes.

    Args:
        spec: of the model.
        shape: `(B, T, I)` of the batches that are timed.
    """
    batch, time, features = shape
    matrices = sum(len(shape) == 2 for shape in parameter_shapes(spec).values())
    passes = (2 + len(SIGNIFICANDS)) * matrices  # nearly: for each matrix every format, and once what surely shows
    whole = passes * operations(spec, "infer", batch=_sequences(spec, batch), time=time)
    return batch, min(time, max(LEAST_TIME, time * 4 * BUDGET // whole)), features


def coarsest(precisions: Mapping[str, Precision]) -> Precision | None:
    """The one with the fewest digits; ``None`` if there are none."""
    return max(precisions.values(), key=PRECISIONS.index, default=None)


def difference(asked: Precision, products: Mapping[str, Precision]) -> str | None:
    """How products are computed otherwise than was asked for, in words; ``None`` if they are as asked.

    Where TF32 is asked for, not every product need be in it, since libraries leave it out of narrow ones, but one must.
    """
    allowed = {"tf32", "float32"} if asked == "tf32" else {asked}
    others = {name: found for name, found in products.items() if found not in allowed}
    if others:
        (name, found), *rest = others.items()
        also = f"; so is {', '.join(other for other, _ in rest)}" if rest else ""
        return f"asked for {asked}, but {name} is multiplied in {found}{also}"
    if products and asked not in products.values():
        return f"asked for {asked}, but every product is computed in {coarsest(products)}"
    return None


def _sequences(spec: ModelSpec, batch: int) -> int:
    """How many are looked at: whole batches of them."""
    least = max(LEAST_SEQUENCES, -(-LEAST_STATES // min(spec.hidden_sizes)))
    return -(-least // batch) * batch


def _batches(spec: ModelSpec, shape: tuple[int, int, int]) -> list[NDArray[np.float64]]:
    generator = named_generator(0, "precision")
    return [generator.standard_normal(shape) for _ in range(_sequences(spec, shape[0]) // shape[0])]


def _same(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> bool:
    """To the last bit."""
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
