"""What the charts of losses, metrics and forecasts share: which seed is drawn, and axes."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import learners
from lstm_bench.charts.axes import ChartAxis, around, from_zero
from lstm_bench.charts.curves import ChartCurve

HEIGHT = 190
"""Pixels of a panel."""

COINCIDE = "Of curves that coincide, each is drawn thinner than the one beneath it."


def of_seeds(groups: Sequence[Group]) -> list[str]:
    """Write a note on which seed is drawn; none if every group has one seed."""
    most = max((len(learners(group)) for group in groups), default=0)
    return [f"Of {most} seeds, that with the median metric is drawn."] if most > 1 else []


def counting_axis(curves: Sequence[ChartCurve], title: str) -> ChartAxis:
    """Make a horizontal axis from zero to the last point of all curves."""
    most = max(at for curve in curves for at, _ in curve.points)
    return ChartAxis(title, 0.0, most or 1.0)


def metric_axis(values: Sequence[float], title: str, *, lower: bool) -> ChartAxis:
    """Make an axis for a metric: from zero, unless all values are high and higher is better.

    Such values differ little, so that an axis from zero would hide their differences.
    """
    low, high = min(values), max(values)
    if lower or low < 0 or low < 0.5 * high:
        axis = from_zero(values, title) if low >= 0 else around(values, title)
    else:
        axis = around(values, title)
    return ChartAxis(title, axis.low, min(axis.high, 1.02)) if not lower and high <= 1 else axis
