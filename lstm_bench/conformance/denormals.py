"""Detect from outside whether a model keeps denormal numbers or flushes them to zero.

Denormal numbers are too close to zero for a full significand. A CPU computes with them many times more slowly than with
normal numbers, unless a bit in a control register tells it to treat them as zero. XLA sets this bit. Gradients that
vanish over long sequences become denormal, and then this bit decides how fast a framework trains.
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


def detect_denormals(
    build: Callable[[Parameters], Model[Any]], parameters: Parameters, shape: tuple[int, int, int], precision: Precision
) -> Denormals | None:
    """Detect whether ``infer`` keeps or flushes denormal numbers.

    Every weight of the head is set to half the smallest normal number, so the logits are sums of denormal products. If
    they are zero, denormals are flushed. The same process and the same compiled program are timed later.

    Args:
        build: builds the model with given parameters.
        parameters: initial parameters, by canonical name.
        shape: `(B, T, I)` of one batch.
        precision: the precision of the model; bfloat16 has the range of float32.

    Returns:
        ``kept`` or ``flushed``; ``None`` if the logits are zero even with a head of ones, which tells nothing.
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
