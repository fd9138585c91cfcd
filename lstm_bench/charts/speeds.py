"""Charts of speed: throughput, scaling, time to start, and share of the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.speed import achieved_by, start_and_step
from lstm_bench.charts import gather
from lstm_bench.charts.axes import ChartAxis, logarithmic, round_numbers, spaced
from lstm_bench.charts.curves import ChartCurve, column_width, lines, unnamed
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.marks import beside, stack
from lstm_bench.charts.rows import Dot, rows, rows_room
from lstm_bench.charts.theme import Look
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.notes import MEANINGS
from lstm_bench.reports.numbers import digits, percent, rounded_steps, seconds, significant, with_interval

if TYPE_CHECKING:
    import altair as alt

INTERVALS = "Lines through dots: 95% intervals over rounds."

ONE_ROUND = "One round, so there are no intervals: it cannot tell how much processes differ."


def throughput_of(group: Group, scope: Scope) -> statistics.IntervalEstimate | None:
    """Return sequences per second; ``None`` if this scope was not timed."""
    found = group.estimate(scope)
    return None if found is None else found.rate(group.first.configuration.recipe.train.batch_size)


def in_words(found: statistics.IntervalEstimate) -> str:
    """Write a throughput as tables do: ``8,060 ±1.2%``."""
    return with_interval(significant(found.value, digits(found.value, found.relative)), found.relative)


def timed(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that have a timed scope."""
    return [group for group in groups if any(group.rounds(scope) for scope in SCOPES)]


def scopes_of(groups: Sequence[Group]) -> list[Scope]:
    """Return the scopes that were timed in any group."""
    return [scope for scope in SCOPES if any(group.rounds(scope) for group in groups)]


def about_intervals(groups: Sequence[Group]) -> list[str]:
    """Write a note on the intervals that are drawn."""
    several = [len(group.rounds(scope)) > 1 for group in groups for scope in scopes_of([group])]
    if all(several):
        return [INTERVALS]
    return [f"{INTERVALS} Where there is none, there was one round."] if any(several) else [ONE_ROUND]


def about_scopes(groups: Sequence[Group]) -> str:
    """Explain each scope that was timed."""
    return "; ".join(f"{scope}: {MEANINGS[scope]}" for scope in scopes_of(groups)).capitalize() + "."


def _compared(groups: Sequence[Group]) -> list[Facet]:
    """Put groups of the same model in one facet, and those that remain alone by what they learn."""
    facets = gather.by_model(groups)
    alone = [facet.groups[0] for facet in facets if len(facet.groups) == 1]
    return [*(facet for facet in facets if len(facet.groups) > 1), *gather.by_data(alone)]


def draw_throughput(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw sequences per second of each backend, a column for each scope; ``None`` if nothing was timed."""
    gathered = Gathered.of(attempts)
    found = timed(gathered.groups)
    if not found:
        return None
    chart, notes = _in_rows(gathered, found, _speed_columns)
    told = [*about_intervals(found), about_scopes(found), *notes, *gather.fate(gathered.groups)]
    return Figure(chart, "Throughput", tuple(told))


Columns = Callable[[Gathered, Sequence[Group], Sequence[Scope]], Mapping[str, Sequence[Dot]]]


def _in_rows(
    gathered: Gathered, groups: Sequence[Group], columns: Columns, *, bars: bool = False, ceiling: float | None = None
) -> tuple[alt.VConcatChart, list[str]]:
    """Draw a panel of rows for each facet, the fastest row first."""
    facets, notes = gather.at_most(_compared(groups))
    kept = []
    for facet in facets:
        scopes = scopes_of(facet.groups)
        by_speed = sorted(facet.groups, key=lambda group: -_most(group, scopes))
        shown, left_out = gather.cut(by_speed, facet.title)
        notes += left_out
        kept.append((facet.title, shown, scopes))
    room = max(rows_room(gather.names(shown)) for _, shown, _ in kept)
    drawn = []
    for title, shown, scopes in kept:
        drawn.append(
            rows(
                gather.names(shown),
                columns(gathered, shown, scopes),
                room=room,
                title=title,
                bars=bars,
                ceiling=ceiling,
            )
        )
    return stack(drawn), notes


def _most(group: Group, scopes: Sequence[Scope]) -> float:
    """Return the speed that orders rows: that of the first timed scope."""
    return next((known.value for scope in scopes if (known := throughput_of(group, scope)) is not None), 0.0)


def _dots(gathered: Gathered, groups: Sequence[Group], dot: Callable[[Group, Look], Dot]) -> list[Dot]:
    return [dot(group, gathered.looks[group.first.configuration.backend_selector]) for group in groups]


def _speed_columns(gathered: Gathered, groups: Sequence[Group], scopes: Sequence[Scope]) -> dict[str, list[Dot]]:
    def dot(group: Group, look: Look, scope: Scope) -> Dot:
        known = throughput_of(group, scope)
        if known is None:
            return Dot(look, None, text="not timed")
        return Dot(look, known.value, known.interval, in_words(known))

    return {f"{scope}, sequences per second": _dots(gathered, groups, partial(dot, scope=scope)) for scope in scopes}


def draw_ceiling(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the share of the measured ceiling that each backend reaches; ``None`` if no ceiling was measured."""
    gathered = Gathered.of(attempts)
    found = [group for group in timed(gathered.groups) if any(_share(group, scope) for scope in SCOPES)]
    if not found:
        return None
    chart, notes = _in_rows(gathered, found, _share_columns, bars=True, ceiling=100.0)
    told = [
        "Beside the bars: matrix-multiply GFLOP/s. The line at 100% is each backend's fastest matrix multiply.",
        *notes,
        *gather.fate(gathered.groups),
    ]
    return Figure(chart, "How near to the ceiling", tuple(told))


def _share(group: Group, scope: Scope) -> tuple[float, float] | None:
    """Return FLOP/s and their share of the ceiling; ``None`` if either is not known."""
    done = achieved_by(group, scope)
    return None if done is None or done.share is None else (done.flops_per_second, done.share)


def _share_columns(gathered: Gathered, groups: Sequence[Group], scopes: Sequence[Scope]) -> dict[str, list[Dot]]:
    def dot(group: Group, look: Look, scope: Scope) -> Dot:
        known = _share(group, scope)
        if known is None:
            return Dot(look, None, text="not known")
        flops, share = known
        return Dot(look, 100 * share, text=f"{significant(flops / 1e9, 3)} ({percent(share)})")

    return {f"{scope}, % of the ceiling": _dots(gathered, groups, partial(dot, scope=scope)) for scope in scopes}


def draw_scaling(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw throughput over each number that a sweep varied, such as hidden size; ``None`` if no number was varied."""
    gathered = Gathered.of(attempts)
    found = timed(gathered.groups)
    by_axis = [
        (facet, axis)
        for facet in gather.by_task(found)
        for axis in gather.numeric(facet.groups, but=("effort", "learning rate", "momentum"))
    ]
    if not by_axis:
        return None
    shown, notes = gather.at_most([facet for facet, _ in by_axis])
    drawn = []
    for facet, axis in by_axis[: len(shown)]:
        chart, left_out = _draw_scaling(gathered, facet, axis)
        drawn.append(chart)
        notes += left_out
    axes = list(dict.fromkeys(axis for _, axis in by_axis))
    told = [*about_intervals(found), *notes, *gather.fate(gathered.groups)]
    return Figure(stack(drawn), f"Throughput by {' and by '.join(map(gather.full_name, axes[:3]))}", tuple(told))


def _draw_scaling(gathered: Gathered, facet: Facet, axis: str) -> tuple[alt.HConcatChart, list[str]]:
    curves_of = gather.over(facet.groups, axis)
    firsts, notes = gather.cut([curve[0] for curve in curves_of], f"{facet.title} by {gather.full_name(axis)}")
    looks, names = gather.drawn_as(gathered, firsts, (axis,)), gather.names(firsts, (axis,))
    x = spaced(sorted({gather.number(group, axis) for group in facet.groups}), gather.full_name(axis))
    scopes = scopes_of(facet.groups)
    by_scope: dict[Scope, list[ChartCurve]] = {}
    for scope in scopes:
        curves = []
        for groups, look, name in zip(curves_of, looks, names, strict=False):
            known = [(gather.number(group, axis), speed) for group in groups if (speed := throughput_of(group, scope))]
            ranges = [(at, *speed.interval) for at, speed in known if speed.interval is not None]
            points = [(at, speed.value) for at, speed in known]
            curves.append(ChartCurve(points, look, name=name, dots=True, intervals=ranges))
        by_scope[scope] = curves
    last = scopes[-1]
    width = column_width(len(scopes), by_scope[last])
    charts = []
    for scope, curves in by_scope.items():
        speeds = [v for c in curves for _, v in c.points if v is not None]
        speeds += [end for c in curves for _, low, high in c.intervals for end in (low, high)]
        y = logarithmic(speeds, f"{scope}, sequences/s")
        shown = curves if scope == last else [unnamed(curve) for curve in curves]
        charts.append(lines(shown, x, y, width=width, height=230))
    return beside(charts, facet.title), notes


MOST_STEPS = 10_000_000
"""Steps within which a break-even point counts: beyond them it matters to nobody."""


def draw_start(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the time from an empty process to each step of training.

    Returns:
        ``None`` if no two backends trained the same model.
    """
    gathered = Gathered.of(attempts)
    known = [group for group in gathered.groups if start_and_step(group) is not None]
    facets = [facet for facet in gather.by_model(known) if len(facet.groups) > 1]
    if not facets:
        return None
    shown, notes = gather.at_most(facets)
    drawn, late = [], []
    for facet in shown:
        chart, left_out, told = _draw_start(gathered, facet)
        drawn.append(chart)
        notes += left_out
        late += told
    words = [
        "Time of building the model, the first step with JIT compilation, and all later steps, without the framework's "
        "import. A circle marks the step at which a slower start has paid off.",
        *_late(late),
    ]
    return Figure(stack(drawn), "Time until a step of training", (*words, *notes, *gather.fate(gathered.groups)))


MOST_TOLD = 4
"""Break-even points that the notes name."""


def _late(told: Sequence[str]) -> list[str]:
    """Name the first break-even points in one note."""
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return [f"In steps: {', '.join(told[:MOST_TOLD])}{more}."] if told else []


def _draw_start(gathered: Gathered, facet: Facet) -> tuple[alt.HConcatChart, list[str], list[str]]:
    groups, notes = gather.cut(facet.groups, facet.title)
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    times = [both for group in groups if (both := start_and_step(group)) is not None]
    crossings = [
        (steps, ours, theirs)
        for ours in range(len(times))
        for theirs in range(len(times))
        if (steps := statistics.break_even(times[ours], times[theirs])) and 1 <= steps <= MOST_STEPS
    ]
    furthest = max((steps for steps, _, _ in crossings), default=max(start / step for start, step in times))
    most = min(max(3 * furthest, 100.0), 3.0 * MOST_STEPS)
    at = [most ** (place / 80) for place in range(81)]
    curves = [
        ChartCurve([(n, start + n * step) for n in at], look, name=name)
        for (start, step), look, name in zip(times, looks, names, strict=True)
    ]
    ends = [value for curve in curves for _, value in (curve.points[0], curve.points[-1]) if value is not None]
    x = logarithmic([1.0, most], "steps after the first")
    x = ChartAxis(x.title, 1.0, most, log=True, labels=x.labels)
    span = logarithmic(ends, "time until then")
    y = ChartAxis(
        span.title, span.low, span.high, log=True, labels={t: seconds(t) for t in round_numbers(span.low, span.high)}
    )
    marked = [(n, times[ours][0] + n * times[ours][1], f"{rounded_steps(n)} steps") for n, ours, _ in sorted(crossings)]
    width = column_width(1, curves)
    chart = lines(curves, x, y, width=width, height=260, crossings=marked)
    told = [
        f"{names[ours]} is ahead of {names[theirs]} after {rounded_steps(steps)}"
        for steps, ours, theirs in sorted(crossings)
    ]
    return beside([chart], facet.title), notes, told
