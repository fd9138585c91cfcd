"""Charts of what was learnt: losses, the metric on the way, and the metric over what a grid varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import best_baseline, learners, metric_of, typical
from lstm_bench.analysis.statistics import spread
from lstm_bench.charts import gather
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Gathered, Panel
from lstm_bench.charts.panels import (
    Axis,
    Curve,
    Point,
    around,
    beside,
    from_zero,
    lines,
    logarithmic,
    names_width,
    plain,
    stack,
)
from lstm_bench.charts.theme import WIDTH
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.numbers import seconds

if TYPE_CHECKING:
    import altair as alt

HEIGHT = 190
"""Of a panel in pixels."""

AXES_WIDTH = 70
"""Pixels that a vertical axis takes with its labels and title."""

NARROWEST = 100.0
"""Pixels of a panel, if that makes a picture wider than it should be."""

LOSSES = {"mse": "mean squared error", "cross_entropy": "cross entropy"}

LEAST_LOSS = 1e-5
"""Of the greatest: smaller ones, as a batch of one sequence has now and then, would press all others together."""

CUT = "Losses under a hundred-thousandth of the greatest are beyond the axis."

COINCIDE = "Of curves that coincide, each is drawn thinner than the one beneath it."


def of_seeds(groups: Sequence[Group]) -> list[str]:
    """Which seed is drawn, where there are several."""
    most = max((len(learners(group)) for group in groups), default=0)
    return [f"Of {most} seeds, that with the median metric is drawn."] if most > 1 else []


def column_width(columns: int, curves: Sequence[Curve], gap: int = 36) -> float:
    """Pixels of each of several panels beside each other, the last with the names of its curves."""
    room = WIDTH - 24 - AXES_WIDTH * columns - gap * (columns - 1) - names_width(curves)
    return max(room / columns, NARROWEST)


def width_of(place: int, count: int) -> float:
    """Of one of several curves that may coincide, in pixels."""
    return 1.4 + (min(count, 5) - 1 - min(place, 4)) * 0.7 if count > 1 else 2.0


def draw_loss(attempts: Sequence[Attempt]) -> Figure | None:
    """The loss of the first steps, and the mean loss of each epoch; ``None`` if nothing was trained."""
    gathered = Gathered.of(attempts)
    trained = [g for g in gathered.groups if (found := typical(g)) is not None and _positive(_first_losses(found))]
    if not trained:
        return None
    panels, notes = gather.at_most(gather.by_data(trained))
    drawn = []
    for panel in panels:
        chart, left_out = _loss_panel(gathered, panel)
        drawn.append(chart)
        notes += left_out
    told = [COINCIDE, *of_seeds(trained), *dict.fromkeys(notes), *gather.fate(gathered.groups)]
    return Figure(stack(drawn), "Training loss", tuple(told))


def _first_losses(attempt: Attempt) -> list[Point]:
    training = attempt.findings.training
    return [(at, loss) for at, loss in enumerate(training.first_losses, start=1)] if training else []


def _epoch_losses(attempt: Attempt) -> list[Point]:
    training = attempt.findings.training
    return [(at, loss) for at, loss in enumerate(training.epoch_losses, start=1)] if training else []


def _positive(points: Sequence[Point]) -> list[float]:
    """The values that a logarithmic axis can show."""
    return [value for _, value in points if value is not None and value > 0]


def _loss_panel(gathered: Gathered, panel: Panel) -> tuple[alt.HConcatChart, list[str]]:
    groups, notes = gather.cut(panel.groups, panel.title)
    kinds = {group.first.configuration.recipe.train.loss for group in groups}
    title = f"loss, {LOSSES[kinds.pop()]}" if len(kinds) == 1 else "loss"
    of_steps = _curves(gathered, groups, [_first_losses(a) for g in groups if (a := typical(g))])
    of_epochs = _curves(gathered, groups, [_epoch_losses(a) for g in groups if (a := typical(g))])
    both = [of_steps]
    if any(len(_positive(curve.points)) > 1 for curve in of_epochs):
        both.append(of_epochs)
    width = column_width(len(both), of_epochs)
    charts = []
    for place, (curves, steps) in enumerate(zip(both, ("step", "epoch, mean over its steps"), strict=False)):
        last = place == len(both) - 1
        x = _counted(curves, steps)
        values = [value for curve in curves for value in _positive(curve.points)]
        least = max(values) * LEAST_LOSS
        y = logarithmic([max(value, least) for value in values], title)
        if min(values) < y.low and CUT not in notes:
            notes.append(CUT)
        shown = curves if last else [unnamed(curve) for curve in curves]
        charts.append(lines(shown, x, y, width=width, height=HEIGHT))
    return beside(charts, panel.title), notes


def _counted(curves: Sequence[Curve], title: str) -> Axis:
    most = max(at for curve in curves for at, _ in curve.points)
    return Axis(title, 0.0, most or 1.0)


def _curves(gathered: Gathered, groups: Sequence[Group], points: Sequence[Sequence[Point]]) -> list[Curve]:
    """A curve for each group, without what a logarithmic axis cannot show."""
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    return [
        Curve(
            [(at, value if value is not None and value > 0 else None) for at, value in each],
            look,
            name=name,
            width=width_of(place, len(groups)),
            dots=len(each) == 1,
        )
        for place, (each, look, name) in enumerate(zip(points, looks, names, strict=True))
    ]


def unnamed(curve: Curve) -> Curve:
    """A curve without its name, for all panels of a row but the last."""
    return Curve(curve.points, curve.look, width=curve.width, dots=curve.dots, intervals=curve.intervals)


def draw_accuracy(attempts: Sequence[Attempt]) -> Figure | None:
    """The metric on the way by step and by second, with when a level was reached; ``None`` if it was not looked at."""
    gathered = Gathered.of(attempts)
    looked = [group for group in gathered.groups if (found := typical(group)) is not None and len(_way(found)) > 1]
    if not looked:
        return None
    panels, notes = gather.at_most(gather.by_data(looked))
    drawn = []
    for panel in panels:
        chart, left_out = _way_panel(gathered, panel)
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


def _way(attempt: Attempt) -> list[tuple[int, float, float]]:
    """Steps and seconds of training, and the metric then."""
    training, judgement = attempt.findings.training, attempt.findings.judgement
    if training is None or judgement is None:
        return []
    return [
        (point.step, point.seconds, value)
        for point in training.curve
        if (value := point.metrics.get(judgement.metric)) is not None
    ]


def level_of(ways: Sequence[Sequence[tuple[int, float, float]]], target: float | None, *, lower: bool) -> float:
    """The recipe's target; without one, what all of them reach, with three digits."""
    if target is not None:
        return target
    reached = (max if lower else min)((min if lower else max)(value for _, _, value in way) for way in ways)
    level = float(f"{reached:.3g}")
    # rounded the wrong way, one of them would not reach it
    step = 10.0 ** (int(f"{abs(reached):e}".split("e")[1]) - 2)
    if lower and level < reached:
        level += step
    elif not lower and level > reached:
        level -= step
    return float(f"{level:.6g}")


def _way_panel(gathered: Gathered, panel: Panel) -> tuple[alt.HConcatChart, list[str]]:
    groups, notes = gather.cut(panel.groups, panel.title)
    shown = [found for group in groups if (found := typical(group)) is not None]
    ways = [_way(attempt) for attempt in shown]
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
    y = _quality([*every, level], f"{judgement.metric}{unit}, dashed: {level:g}", lower=lower)
    both = []
    for at, title in enumerate(("step", "seconds of training")):
        curves = [
            Curve(
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
        lines(curves, _counted(curves, title), y, width=width, height=HEIGHT, level=level) for title, curves in both
    ]
    return beside(charts, panel.title), notes


def _when(reached: tuple[int, float] | None) -> str:
    return "never" if reached is None else f"{reached[0]:,} in {seconds(reached[1])}"


def _quality(values: Sequence[float], title: str, *, lower: bool) -> Axis:
    """From zero, but for what is good throughout: there the difference is what is to be seen."""
    low, high = min(values), max(values)
    if lower or low < 0 or low < 0.5 * high:
        axis = from_zero(values, title) if low >= 0 else around(values, title)
    else:
        axis = around(values, title)
    return Axis(title, axis.low, min(axis.high, 1.02)) if not lower and high <= 1 else axis


def draw_recall(attempts: Sequence[Attempt]) -> Figure | None:
    """The metric over a number that a grid varied, such as a delay; ``None`` if none did."""
    gathered = Gathered.of(attempts)
    judged = [g for g in gathered.groups if any(metric_of(a) is not None for a in learners(g))]
    found = [(p, axis) for p in gather.by_task(judged) if (axis := _varied_axis(p)) is not None]
    if not found:
        return None
    notes, drawn, titles = [], [], []
    shown, left_out = gather.at_most([panel for panel, _ in found])
    for panel, axis in found[: len(shown)]:
        chart, beyond, title = _metric_panel(gathered, panel, axis)
        drawn.append(chart)
        titles.append(title)
        notes += beyond
    if any(len(learners(group)) > 1 for group in judged):
        notes.append("Dots are medians over seeds, lines through them reach from the worst to the best seed.")
    title = titles[0] if len(set(titles)) == 1 else "What was learnt: the metric by what was varied"
    return Figure(stack(drawn), title, (*notes, *left_out, *gather.fate(gathered.groups)))


def _varied_axis(panel: Panel) -> str | None:
    return next(iter(gather.numeric(panel.groups, but=("threads", "effort"))), None)


def _metric_panel(gathered: Gathered, panel: Panel, axis: str) -> tuple[alt.HConcatChart, list[str], str]:
    curves_of = gather.over(panel.groups, axis)
    firsts, notes = gather.cut([curve[0] for curve in curves_of], panel.title)
    looks, names = gather.told_by_settings(gathered, firsts, (axis,)), gather.names(firsts, (axis,))
    judgement = next(j for g in panel.groups for a in learners(g) if (j := a.findings.judgement) is not None)
    curves: list[Curve] = []
    lowest: dict[float, tuple[float, str]] = {}
    for groups, look, name in zip(curves_of, looks, names, strict=False):
        found = [(gather.number(g, axis), spread(_metrics(g))) for g in groups]
        known = [(at, some) for at, some in found if some is not None]
        ranges = [(at, some.least, some.most) for at, some in known if some.least < some.most]
        curves.append(Curve([(at, s.median) for at, s in known], look, name=name, dots=True, intervals=ranges))
    for group in panel.groups:
        lowest.update(_best_baselines(group, axis))
    unit = f" in {judgement.unit}" if judgement.unit else ""
    values = [v for c in curves for _, v in c.points if v is not None]
    values += [end for c in curves for _, low, high in c.intervals for end in (low, high)]
    values += [value for value, _ in lowest.values()]
    y = _quality(values, f"{judgement.metric}{unit}", lower=judgement.better == "lower")
    x = spaced(sorted({gather.number(group, axis) for group in panel.groups}), gather.full_name(axis))
    if lowest:
        points = sorted((at, value) for at, (value, _) in lowest.items())
        named = {name for _, name in lowest.values()}
        curves.append(Curve(points, name=f"baseline: {named.pop()}" if len(named) == 1 else "best baseline"))
    width = column_width(1, curves)
    title = f"What was learnt: {judgement.metric} by {gather.full_name(axis)}"
    return beside([lines(curves, x, y, width=width, height=260)], panel.title), notes, title


def _metrics(group: Group) -> list[float]:
    return [value for a in learners(group) if (value := metric_of(a)) is not None]


def _best_baselines(group: Group, axis: str) -> dict[float, tuple[float, str]]:
    """The best baseline beside a group, and its name."""
    for attempt in learners(group):
        judgement = attempt.findings.judgement
        known = best_baseline(judgement) if judgement is not None else None
        if known is not None:
            name, value = known
            return {gather.number(group, axis): (value, name)}
    return {}


MOST_VALUES = 10
"""Of a grid that have a tick each."""


def spaced(values: Sequence[float], title: str) -> Axis:
    """An axis with a tick at each value of a grid, if they are not too many; logarithmic if they reach far."""
    labels = {value: plain(value) for value in values} if len(values) <= MOST_VALUES else None
    if values[-1] >= 4 * values[0]:
        return logarithmic(values, title, labels)
    axis = around(values, title)
    return Axis(title, axis.low, axis.high, labels=labels)
