"""What the charts of losses, metrics and forecasts share: which seed is drawn, and axes."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.analysis.groups import Group
from lstm_bench.charts.axes import ChartAxis, around, from_zero
from lstm_bench.charts.curves import ChartCurve
from lstm_bench.record.attempt import SOUND, Attempt, Judgement

HEIGHT = 190
"""Pixels of a panel."""

COINCIDE = "Of curves that coincide, each is drawn thinner than the one beneath it."


def learners(group: Group) -> list[Attempt]:
    """The attempts that were trained and went well, one for each seed."""
    return list({a.configuration.seed: a for a in group.trained if a.status in SOUND and a.findings.training}.values())


def typical(group: Group) -> Attempt | None:
    """Of several seeds the one whose metric is the median; ``None`` if none was trained."""
    found = learners(group)
    known = sorted((value, a.configuration.seed) for a in found if (value := metric_of(a)) is not None)
    seed = known[(len(known) - 1) // 2][1] if known else None
    return next((a for a in found if a.configuration.seed == seed), found[0] if found else None)


def metric_of(attempt: Attempt) -> float | None:
    """The number by which the task is judged; ``None`` if there is none, or it is not finite."""
    judgement = attempt.findings.judgement
    return None if judgement is None else judgement.metrics.get(judgement.metric)


def of_seeds(groups: Sequence[Group]) -> list[str]:
    """Write a note on which seed is drawn; none if every group has one seed."""
    most = max((len(learners(group)) for group in groups), default=0)
    return [f"Of {most} seeds, that with the median metric is drawn."] if most > 1 else []


def best_baseline(judgement: Judgement) -> tuple[str, float] | None:
    """The best of them by name and metric; ``None`` if there is none."""
    known = {
        name: value
        for name, metrics in judgement.baselines.items()
        if (value := metrics.get(judgement.metric)) is not None
    }
    best = min if judgement.better == "lower" else max
    return best(known.items(), key=lambda pair: pair[1]) if known else None


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
