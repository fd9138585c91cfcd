"""What becomes of denormal numbers, seen from outside: those nearer to zero than a format can hold with all its digits.

A CPU computes with them many times more slowly than with others, unless a bit of a register tells it to take them for
zero, as XLA sets it. Gradients that fade over long sequences pass through their range, and then it is this bit that
decides how fast a framework is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_bench.model.parameters import Parameters, named_generator
from lstm_bench.model.spec import Precision
from lstm_bench.record.attempt import Denormals

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model


def observe(
    build: Callable[[Parameters], Model[Any]], parameters: Parameters, shape: tuple[int, int, int], precision: Precision
) -> Denormals | None:
    """Whether logits that are sums of denormal products are zero: half the smallest normal number is the whole head.

    Like the precision it is asked of ``infer``, in the process and by the program that is timed.

    Args:
        build: builds the model with given parameters.
        parameters: such as it begins with, by canonical name.
        shape: `(B, T, I)` of one batch.
        precision: which the model computes in; bfloat16 has the range of float32.

    Returns:
        ``None`` if it cannot be told, since the logits are zero with a head of ones, too.
    """
    smallest = float(np.finfo(np.float64 if precision == "float64" else np.float32).smallest_normal)
    x = named_generator(0, "denormals").standard_normal(shape)

    def answers(weight: float) -> bool:
        head = {name: np.zeros_like(array) for name, array in parameters.items() if name.startswith("head.")}
        head["head.weight"] += weight
        model = build({**parameters, **head})
        return bool(np.any(model.get(model.infer(model.put(x)))))

    if not answers(1.0):
        return None
    return "kept" if answers(smallest / 2) else "flushed"
