"""Pure functions of numbers: what many of them say together, and whether two groups differ.

Times are judged by rounds: in each, what is compared ran once, in a process of its own. Processes differ by more than
the blocks within one (where memory lies, which processor it began on), so a round counts as one observation, the median
of its blocks, and how much rounds differ decides how sure anything is. Ratios are what matters, so all of it is done
with logarithms: an estimate is the geometric mean of the rounds' medians, and its interval Student's, which holds for
as few as two rounds.
"""

from __future__ import annotations

import math
import statistics as stats
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


CONFIDENCE = 0.95
"""Of every interval."""

MARGIN = 0.01
"""A ratio is a difference only if its interval leaves 1 by more than this: less is of no use to anybody."""

Rounds = Mapping[Any, Sequence[float]]
"""Seconds per step of each block, by what names the round."""

Verdict = Literal["faster", "slower", "no difference shown", "not judged"]

Steadiness = Literal["flat", "warming", "slowing", "unsteady"]


@dataclass(frozen=True)
class IntervalEstimate:
    """A number above 0 and how sure it is.

    Attributes:
        value: the geometric mean of the rounds' medians, or of their ratios.
        low: where the interval of 95 % begins; ``None`` with one round, which cannot tell.
        high: where it ends.
        rounds: how many there were; of two groups that are not paired, those of the smaller.
    """

    value: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def relative(self) -> float | None:
        """Half the interval as a share of the value: 0.02 for ± 2 %."""
        return None if self.low is None or self.high is None else math.sqrt(self.high / self.low) - 1

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of it; ``None`` with one round."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def rate(self, amount: float) -> IntervalEstimate:
        """How much gets done in a second, where these are the seconds that so much takes."""
        low, high = (None if end is None else amount / end for end in (self.high, self.low))
        return IntervalEstimate(amount / self.value, low, high, self.rounds)


def estimate(rounds: Rounds) -> IntervalEstimate:
    """Seconds per step.

    Args:
        rounds: at least one, each with at least one block.
    """
    medians, within = _logarithms(list(rounds.values()))
    return _student(medians, within)


def ratio(ours: Rounds, theirs: Rounds, *, paired: bool) -> IntervalEstimate:
    """How many times as long ours take as theirs: above 1, ours are slower.

    Args:
        ours: at least one round.
        theirs: likewise.
        paired: whether rounds of the same name ran beside each other, so that what drifts in between meets both: then
            only those that both have count, if there are any, by their ratios. Otherwise all count, by Welch's
            interval.
    """
    common = [name for name in ours if name in theirs] if paired else []
    if common:
        our_medians, our_within = _logarithms([ours[name] for name in common])
        their_medians, their_within = _logarithms([theirs[name] for name in common])
        return _student(our_medians - their_medians, our_within + their_within)
    return _welch(_logarithms(list(ours.values())), _logarithms(list(theirs.values())))


def verdict(found: IntervalEstimate) -> Verdict:
    """What a ratio of times shows of the first of the two."""
    if found.low is None or found.high is None:
        return "not judged"
    if found.low > 1 + MARGIN:
        return "slower"
    return "faster" if found.high < 1 - MARGIN else "no difference shown"


def _logarithms(rounds: Sequence[Sequence[float]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each round the logarithm of its median, and that one's variance by how much its blocks differ."""
    import numpy as np

    medians, variances = np.empty(len(rounds)), np.empty(len(rounds))
    counts = np.array([len(blocks) for blocks in rounds])
    for count in np.unique(counts):  # usually one
        alike = np.flatnonzero(counts == count)
        logs = np.sort(np.log(np.array([rounds[at] for at in alike.tolist()], dtype=np.float64)), axis=1)
        weights = _median_weights(int(count))
        medians[alike] = 0.5 * (logs[:, (count - 1) // 2] + logs[:, count // 2])
        variances[alike] = logs**2 @ weights - (logs @ weights) ** 2
    return medians, np.maximum(variances, 0.0)


@lru_cache(maxsize=64)
def _median_weights(count: int) -> NDArray[Any]:
    """How probably the median of so many numbers drawn from themselves is each of them, in order.

    What a bootstrap with endless draws would find (Maritz & Jarrett 1978, equation 2).
    """
    import numpy as np
    from scipy.special import betainc

    middle = (count + 1) / 2
    steps = betainc(middle, middle, np.arange(count + 1) / count)
    return np.asarray(np.diff(steps))


def _student(values: NDArray[Any], within: NDArray[Any]) -> IntervalEstimate:
    """Of the rounds' logarithms; never surer than the blocks alone would be."""
    count, centre = len(values), float(values.mean())
    if count < 2:
        return IntervalEstimate(math.exp(centre), None, None, count)
    variance = max(float(values.var(ddof=1)), float(within.mean())) / count
    half = _quantile(count - 1) * math.sqrt(variance)
    return IntervalEstimate(math.exp(centre), math.exp(centre - half), math.exp(centre + half), count)


def _welch(ours: tuple[NDArray[Any], NDArray[Any]], theirs: tuple[NDArray[Any], NDArray[Any]]) -> IntervalEstimate:
    counts = [len(values) for values, _ in (ours, theirs)]
    centre = float(ours[0].mean() - theirs[0].mean())
    if min(counts) < 2:
        return IntervalEstimate(math.exp(centre), None, None, min(counts))
    parts = [max(float(values.var(ddof=1)), float(within.mean())) / len(values) for values, within in (ours, theirs)]
    if (total := sum(parts)) == 0:
        return IntervalEstimate(math.exp(centre), math.exp(centre), math.exp(centre), min(counts))
    freedom = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    half = _quantile(freedom) * math.sqrt(total)
    return IntervalEstimate(math.exp(centre), math.exp(centre - half), math.exp(centre + half), min(counts))


@lru_cache(maxsize=1024)
def _quantile(freedom: float) -> float:
    """Student's, of the upper end of the interval."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


DRIFT = 0.03
"""A process whose later half of blocks takes so much more or less than its earlier one is not flat."""

SPREAD = 0.1
"""One of whose blocks the middle half differs by so much is unsteady, whichever way it goes."""

FAR = 3.0
"""Interquartile ranges beyond the middle half from which on a block is an outlier (Tukey 1977: far out)."""


def steadiness(blocks: Sequence[float]) -> Steadiness:
    """Whether a process had come to rest while it was timed: by its earlier and its later half.

    Args:
        blocks: in order; with fewer than four there is nothing to be seen, and it is flat.
    """
    if len(blocks) < 4:
        return "flat"
    low, middle, high = _quartiles(blocks)
    half = len(blocks) // 2
    drift = stats.median(blocks[-half:]) / stats.median(blocks[:half]) - 1
    if abs(drift) > max(DRIFT, (high - low) / middle / 2):
        return "slowing" if drift > 0 else "warming"
    return "unsteady" if (high - low) / middle > SPREAD else "flat"


def outliers(blocks: Sequence[float]) -> int:
    """How many blocks are far from the others. They are told of, and never dropped."""
    if len(blocks) < 4:
        return 0
    low, _, high = _quartiles(blocks)
    reach = FAR * (high - low)
    return sum(not low - reach <= block <= high + reach for block in blocks)


def _quartiles(blocks: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = stats.quantiles(blocks, n=4, method="inclusive")
    return low, middle, high


def break_even(ours: tuple[float, float], theirs: tuple[float, float]) -> float | None:
    """After how many steps we have made up for a slower start.

    Args:
        ours: seconds before and of the first step, and seconds of each step after it.
        theirs: likewise.

    Returns:
        The steps; 0.0 if we are ahead from the start on, ``None`` if we never catch up.
    """
    (our_start, our_step), (their_start, their_step) = ours, theirs
    if our_step >= their_step:
        return None
    return max(0.0, (our_start - their_start) / (their_step - our_step))
