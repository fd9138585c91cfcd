from itertools import combinations

import pytest

from lstm_bench.statistics import Spread, chance_of_difference, spread, surprising


def test_a_spread_is_the_median_and_how_far_numbers_reach():
    assert spread([3.0, 1.0, 10.0, 2.0]) == Spread(2.5, 1.0, 10.0)
    assert spread([]) is None


def exact_chance(ours, theirs):
    """By counting: of all ways to deal these numbers into two groups, how many are as extreme."""
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
