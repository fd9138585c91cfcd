"""Pure functions of numbers: estimates with intervals, tests of differences, steadiness and outliers.

Times are judged by rounds. In each round every configuration runs once, in a process of its own. Processes differ by
more than the blocks within a process do, for example in where their memory lies and on which processor they began.
A round is therefore one observation, the median of its blocks, and the spread between rounds decides how wide an
interval is. Ratios matter, not differences, so everything is computed with logarithms: an estimate is the geometric
mean of the rounds' medians, with Student's interval, which holds for as few as two rounds.
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
"""With fewer seeds on a side no outcome is surprising: with 3 and 3, one outcome in ten is as extreme as possible."""

SURPRISING = 0.05
"""A difference counts if chance alone would cause it more rarely than this."""


@dataclass(frozen=True)
class Spread:
    """The median and the range of some numbers.

    Attributes:
        median: of the numbers.
        least: the smallest number.
        most: the largest number.
    """

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread | None:
    """The median and range of these numbers; ``None`` if there are no numbers."""
    if not values:
        return None
    return Spread(stats.median(values), min(values), max(values))


def chance_of_difference(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The two-sided p-value of the rank-sum test (Mann & Whitney 1947): how easily chance alone explains a difference.

    The test assumes nothing about the distribution of the numbers. Seeds that both groups have are not paired, which
    makes differences harder to see, not easier.

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
    """Which of several p-values are below ``SURPRISING`` after a correction for their number.

    Holm's step-down correction (1979) limits the chance that even one of the differences is a false alarm.
    """
    by_size = sorted(range(len(chances)), key=lambda at: chances[at])
    found = [False] * len(chances)
    for place, at in enumerate(by_size):
        if chances[at] * (len(chances) - place) > SURPRISING:
            break
        found[at] = True
    return found


CONFIDENCE = 0.95
"""The confidence level of every interval."""

MARGIN = 0.01
"""A ratio counts as a difference only if its whole interval is further from 1 than this. Less does not matter."""

Rounds = Mapping[Any, Sequence[float]]
"""Seconds per step of each block, by the name of the round."""

Verdict = Literal["faster", "slower", "no difference shown", "not judged"]

Steadiness = Literal["flat", "warming", "slowing", "unsteady"]


@dataclass(frozen=True)
class IntervalEstimate:
    """A number above 0 with its 95 % interval.

    Attributes:
        value: the geometric mean of the rounds' medians, or of their ratios.
        low: the lower end of the interval; ``None`` with one round, which does not determine an interval.
        high: the upper end of the interval; ``None`` with one round.
        rounds: the number of rounds; for two groups that are not paired, that of the smaller group.
    """

    value: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def relative(self) -> float | None:
        """Half the width of the interval as a share of the value: 0.02 for ± 2 %; ``None`` with one round."""
        return None if self.low is None or self.high is None else math.sqrt(self.high / self.low) - 1

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval; ``None`` with one round."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def rate(self, amount: float) -> IntervalEstimate:
        """The rate per second, for an amount of work that takes this many seconds."""
        low, high = (None if end is None else amount / end for end in (self.high, self.low))
        return IntervalEstimate(amount / self.value, low, high, self.rounds)


def estimate(rounds: Rounds) -> IntervalEstimate:
    """Estimate the seconds per step.

    Args:
        rounds: at least one round, each with at least one block.
    """
    medians, within = _logarithms(list(rounds.values()))
    return _student(medians, within)


def ratio(ours: Rounds, theirs: Rounds, *, paired: bool) -> IntervalEstimate:
    """Estimate our time divided by theirs; above 1 ours is slower.

    Args:
        ours: at least one round.
        theirs: at least one round.
        paired: whether rounds of the same name ran beside each other, so that a drift of the machine affects both.
            Then only rounds that both sides have count, by their ratios, if there are any. Otherwise all rounds
            count, with Welch's interval.
    """
    common = [name for name in ours if name in theirs] if paired else []
    if common:
        our_medians, our_within = _logarithms([ours[name] for name in common])
        their_medians, their_within = _logarithms([theirs[name] for name in common])
        return _student(our_medians - their_medians, our_within + their_within)
    return _welch(_logarithms(list(ours.values())), _logarithms(list(theirs.values())))


def verdict(found: IntervalEstimate) -> Verdict:
    """Whether a ratio of times shows that the first of the two is faster or slower."""
    if found.low is None or found.high is None:
        return "not judged"
    if found.low > 1 + MARGIN:
        return "slower"
    return "faster" if found.high < 1 - MARGIN else "no difference shown"


def _logarithms(rounds: Sequence[Sequence[float]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The logarithm of each round's median, and the variance of that median that follows from its blocks."""
    import numpy as np

    medians, variances = np.empty(len(rounds)), np.empty(len(rounds))
    counts = np.array([len(blocks) for blocks in rounds])
    for count in np.unique(counts):  # usually all rounds have the same
        alike = np.flatnonzero(counts == count)
        logs = np.sort(np.log(np.array([rounds[at] for at in alike.tolist()], dtype=np.float64)), axis=1)
        weights = _median_weights(int(count))
        medians[alike] = 0.5 * (logs[:, (count - 1) // 2] + logs[:, count // 2])
        variances[alike] = logs**2 @ weights - (logs @ weights) ** 2
    return medians, np.maximum(variances, 0.0)


@lru_cache(maxsize=64)
def _median_weights(count: int) -> NDArray[Any]:
    """For each of ``count`` sorted numbers, the probability that it is the median of a bootstrap sample.

    The limit of a bootstrap with endless draws (Maritz & Jarrett 1978, equation 2).
    """
    import numpy as np
    from scipy.special import betainc

    middle = (count + 1) / 2
    steps = betainc(middle, middle, np.arange(count + 1) / count)
    return np.asarray(np.diff(steps))


def _student(values: NDArray[Any], within: NDArray[Any]) -> IntervalEstimate:
    """Student's interval of the rounds' logarithms, never narrower than the blocks alone would make it."""
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
    """Student's quantile for the upper end of the interval."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


DRIFT = 0.03
"""A process is not flat if its later half of blocks is faster or slower than its earlier half by this share."""

SPREAD = 0.1
"""A process is unsteady if the middle half of its blocks spans more than this share of their median."""

FAR = 3.0
"""A block is an outlier if it is this many interquartile ranges beyond the middle half (Tukey 1977: far out)."""


def steadiness(blocks: Sequence[float]) -> Steadiness:
    """Whether the timings of a process were stable, judged by its earlier and its later half.

    Args:
        blocks: times in order; fewer than four show nothing and count as flat.
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
    """How many blocks are far from the others. Reports mention outliers and never drop them."""
    if len(blocks) < 4:
        return 0
    low, _, high = _quartiles(blocks)
    reach = FAR * (high - low)
    return sum(not low - reach <= block <= high + reach for block in blocks)


def _quartiles(blocks: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = stats.quantiles(blocks, n=4, method="inclusive")
    return low, middle, high


def break_even(ours: tuple[float, float], theirs: tuple[float, float]) -> float | None:
    """The number of steps after which our faster steps have paid back our later start.

    Args:
        ours: seconds until the end of the first step, and seconds of each later step.
        theirs: likewise.

    Returns:
        The steps; 0.0 if we are ahead from the start, ``None`` if we never catch up.
    """
    (our_start, our_step), (their_start, their_step) = ours, theirs
    if our_step >= their_step:
        return None
    return max(0.0, (our_start - their_start) / (their_step - our_step))
