"""Ticks of axes."""

from __future__ import annotations

import pytest

from lstm_bench.charts.axes import round_numbers


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 10.0, [1, 2, 5, 10]),
        (0.02, 30.0, [0.03, 0.1, 0.3, 1, 3, 10, 30]),
        (1.0, 1e6, [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
        (1.0, 1e12, [1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
        (2.3, 4.5, [3.0]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low, high, ticks):
    assert round_numbers(low, high) == pytest.approx(ticks)
