"""Charts of forecasts beside what came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lstm_bench.analysis.groups import Group
from lstm_bench.charts import gather
from lstm_bench.charts.axes import ChartAxis, around, from_zero
from lstm_bench.charts.curves import ChartCurve, column_width, lines, width_of
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.learning import COINCIDE, best_baseline, learners, metric_of, of_seeds, typical
from lstm_bench.charts.marks import beside, stack
from lstm_bench.charts.theme import Look
from lstm_bench.record.attempt import Attempt, Judgement
from lstm_bench.record.published import Observed
from lstm_bench.reports.numbers import significant

YEAR = 12

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class _Forecast:
    """A facet with all that is drawn in it.

    Attributes:
        facet: the groups.
        observed: what came to be.
    """

    facet: Facet
    observed: Observed

    @property
    def first(self) -> float:
        """The month of its beginning, as a year and part of a year."""
        year, month = map(int, self.observed.times[0].split("-"))
        return year + (month - 1) / YEAR

    def at(self, month: int) -> float:
        """Of a month, counted from the first: its year and part of a year."""
        return self.first + month / YEAR

    def forecast(self, attempt: Attempt) -> list[tuple[int, float | None]]:
        """Months, counted from the first, with what was forecast of them."""
        judgement = attempt.findings.judgement
        return self.at_the_end(judgement.series.get(self.observed.forecast, ()) if judgement else ())

    def at_the_end(self, values: Sequence[float | None]) -> list[tuple[int, float | None]]:
        """Values of the last months, with these months."""
        return list(enumerate(values, start=len(self.observed.values) - len(values)))


def draw_forecast(attempts: Sequence[Attempt]) -> Figure | None:
    """The whole series with the forecasts of every backend; ``None`` if nothing was forecast."""
    gathered = Gathered.of(attempts)
    found, groups = _found(gathered)
    if not found:
        return None
    drawn, notes = [], []
    shown, left_out = gather.at_most([one.facet for one in found])
    for one in found[: len(shown)]:
        some, beyond = gather.cut(one.facet.groups, one.facet.title)
        whole = list(enumerate(one.observed.values))
        curves = [ChartCurve(_years(one, whole), style="observed", name="observed")]
        curves += _drawn(gathered, one, some)
        x = ChartAxis("", one.first, one.at(len(one.observed.values)), labels=_ticks(one))
        y = from_zero(_values(curves), one.observed.title)
        drawn.append(beside([lines(curves, x, y, width=column_width(1, curves), height=260)], one.facet.title))
        notes += beyond
    told = [COINCIDE, *of_seeds(groups), *notes, *left_out]
    return Figure(stack(drawn), "Forecasts", (*told, *gather.fate(gathered.groups)))


def draw_close_up(attempts: Sequence[Attempt]) -> Figure | None:
    """The last twelve months: what came, what was forecast, and the best baseline; ``None`` if nothing was forecast."""
    gathered = Gathered.of(attempts)
    found, groups = _found(gathered)
    if not found:
        return None
    drawn, notes = [], []
    shown, left_out = gather.at_most([one.facet for one in found])
    for one in found[: len(shown)]:
        some, beyond = gather.cut(one.facet.groups, one.facet.title)
        begin = len(one.observed.values) - YEAR
        truth = list(enumerate(one.observed.values))[begin:]
        curves = [
            ChartCurve(_years(one, points), look, width=1, opacity=0.3) for points, look in _seeds(gathered, one, some)
        ]
        curves += _drawn(gathered, one, some, metric=True)
        curves += [*_baseline(one), ChartCurve(_years(one, truth), style="observed", name="observed")]
        curves = [_since(curve, one.at(begin)) for curve in curves]
        labels = {one.at(begin + month): _month(one, begin + month) for month in range(YEAR)}
        x = ChartAxis(_span(one, begin), one.at(begin), one.at(begin + YEAR - 1), labels=labels)
        y = around(_values(curves), one.observed.title)
        drawn.append(beside([lines(curves, x, y, width=column_width(1, curves), height=300)], one.facet.title))
        notes += beyond
    several = any(len(learners(group)) > 1 for group in groups)
    told = [*of_seeds(groups), *(["Pale: the other seeds."] if several else []), *notes, *left_out]
    metrics = {judgement.metric: judgement for group in groups if (judgement := _judgement(group)) is not None}
    unit = {f"{name} in {judgement.unit}".removesuffix(" in ") for name, judgement in metrics.items()}
    told.insert(0, f"Beside each name: {', '.join(sorted(unit))}.")
    return Figure(stack(drawn), "The last twelve months", (*told, *gather.fate(gathered.groups)))


def _found(gathered: Gathered) -> tuple[list[_Forecast], list[Group]]:
    """Panels of what was forecast, where it is known what came to be."""
    kept: dict[str, Observed] = {}
    groups = []
    for group in gathered.groups:
        attempt = typical(group)
        if attempt is None or attempt.findings.judgement is None or (observed := attempt.findings.observed) is None:
            continue
        forecast = attempt.findings.judgement.series.get(observed.forecast, ())
        if YEAR <= len(forecast) <= len(observed.values):
            kept[group.first.configuration.task_selector] = observed
            groups.append(group)
    facets = gather.by_data(groups)
    return [_Forecast(facet, kept[facet.groups[0].first.configuration.task_selector]) for facet in facets], groups


def _judgement(group: Group) -> Judgement | None:
    attempt = typical(group)
    return attempt.findings.judgement if attempt else None


def _drawn(gathered: Gathered, one: _Forecast, groups: Sequence[Group], *, metric: bool = False) -> list[ChartCurve]:
    """A curve for each group, of its typical seed."""
    curves = []
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    for place, (group, look, name) in enumerate(zip(groups, looks, names, strict=True)):
        attempt = typical(group)
        assert attempt is not None
        value = metric_of(attempt)
        said = f"{name}: {significant(value)}" if metric and value is not None else name
        width = width_of(place, len(groups))
        curves.append(ChartCurve(_years(one, one.forecast(attempt)), look, name=said, width=width))
    return curves


def _seeds(
    gathered: Gathered, one: _Forecast, groups: Sequence[Group]
) -> list[tuple[list[tuple[int, float | None]], Look]]:
    """The forecasts of all other seeds."""
    return [
        (one.forecast(attempt), look)
        for group, look in zip(groups, gather.drawn_as(gathered, groups), strict=True)
        for attempt in learners(group)
        if attempt is not typical(group)
    ]


def _baseline(one: _Forecast) -> list[ChartCurve]:
    """The best baseline, where the task says what it forecasts."""
    judgement = _judgement(one.facet.groups[0])
    known = best_baseline(judgement) if judgement is not None else None
    if known is None or known[0] not in one.observed.baselines:
        return []
    name, value = known
    points = one.at_the_end(one.observed.baselines[name])
    return [ChartCurve(_years(one, points), name=f"{name}: {significant(value)}")]


def _years(one: _Forecast, points: Sequence[tuple[int, float | None]]) -> list[tuple[float, float | None]]:
    return [(one.at(month), value) for month, value in points]


def _since(curve: ChartCurve, begin: float) -> ChartCurve:
    return replace(curve, points=[(at, value) for at, value in curve.points if at >= begin])


def _values(curves: Sequence[ChartCurve]) -> list[float]:
    return [value for curve in curves for _, value in curve.points if value is not None]


def _month(one: _Forecast, month: int) -> str:
    return MONTHS[_calendar(one, month)[1]]


def _span(one: _Forecast, begin: int) -> str:
    """The year, or the two years, of the months from one on."""
    years = [_calendar(one, month)[0] for month in (begin, len(one.observed.values) - 1)]
    return " to ".join(dict.fromkeys(map(str, years)))


def _calendar(one: _Forecast, month: int) -> tuple[int, int]:
    """Year and month, from 0, of a month that is counted from the first."""
    year, begin = map(int, one.observed.times[0].split("-"))
    years, at = divmod(begin - 1 + month, YEAR)
    return year + years, at


def _ticks(one: _Forecast) -> dict[float, str]:
    """Every second year."""
    first, last = int(one.first + 0.999), int(one.at(len(one.observed.values)))
    return {float(year): str(year) for year in range(first + first % 2, last + 1, 2)}
