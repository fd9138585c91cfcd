"""Explain a disagreement: try the known confusions on a case until one computes what the backend computed.

A confusion explains a disagreement if it computes the same numbers as the backend in every case that was compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.differential import Comparison
from lstm_bench.conformance.quantities import D_X, Arrays
from lstm_bench.conformance.wrong_forward import wrong_forward_passes
from lstm_bench.conformance.wrong_training import wrong_trainings


@dataclass(frozen=True)
class Confusion:
    """One known way to be wrong.

    Attributes:
        text: the words that follow "it matches if".
        stage: the first stage in which the confusion shows.
        compute: computes what a backend with this confusion would compute. Returns nothing if the confusion does not
            apply to the case.
    """

    text: str
    stage: str
    compute: Callable[[Comparison], Arrays]


def explain(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the texts of the confusions that explain the first stage with a disagreement, in all comparisons."""
    stages = [stage for stage in ("forward", "backward", "update") if any(c.stage == stage for c in comparisons)]
    if not stages:
        return []
    concerned = [comparison for comparison in comparisons if comparison.stage == stages[0]]
    return [
        confusion.text
        for confusion in CONFUSIONS
        if confusion.stage == stages[0] and all(_matches(confusion, comparison) for comparison in concerned)
    ]


def _matches(confusion: Confusion, comparison: Comparison) -> bool:
    with np.errstate(all="ignore"):
        computed = confusion.compute(comparison)
    compared = computed.keys() & comparison.errors.keys()
    if all(comparison.agrees(key) for key in compared):
        return False  # the confusion says nothing about the arrays that disagree
    return all(
        relative_error(comparison.ours.arrays[key], computed[key]) <= comparison.tolerances[key] for key in compared
    )


def _scaled(factor: Callable[[Comparison], float]) -> Callable[[Comparison], Arrays]:
    """Multiply the reference's gradients by a factor."""
    return lambda comparison: {
        key: factor(comparison) * array
        for key, array in comparison.theirs.items()
        if key[0].stage == "backward" and key[0] is not D_X
    }


CONFUSIONS: tuple[Confusion, ...] = (
    *(Confusion(text, "forward", compute) for text, compute in wrong_forward_passes()),
    Confusion(
        "its gradients are those of the sum over the batch",
        "backward",
        _scaled(lambda comparison: comparison.case.train.batch_size),
    ),
    Confusion("its gradients are twice as large", "backward", _scaled(lambda comparison: 2.0)),
    Confusion("its gradients are half as large", "backward", _scaled(lambda comparison: 0.5)),
    *(Confusion(text, "update", compute) for text, compute in wrong_trainings()),
)
