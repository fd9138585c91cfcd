"""The chart of training losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import typical
from lstm_bench.charts import gather
from lstm_bench.charts.axes import logarithmic
from lstm_bench.charts.curves import ChartCurve, Point, column_width, lines, unnamed, width_of
from lstm_bench.charts.figure import Figure
from lstm_bench.charts.gather import Facet, Gathered
from lstm_bench.charts.learning import COINCIDE, HEIGHT, counting_axis, of_seeds
from lstm_bench.charts.marks import beside, stack
from lstm_bench.record.attempt import Attempt

if TYPE_CHECKING:
    import altair as alt

LOSSES = {"mse": "mean squared error", "cross_entropy": "cross entropy"}

LEAST_LOSS = 1e-5
"""Least loss that the axis must show, as a part of the greatest.

A batch of one sequence now and then has a far smaller loss, which would press all other losses together.
"""

CUT = "Losses under a hundred-thousandth of the greatest are beyond the axis."


def draw_loss(attempts: Sequence[Attempt]) -> Figure | None:
    """Draw the losses of the first steps and the mean loss of each epoch; ``None`` if nothing was trained."""
    gathered = Gathered.of(attempts)
    trained = [g for g in gathered.groups if (found := typical(g)) is not None and _positive(_first_losses(found))]
    if not trained:
        return None
    facets, notes = gather.at_most(gather.by_data(trained))
    drawn = []
    for facet in facets:
        chart, left_out = _draw_facet(gathered, facet)
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
    """Return the values that a logarithmic axis can show."""
    return [value for _, value in points if value is not None and value > 0]


def _draw_facet(gathered: Gathered, facet: Facet) -> tuple[alt.HConcatChart, list[str]]:
    groups, notes = gather.cut(facet.groups, facet.title)
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
        x = counting_axis(curves, steps)
        values = [value for curve in curves for value in _positive(curve.points)]
        least = max(values) * LEAST_LOSS
        y = logarithmic([max(value, least) for value in values], title)
        if min(values) < y.low and CUT not in notes:
            notes.append(CUT)
        shown = curves if last else [unnamed(curve) for curve in curves]
        charts.append(lines(shown, x, y, width=width, height=HEIGHT))
    return beside(charts, facet.title), notes


def _curves(gathered: Gathered, groups: Sequence[Group], points: Sequence[Sequence[Point]]) -> list[ChartCurve]:
    """Make a curve for each group, with a gap wherever a logarithmic axis cannot show the loss."""
    looks, names = gather.drawn_as(gathered, groups), gather.names(groups)
    return [
        ChartCurve(
            [(at, value if value is not None and value > 0 else None) for at, value in each],
            look,
            name=name,
            width=width_of(place, len(groups)),
            dots=len(each) == 1,
        )
        for place, (each, look, name) in enumerate(zip(points, looks, names, strict=True))
    ]
