"""Names at the ends of curves."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lstm_bench.charts.curves import apart


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([50.0], [50.0]),
        ([10.0, 60.0], [10.0, 60.0]),
        ([50.0, 50.0], [42.5, 57.5]),
        ([50.0, 40.0], [52.5, 37.5]),
        ([0.0, 0.0], [0.0, 15.0]),
        ([100.0, 100.0, 100.0], [70.0, 85.0, 100.0]),
        ([50.0, 50.0, 70.0], [41.666, 56.666, 71.666]),
        ([], []),
    ],
)
def test_names_are_moved_apart_and_stay_in_order(wanted, found):
    assert apart(wanted, 100.0) == pytest.approx(found, abs=0.01)


def test_more_names_than_there_is_room_for_stand_closer():
    found = sorted(apart([50.0] * 20, 100.0))
    assert (found[0], found[-1]) == (0.0, pytest.approx(100.0))
    assert all(low < high for low, high in pairwise(found))
