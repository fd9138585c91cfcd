"""Detect the precision of a model's matrix products from outside, by which digits of a weight change the logits.

A product computed in a format rounds its operands to that format. bfloat16 keeps 8 bits of the significand (including
the leading bit), TF32 11, IEEE float32 24 and float64 53. The test rounds a weight matrix to a format, and then moves
every weight away from zero by three eighths of the step to the next number of the format. Rounding to the nearest or
towards zero undoes this move. The next finer format is at least 3 bits longer and holds it exactly. If the logits stay
bitwise equal, the product uses no more digits than the format has. Moving the weights by eight whole steps shows
whether the logits depend on the matrix at all. ``activations`` does the same with the other operand.

The test calls ``infer`` on batches of the timed shape, so it sees the same program whose speed is measured, including
all changes by compilers and libraries. It needs no reference and no tolerance that could hide a rounding error. It does
not see the products of the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.activations import Product
from lstm_bench.conformance.extent import BUDGET, LEAST_TIME
from lstm_bench.conformance.rounding import SEEN, SIGNIFICANDS, UNSEEN, bitwise_equal, moved, rounded
from lstm_bench.model.flops import operations
from lstm_bench.model.parameters import Parameters, named_generator, parameter_shapes
from lstm_bench.model.spec import PRECISIONS, ModelSpec, Precision

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

LEAST_SEQUENCES, LEAST_STATES = 8, 128
"""Minimum number of sequences, and of final states in the smallest layer over all sequences. A change in one unit may
be lost in the layers above, but not a change in so many."""


def product_precisions(
    build: Callable[[Parameters], Model[Any]], spec: ModelSpec, parameters: Parameters, shape: tuple[int, int, int]
) -> dict[str, Precision]:
    """Detect the precision of each product of a weight matrix and its activations.

    Args:
        build: builds the model with given parameters.
        spec: the model.
        parameters: initial parameters, by canonical name.
        shape: `(B, T, I)` of the timed batches.

    Returns:
        By canonical name, the coarsest format that holds all digits of either operand that change the logits. A matrix
        is left out if the logits do not depend on it, such as ``weight_hh`` when sequences have one step. Empty if the
        backend gives different logits for equal models.
    """
    matrices = [name for name, array in parameters.items() if np.ndim(array) == 2]
    batches = _batches(spec, shape)
    # A bias that is added to outputs which shrink from layer to layer would soon round a change of them away.
    without_biases = {name: np.zeros_like(array) for name, array in parameters.items() if "bias" in name}

    def logits(changed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        model = build({**parameters, **without_biases, **changed})
        return [model.get(model.infer(model.put(x))) for x in batches]

    @cache
    def rounded_to(bits: int) -> dict[str, NDArray[np.float64]]:
        return {name: rounded(parameters[name], bits) for name in matrices}

    @cache
    def baseline(bits: int) -> list[NDArray[Any]]:
        return logits(rounded_to(bits))

    def changes_logits(name: str, bits: int, steps: float) -> bool:
        weights = rounded_to(bits)
        return not bitwise_equal(logits({**weights, name: moved(weights[name], bits, steps)}), baseline(bits))

    def precision_of(name: str) -> Precision | None:
        for precision, bits in SIGNIFICANDS.items():
            if not changes_logits(name, bits, UNSEEN):
                return precision if changes_logits(name, bits, SEEN) else None
        return "float64"

    first = min(SIGNIFICANDS.values())
    if not bitwise_equal(logits(rounded_to(first)), baseline(first)):
        return {}
    found = {name: precision for name in matrices if (precision := precision_of(name)) is not None}
    of_weights = coarsest(found)
    if of_weights is None:
        return {}
    products = {name: Product(build, spec, parameters, shape, name) for name in found}
    coarser = {name: product.activation_precision(of_weights) for name, product in products.items()}
    # A finer format is not told from a layer on the way to the logits that rounds to the coarsest one.
    rounds_most = coarsest({name: precision for name, precision in coarser.items() if precision is not None})
    return found | {name: precision for name, precision in coarser.items() if precision and precision == rounds_most}


def affordable(spec: ModelSpec, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape, with shorter sequences if the test's forward passes would take minutes.

    Args:
        spec: the model.
        shape: `(B, T, I)` of the timed batches.
    """
    batch, time, features = shape
    matrices = sum(len(shape) == 2 for shape in parameter_shapes(spec).values())
    # About: every format for each matrix and the large move once, then two coarser formats for each one's activations.
    passes = (6 + len(SIGNIFICANDS)) * matrices
    whole = passes * operations(spec, "infer", batch=_sequences(spec, batch), time=time)
    return batch, min(time, max(LEAST_TIME, time * 4 * BUDGET // whole)), features


def coarsest(precisions: Mapping[str, Precision]) -> Precision | None:
    """Return the precision with the fewest digits; ``None`` if there are none."""
    return max(precisions.values(), key=PRECISIONS.index, default=None)


def difference(asked: Precision, products: Mapping[str, Precision]) -> str | None:
    """Describe how the products' precision differs from the requested one; ``None`` if it does not.

    If TF32 is requested, at least one product must use it. Libraries compute narrow products in float32.
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
    """Return the number of sequences to test, a multiple of the batch size."""
    least = max(LEAST_SEQUENCES, -(-LEAST_STATES // min(spec.hidden_sizes)))
    return -(-least // batch) * batch


def _batches(spec: ModelSpec, shape: tuple[int, int, int]) -> list[NDArray[np.float64]]:
    generator = named_generator(0, "precision")
    return [generator.standard_normal(shape) for _ in range(_sequences(spec, shape[0]) // shape[0])]
