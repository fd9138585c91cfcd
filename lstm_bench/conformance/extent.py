"""Choose how much of a recipe to compare with the reference, so that large shapes take seconds and not hours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from lstm_bench.conformance.agreement import MORE_CALLS, STEPS
from lstm_bench.model.flops import operations
from lstm_bench.model.spec import ModelSpec
from lstm_bench.record.attempt import Extent

BUDGET = 250 * 10**9
"""Floating point operations that the reference may take. One core does 35 to 50 billion a second in float64, so this is
about four seconds on two cores."""

LONG_BUDGET = 2 * 10**9
"""Floating point operations of training steps beyond ``STEPS``: about half a second of small steps."""

LEAST_STEPS, LEAST_TIME, LEAST_SEQUENCES = 2, 16, 4
"""Minimum extent, compared at any cost. The second optimizer step tests what the optimizer remembers; 16 time steps
make the state matter; 4 sequences can be told apart."""


def training_steps(spec: ModelSpec, *, batch: int, time: int) -> int:
    """Return how many training steps to compare: at least ``STEPS``, and those of ``MORE_CALLS`` that are cheap.

    Args:
        spec: the model.
        batch: sequences in a batch.
        time: time steps in a sequence.
    """
    affordable = LONG_BUDGET // operations(spec, "gradient", batch=batch, time=time)
    totals = accumulate(MORE_CALLS, initial=STEPS)
    return max((total for total in totals if total <= affordable), default=STEPS)


def agreement_extent(spec: ModelSpec, *, batch: int, time: int, steps: int, budget: int = BUDGET) -> Extent:
    """Return the largest extent that the reference can compute within a budget.

    The reference computes logits twice (fresh and trained), one gradient, and the training steps. To save time, the
    extent has first fewer training steps, then shorter sequences, then fewer sequences. Widths, layers and directions
    are never reduced, because the comparison looks for errors in them. The cost of an update is not counted, because an
    update has no matrix products.

    Args:
        spec: the model.
        batch: sequences in a batch.
        time: time steps in a sequence.
        steps: optimizer steps to compare if the budget allows it.
        budget: floating point operations. The minimum extent is compared even if it takes more.
    """

    def cost(steps: int, sequences: int, time: int) -> int:
        logits, gradient = (operations(spec, scope, batch=sequences, time=time) for scope in ("infer", "gradient"))
        return 2 * logits + (1 + steps) * gradient

    def most(cost: Callable[[int], int], least: int, wanted: int) -> int:
        """Return the largest number up to ``wanted`` that fits the budget, but at least ``least``."""
        least = min(least, wanted)
        return max(least, least - 1 + bisect_right(range(least, wanted + 1), budget, key=cost))

    some_steps = most(lambda n: cost(n, batch, time), LEAST_STEPS, steps)
    some_time = most(lambda n: cost(some_steps, batch, n), LEAST_TIME, time)
    some_sequences = most(lambda n: cost(some_steps, n, some_time), LEAST_SEQUENCES, batch)
    return Extent(steps=some_steps, sequences=some_sequences, time=some_time)
