"""Charts of a series and its forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import best_baseline, learners, metric_of, typical
from lstm_bench.charts import gather
from lstm_bench.charts.axes import around, from_zero
from lstm_bench.charts.curves import ChartCurve, Point, column_width, lines, width_of
from lstm_bench.charts.dates import ChartDate, axis_of_all, axis_of_few, the_last
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.learning import COINCIDE, of_seeds
from lstm_bench.charts.marks import beside, stack
from lstm_bench.charts.theme import Look
from lstm_bench.record.attempt import Attempt, Judgement
from lstm_bench.record.published import Observed
from lstm_bench.reports.numbers import significant


@dataclass(frozen=True)
class _Forecast:
    """The content of one panel.

    Attributes:
        facet: the groups that forecast.
        observed: the true series.
    """

    facet: Facet
    observed: Observed

    @cached_property
    def dates(self) -> list[ChartDate]:
        """The date of each value of the series."""
        return [ChartDate.parse(text) for text in self.observed.times]

    @cached_property
    def forecast_dates(self) -> list[ChartDate]:
        """The dates that the typical seed of any group forecasts."""
        seeds = [attempt for group in self.facet.groups if (attempt := typical(group)) is not None]
        return self.dates[-max(len(_series(attempt, self.observed)) for attempt in seeds) :]

    def truth(self) -> list[Point]:
        """The true series."""
        return self.at_the_end(self.observed.values)

    def forecast(self, attempt: Attempt) -> list[Point]:
        """The forecast of an attempt."""
        return self.at_the_end(_series(attempt, self.observed))

    def at_the_end(self, values: Sequence[float | None]) -> list[Point]:
        """Place values at the last dates of the series; values before its first date are left out."""
        backwards = zip(reversed(self.dates), reversed(values), strict=False)
        return [(date.begin, value) for date, value in backwards][::-1]


def draw_forecast(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the whole series and the forecasts of every backend; ``None`` if nothing was forecast."""
    gathered = Gathered.of(attempts)
    found, groups = _found(gathered)
    if not found:
        return None
    drawn, notes = [], []
    shown, left_out = gather.at_most([one.facet for one in found])
    for one in found[: len(shown)]:
        some, beyond = gather.cut(one.facet.groups, one.facet.title)
        curves = [ChartCurve(one.truth(), style="observed", name="observed")]
        curves = _dotted(curves + _drawn(gathered, one, some))
        y = from_zero(_values(curves), one.observed.title)
        panel = lines(curves, axis_of_all(one.dates), y, width=column_width(1, curves), height=260)
        drawn.append(beside([panel], one.facet.title))
        notes += beyond
    told = [COINCIDE, *of_seeds(groups), *notes, *left_out]
    return Figure(stack(drawn), "Forecasts", (*told, *gather.fate(gathered.groups)))


def draw_close_up(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the dates that were forecast: the truth, the forecasts and the best baseline; ``None`` if there are none."""
    gathered = Gathered.of(attempts)
    found, groups = _found(gathered)
    if not found:
        return None
    drawn, notes = [], []
    shown, left_out = gather.at_most([one.facet for one in found])
    for one in found[: len(shown)]:
        some, beyond = gather.cut(one.facet.groups, one.facet.title)
        curves = _close_curves(gathered, one, some)
        y = around(_values(curves), one.observed.title)
        panel = lines(curves, axis_of_few(one.forecast_dates), y, width=column_width(1, curves), height=300)
        drawn.append(beside([panel], one.facet.title))
        notes += beyond
    several = any(len(learners(group)) > 1 for group in groups)
    told = [*of_seeds(groups), *(["Pale: the other seeds."] if several else []), *notes, *left_out]
    metrics = {judgement.metric: judgement for group in groups if (judgement := _judgement(group)) is not None}
    unit = {f"{name} in {judgement.unit}".removesuffix(" in ") for name, judgement in metrics.items()}
    told.insert(0, f"Beside each name: {', '.join(sorted(unit))}.")
    spans = {the_last(one.forecast_dates) for one in found[: len(shown)]}
    title = spans.pop() if len(spans) == 1 else "the last times"
    return Figure(stack(drawn), title.capitalize(), (*told, *gather.fate(gathered.groups)))


def _found(gathered: Gathered) -> tuple[list[_Forecast], list[Group]]:
    """Return a panel for each facet whose true series is known, and the groups that forecast."""
    kept: dict[str, Observed] = {}
    groups = []
    for group in gathered.groups:
        attempt = typical(group)
        if attempt is None or (observed := attempt.findings.observed) is None:
            continue
        if 1 <= len(_series(attempt, observed)) <= len(observed.values):
            kept[group.first.configuration.task_selector] = observed
            groups.append(group)
    facets = gather.by_data(groups)
    return [_Forecast(facet, kept[facet.groups[0].first.configuration.task_selector]) for facet in facets], groups


def _series(attempt: Attempt, observed: Observed) -> Sequence[float | None]:
    """Return what an attempt forecast of a series; nothing if it forecast none."""
    judgement = attempt.findings.judgement
    return judgement.series.get(observed.forecast, ()) if judgement else ()


def _judgement(group: Group) -> Judgement | None:
    attempt = typical(group)
    return attempt.findings.judgement if attempt else None


def _close_curves(gathered: Gathered, one: _Forecast, groups: Sequence[Group]) -> list[ChartCurve]:
    """Make the curves of a close-up from the first forecast date on: other seeds, forecasts, baseline, truth."""
    curves = [ChartCurve(points, look, width=1, opacity=0.3) for points, look in _seeds(gathered, one, groups)]
    curves += _drawn(gathered, one, groups, metric=True)
    curves += [*_baseline(one), ChartCurve(one.truth(), style="observed", name="observed")]
    begin = one.forecast_dates[0].begin
    return _dotted([replace(curve, points=[point for point in curve.points if point[0] >= begin]) for curve in curves])


def _dotted(curves: Sequence[ChartCurve]) -> list[ChartCurve]:
    """Mark the point of every curve that has only one, since its line cannot be seen."""
    return [replace(curve, dots=len(curve.points) == 1) for curve in curves]


def _drawn(gathered: Gathered, one: _Forecast, groups: Sequence[Group], *, metric: bool = False) -> list[ChartCurve]:
    """Make a curve of each group's typical seed, named with its metric if asked."""
    curves = []
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    for place, (group, look, name) in enumerate(zip(groups, looks, names, strict=True)):
        attempt = typical(group)
        assert attempt is not None
        value = metric_of(attempt)
        said = f"{name}: {significant(value)}" if metric and value is not None else name
        width = width_of(place, len(groups))
        curves.append(ChartCurve(one.forecast(attempt), look, name=said, width=width))
    return curves


def _seeds(gathered: Gathered, one: _Forecast, groups: Sequence[Group]) -> list[tuple[list[Point], Look]]:
    """Return the forecasts of all other seeds."""
    return [
        (one.forecast(attempt), look)
        for group, look in zip(groups, gather.drawn_as(gathered, groups), strict=True)
        for attempt in learners(group)
        if attempt is not typical(group)
    ]


def _baseline(one: _Forecast) -> list[ChartCurve]:
    """Make a curve of the best baseline, if the task says what it forecasts."""
    judgement = _judgement(one.facet.groups[0])
    known = best_baseline(judgement) if judgement is not None else None
    if known is None or known[0] not in one.observed.baselines:
        return []
    name, value = known
    return [ChartCurve(one.at_the_end(one.observed.baselines[name]), name=f"{name}: {significant(value)}")]


def _values(curves: Sequence[ChartCurve]) -> list[float]:
    return [value for curve in curves for _, value in curve.points if value is not None]
