"""How much of a recipe the reference is asked to do: what large shapes would take it hours is cut down to seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from lstm_bench.model.flops import operations
from lstm_bench.model.spec import ModelSpec
from lstm_bench.record.attempt import Extent

BUDGET = 250 * 10**9
"""Floating point operations that the reference is asked for. One core does 35 to 50 billion of them in a second, in
float64, so this is some four seconds on two."""

LEAST_STEPS, LEAST_TIME, LEAST_SEQUENCES = 2, 16, 4
"""What is compared whatever it takes: a second optimizer step, since the first does not tell what the optimizer
remembers; enough time steps for a state to matter; enough sequences to tell them apart."""


def agreement_extent(spec: ModelSpec, *, batch: int, time: int, steps: int, budget: int = BUDGET) -> Extent:
    """As much as the reference can do within a budget of floating point operations.

    It is asked for logits twice, fresh and trained, for one gradient, and for the steps of training. First there are
    fewer of these; then sequences become shorter, and then fewer. Widths, layers and directions stay what they are,
    since an error in one of them is what the comparison is for. What an update costs is not counted: it is no product.

    Args:
        spec: the model.
        batch: sequences of each batch.
        time: steps of each sequence.
        steps: optimizer steps where there is time for all.
        budget: floating point operations. The least of everything is compared even if it takes more.
    """

    def cost(steps: int, sequences: int, time: int) -> int:
        logits, gradient = (operations(spec, scope, batch=sequences, time=time) for scope in ("infer", "gradient"))
        return 2 * logits + (1 + steps) * gradient

    def most(cost: Callable[[int], int], least: int, wanted: int) -> int:
        """The largest number up to ``wanted`` that the budget allows, but no less than ``least``."""
        least = min(least, wanted)
        return max(least, least - 1 + bisect_right(range(least, wanted + 1), budget, key=cost))

    some_steps = most(lambda n: cost(n, batch, time), LEAST_STEPS, steps)
    some_time = most(lambda n: cost(some_steps, batch, n), LEAST_TIME, time)
    some_sequences = most(lambda n: cost(some_steps, n, some_time), LEAST_SEQUENCES, batch)
    return Extent(steps=some_steps, sequences=some_sequences, time=some_time)
