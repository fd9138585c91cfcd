import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lstm_bench.analysis.statistics import (
    IntervalEstimate,
    Spread,
    break_even,
    chance_of_difference,
    estimate,
    outliers,
    ratio,
    spread,
    steadiness,
    surprising,
    verdict,
)


def test_a_spread_is_the_median_and_how_far_numbers_reach():
    assert spread([3.0, 1.0, 10.0, 2.0]) == Spread(2.5, 1.0, 10.0)
    assert spread([]) is None


def exact_chance(ours, theirs):
    """The share of all ways to deal these numbers into two groups that are as extreme."""
    together = [*ours, *theirs]
    ways = list(combinations(range(len(together)), len(ours)))
    ranks = {value: rank for rank, value in enumerate(sorted(together), 1)}
    middle = len(ours) * (len(together) + 1) / 2
    off = [abs(sum(ranks[together[at]] for at in way) - middle) for way in ways]
    return sum(distance >= off[0] for distance in off) / len(ways)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), ([1, 2, 3, 9], [4, 5, 6, 7]), ([5, 1, 7, 3], [2, 8, 4, 6, 9])],
)
def test_the_chance_of_a_difference_is_that_of_dealing_the_numbers_anew(ours, theirs):
    assert chance_of_difference(ours, theirs) == pytest.approx(exact_chance(ours, theirs), rel=1e-9)


def test_few_seeds_tell_nothing():
    assert chance_of_difference([1, 2, 3], [4, 5, 6, 7, 8]) is None


def test_of_many_comparisons_only_what_would_surprise_among_as_many_does():
    assert surprising([0.04]) == [True]
    assert surprising([0.04, 0.5]) == [False, False]
    assert surprising([0.03, 0.02]) == [True, True]
    assert surprising([0.9, 0.001, 0.03]) == [False, True, False]
    assert surprising([]) == []


# --- times by rounds


def rounds(*medians, spread=0.0):
    """Rounds with these medians and blocks with this relative spread."""
    return {at: [median * (1 - spread), median, median * (1 + spread)] for at, median in enumerate(medians)}


def test_an_estimate_is_the_geometric_mean_of_the_rounds_medians_with_students_interval():
    medians = [1.0, 1.1, 1.3]
    found = estimate(rounds(*medians))
    logs = np.log(medians)
    low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
    assert found.value == pytest.approx(stats.gmean(medians))
    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert found.rounds == 3
    assert found.relative == pytest.approx(math.exp((high - low) / 2) - 1)


def test_the_median_of_an_even_number_of_blocks_lies_between_the_middle_two():
    assert estimate({0: [1.0, 4.0, 100.0, 0.5]}).value == pytest.approx(2.0)


def test_one_round_has_no_interval_and_shows_no_difference():
    found = ratio(rounds(2.0), rounds(1.0), paired=True)
    assert found == IntervalEstimate(2.0, None, None, 1)
    assert found.relative is None
    assert verdict(found) == "not judged"


def test_rounds_that_happen_to_agree_are_no_surer_than_their_blocks():
    assert estimate(rounds(1.0, 1.0, 1.0)).relative == pytest.approx(0.0)
    unsure = estimate(rounds(1.0, 1.0, 1.0, spread=0.1))
    draws = np.random.default_rng(0).choice(np.log([0.9, 1.0, 1.1]), (100_000, 3))
    half = stats.t.ppf(0.975, 2) * np.median(draws, axis=1).std() / math.sqrt(3)  # a bootstrap of each round's median
    assert unsure.relative == pytest.approx(math.exp(half) - 1, rel=0.02)


def test_what_drifts_from_round_to_round_meets_both_of_a_pair():
    drifting = [1.0, 2.0, 4.0]
    ours, theirs = rounds(*(1.05 * each for each in drifting)), rounds(*drifting)
    paired, alone = ratio(ours, theirs, paired=True), ratio(ours, theirs, paired=False)
    assert (paired.value, alone.value) == (pytest.approx(1.05), pytest.approx(1.05))
    assert (verdict(paired), verdict(alone)) == ("slower", "no difference shown")


def test_only_rounds_that_both_have_are_paired():
    found = ratio({0: [1.0], 1: [2.0], 7: [99.0]}, {0: [2.0], 1: [4.0], 8: [1.0]}, paired=True)
    assert (found.value, found.rounds) == (pytest.approx(0.5), 2)


def test_without_pairs_the_interval_is_welchs():
    ours, theirs = [1.0, 1.2, 1.1, 1.4], [0.9, 1.0, 1.3]
    found = ratio(rounds(*ours), rounds(*theirs), paired=False)
    interval = stats.ttest_ind(np.log(ours), np.log(theirs), equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(math.exp(interval.low)), pytest.approx(math.exp(interval.high)))
    assert found.rounds == 3


def test_equal_numbers_without_pairs_have_an_interval_of_no_width():
    assert ratio(rounds(2.0, 2.0), rounds(1.0, 1.0), paired=False) == IntervalEstimate(2.0, 2.0, 2.0, 2)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (1.011, 1.2, "slower"),
        (1.009, 1.2, "no difference shown"),
        (0.8, 0.989, "faster"),
        (0.8, 0.991, "no difference shown"),
        (0.999, 1.001, "no difference shown"),
    ],
)
def test_a_difference_is_one_only_if_the_interval_leaves_one_by_more_than_a_hundredth(low, high, says):
    assert verdict(IntervalEstimate(math.sqrt(low * high), low, high, 3)) == says


def test_equal_things_are_called_different_in_no_more_than_one_of_twenty_comparisons():
    """Rounds differ by 5 %, so the margin of 1 % hardly helps."""
    generator = np.random.default_rng(7)
    said = []
    for _ in range(1000):
        ours, theirs = np.exp(generator.normal(0, 0.05, (2, 3)))
        said.append(verdict(ratio(rounds(*ours), rounds(*theirs), paired=True)))
    assert sum(each != "no difference shown" for each in said) <= 60


# --- how a process behaved


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([1.0, 1.01, 0.99, 1.0, 1.0, 1.01], "flat"),
        ([1.2, 1.15, 1.1, 1.0, 1.0, 1.0], "warming"),
        ([1.0, 1.0, 1.0, 1.1, 1.1, 1.1], "slowing"),
        ([1.0, 1.3, 0.8, 1.3, 1.0, 0.8], "unsteady"),
        ([1.0, 2.0, 3.0], "flat"),
        ([1.0] * 9 + [50.0], "flat"),
    ],
)
def test_a_process_is_flat_unless_its_halves_differ_or_its_blocks_do(blocks, says):
    assert steadiness(blocks) == says


def test_outliers_are_far_beyond_the_middle_half():
    assert outliers([1.0, 1.01, 1.02, 0.99, 1.0, 1.2]) == 1
    assert outliers([1.0, 1.1, 1.2, 0.9, 1.0, 1.3]) == 0
    assert outliers([1.0, 1.0, 9.0]) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "steps"),
    [
        ((10.0, 0.1), (1.0, 0.2), 90.0),
        ((1.0, 0.1), (10.0, 0.2), 0.0),
        ((10.0, 0.2), (1.0, 0.1), None),
        ((10.0, 0.1), (1.0, 0.1), None),
    ],
)
def test_a_slow_start_is_made_up_for_by_faster_steps_alone(ours, theirs, steps):
    assert break_even(ours, theirs) == (steps if steps is None else pytest.approx(steps))
