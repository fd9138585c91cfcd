"""Pure functions of numbers: what many of them say together, and whether two groups differ."""

from __future__ import annotations

import statistics as stats
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST_SEEDS = 4
"""With fewer on each side no outcome whatever would be surprising: of 3 and 3, one in ten is the most extreme."""

SURPRISING = 0.05
"""A difference that chance alone makes more seldom than this is said to be one."""


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and how far they reach.

    Attributes:
        median: of them.
        least: of them.
        most: of them.
    """

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread | None:
    """Of these numbers; ``None`` if there are none."""
    if not values:
        return None
    return Spread(stats.median(values), min(values), max(values))


def chance_of_difference(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """How often chance alone would make two groups of numbers as different as these, if they were of one kind.

    The two-sided p-value of the rank-sum test (Mann & Whitney 1947), which asks nothing of how numbers are spread.
    Seeds that the groups have in common are not paired, which errs on the side of seeing no difference.

    Args:
        ours: one number for each seed.
        theirs: likewise.

    Returns:
        The p-value; ``None`` with fewer than ``FEWEST_SEEDS`` on a side.
    """
    if min(len(ours), len(theirs)) < FEWEST_SEEDS:
        return None
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(ours, theirs, alternative="two-sided").pvalue)


def surprising(chances: Sequence[float]) -> list[bool]:
    """Which of several p-values are under ``SURPRISING`` once it is considered that several were looked at.

    Holm's step-down correction (1979): the chance that even one difference is wrongly said to be is kept.
    """
    by_size = sorted(range(len(chances)), key=lambda at: chances[at])
    found = [False] * len(chances)
    for place, at in enumerate(by_size):
        if chances[at] * (len(chances) - place) > SURPRISING:
            break
        found[at] = True
    return found
