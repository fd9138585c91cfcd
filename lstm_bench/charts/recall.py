"""The chart of the metric over a number that a sweep varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import best_baseline, learners, metric_of
from lstm_bench.analysis.statistics import spread
from lstm_bench.charts import gather
from lstm_bench.charts.axes import spaced
from lstm_bench.charts.curves import ChartCurve, column_width, lines
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.learning import metric_axis
from lstm_bench.charts.marks import beside, stack
from lstm_bench.record.attempt import Attempt

if TYPE_CHECKING:
    import altair as alt


def draw_recall(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the metric over a number that a sweep varied, such as a delay; ``None`` if no number was varied."""
    gathered = Gathered.of(attempts)
    judged = [g for g in gathered.groups if any(metric_of(a) is not None for a in learners(g))]
    found = [(p, axis) for p in gather.by_task(judged) if (axis := _varied_axis(p)) is not None]
    if not found:
        return None
    notes, drawn, titles = [], [], []
    shown, left_out = gather.at_most([facet for facet, _ in found])
    for facet, axis in found[: len(shown)]:
        chart, beyond, title = _draw_facet(gathered, facet, axis)
        drawn.append(chart)
        titles.append(title)
        notes += beyond
    if any(len(learners(group)) > 1 for group in judged):
        notes.append("Dots are medians over seeds, lines through them reach from the worst to the best seed.")
    title = titles[0] if len(set(titles)) == 1 else "What was learnt: the metric by what was varied"
    return Figure(stack(drawn), title, (*notes, *left_out, *gather.fate(gathered.groups)))


def _varied_axis(facet: Facet) -> str | None:
    return next(iter(gather.numeric(facet.groups, but=("threads", "effort"))), None)


def _draw_facet(gathered: Gathered, facet: Facet, axis: str) -> tuple[alt.HConcatChart, list[str], str]:
    curves_of = gather.over(facet.groups, axis)
    firsts, notes = gather.cut([curve[0] for curve in curves_of], facet.title)
    looks, names = gather.told_by_settings(gathered, firsts, (axis,)), gather.names(firsts, (axis,))
    judgement = next(j for g in facet.groups for a in learners(g) if (j := a.findings.judgement) is not None)
    curves: list[ChartCurve] = []
    baselines: dict[float, tuple[float, str]] = {}
    for groups, look, name in zip(curves_of, looks, names, strict=False):
        found = [(gather.number(g, axis), spread(_metrics(g))) for g in groups]
        known = [(at, some) for at, some in found if some is not None]
        ranges = [(at, some.least, some.most) for at, some in known if some.least < some.most]
        curves.append(ChartCurve([(at, s.median) for at, s in known], look, name=name, dots=True, intervals=ranges))
    for group in facet.groups:
        baselines.update(_best_baselines(group, axis))
    unit = f" in {judgement.unit}" if judgement.unit else ""
    values = [v for c in curves for _, v in c.points if v is not None]
    values += [end for c in curves for _, low, high in c.intervals for end in (low, high)]
    values += [value for value, _ in baselines.values()]
    y = metric_axis(values, f"{judgement.metric}{unit}", lower=judgement.better == "lower")
    x = spaced(sorted({gather.number(group, axis) for group in facet.groups}), gather.full_name(axis))
    if baselines:
        points = sorted((at, value) for at, (value, _) in baselines.items())
        named = {name for _, name in baselines.values()}
        curves.append(ChartCurve(points, name=f"baseline: {named.pop()}" if len(named) == 1 else "best baseline"))
    width = column_width(1, curves)
    title = f"What was learnt: {judgement.metric} by {gather.full_name(axis)}"
    return beside([lines(curves, x, y, width=width, height=260)], facet.title), notes, title


def _metrics(group: Group) -> list[float]:
    return [value for a in learners(group) if (value := metric_of(a)) is not None]


def _best_baselines(group: Group, axis: str) -> dict[float, tuple[float, str]]:
    """Return value and name of the best baseline, by the group's place on the axis; empty if there is no baseline."""
    for attempt in learners(group):
        judgement = attempt.findings.judgement
        known = best_baseline(judgement) if judgement is not None else None
        if known is not None:
            name, value = known
            return {gather.number(group, axis): (value, name)}
    return {}
