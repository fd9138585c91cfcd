"""The chart of learning curves: the metric by step and by second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import typical
from lstm_bench.charts import gather
from lstm_bench.charts.curves import ChartCurve, column_width, lines, width_of
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.learning import HEIGHT, counting_axis, metric_axis, of_seeds
from lstm_bench.charts.marks import beside, stack
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.numbers import seconds

if TYPE_CHECKING:
    import altair as alt


def draw_accuracy(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the metric during training by step and by second, and say when each curve reached a level.

    Returns:
        ``None`` if no attempt measured its metric during training.
    """
    gathered = Gathered.of(attempts)
    looked = [
        group for group in gathered.groups if (found := typical(group)) is not None and len(_learning_curve(found)) > 1
    ]
    if not looked:
        return None
    facets, notes = gather.at_most(gather.by_data(looked))
    drawn = []
    for facet in facets:
        chart, left_out = _draw_facet(gathered, facet)
        drawn.append(chart)
        notes += left_out
    metrics = list(dict.fromkeys(_metric(group) for group in looked))
    title = f"Learning curves: {metrics[0] if len(metrics) == 1 else 'the metric'} by step and by second"
    told = [
        "Beside each name: after how many steps, and how long, the dashed level was reached.",
        *of_seeds(looked),
        *notes,
    ]
    if any("disturbed" in group.statuses for group in looked):
        told.append("Seconds of disturbed attempts are longer than they need be.")
    return Figure(stack(drawn), title, (*told, *gather.fate(gathered.groups)))


def _metric(group: Group) -> str:
    found = typical(group)
    judgement = found.findings.judgement if found else None
    return judgement.metric if judgement else "metric"


def _learning_curve(attempt: Attempt) -> list[tuple[int, float, float]]:
    """Return the learning curve: step, seconds of training, metric."""
    training, judgement = attempt.findings.training, attempt.findings.judgement
    if training is None or judgement is None:
        return []
    return [
        (point.step, point.seconds, value)
        for point in training.curve
        if (value := point.metrics.get(judgement.metric)) is not None
    ]


def level_of(ways: Sequence[Sequence[tuple[int, float, float]]], target: float | None, *, lower: bool) -> float:
    """Choose the level to mark: the recipe's target, or else a level of three digits that all curves reach.

    Args:
        ways: learning curves as step, seconds, metric.
        target: of the recipe; ``None`` if it has none.
        lower: whether a lower metric is better.
    """
    if target is not None:
        return target
    reached = (max if lower else min)((min if lower else max)(value for _, _, value in way) for way in ways)
    level = float(f"{reached:.3g}")
    # If rounding made the level harder, the worst curve would miss it.
    step = 10.0 ** (int(f"{abs(reached):e}".split("e")[1]) - 2)
    if lower and level < reached:
        level += step
    elif not lower and level > reached:
        level -= step
    return float(f"{level:.6g}")


def _draw_facet(gathered: Gathered, facet: Facet) -> tuple[alt.HConcatChart, list[str]]:
    groups, notes = gather.cut(facet.groups, facet.title)
    shown = [found for group in groups if (found := typical(group)) is not None]
    ways = [_learning_curve(attempt) for attempt in shown]
    judgement = shown[0].findings.judgement
    assert judgement is not None
    lower = judgement.better == "lower"
    targets = {attempt.configuration.recipe.target for attempt in shown}
    level = level_of(ways, targets.pop() if len(targets) == 1 else None, lower=lower)
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    reached = [
        next(((step, spent) for step, spent, value in way if (value <= level if lower else value >= level)), None)
        for way in ways
    ]
    unit = f" in {judgement.unit}" if judgement.unit else ""
    every = [value for way in ways for _, _, value in way]
    y = metric_axis([*every, level], f"{judgement.metric}{unit}, dashed: {level:g}", lower=lower)
    both = []
    for at, title in enumerate(("step", "seconds of training")):
        curves = [
            ChartCurve(
                [(point[at], point[2]) for point in way],
                look,
                name=f"{name}: {_when(when)}" if at else "",
                width=width_of(place, len(ways)),
            )
            for place, (way, look, name, when) in enumerate(zip(ways, looks, names, reached, strict=True))
        ]
        both.append((title, curves))
    width = column_width(2, both[-1][1])
    charts = [
        lines(curves, counting_axis(curves, title), y, width=width, height=HEIGHT, level=level)
        for title, curves in both
    ]
    return beside(charts, facet.title), notes


def _when(reached: tuple[int, float] | None) -> str:
    return "never" if reached is None else f"{reached[0]:,} in {seconds(reached[1])}"
