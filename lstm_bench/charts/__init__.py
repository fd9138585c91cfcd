"""Pictures of attempts. Each kind is a function from attempts to one chart.

Altair makes the charts and vl-convert renders them without a browser. Both come with the extra ``report``; importing
this package imports neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.charts.figure import Figure, Picture
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.plugin.lazy import lazy
from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True, kw_only=True)
class ChartKind:
    """A kind of chart.

    Attributes:
        name: the word that users type.
        summary: one line for lists.
        needs: what the attempts must have, worded to follow "it needs".
        draw: function from attempts to a figure, or to ``None`` if they have nothing to draw.
    """

    name: str
    summary: str
    needs: str
    draw: Callable[[Sequence[Attempt]], Figure | None]

    def applies(self, attempts: Sequence[Attempt]) -> bool:
        """Whether these attempts have something to draw."""
        return self.draw(attempts) is not None


KINDS: Mapping[str, ChartKind] = {
    kind.name: kind
    for kind in (
        ChartKind(
            name="throughput",
            summary="sequences per second with 95% intervals",
            needs="one attempt whose steps were timed",
            draw=lazy("lstm_bench.charts.speeds:draw_throughput"),
        ),
        ChartKind(
            name="scaling",
            summary="sequences per second by hidden size, batch or length",
            needs="attempts that differ in a number, as those of run --hidden 64 --hidden 128",
            draw=lazy("lstm_bench.charts.speeds:draw_scaling"),
        ),
        ChartKind(
            name="start",
            summary="time until each training step, and when a slow start pays off",
            needs="two backends that trained the same model",
            draw=lazy("lstm_bench.charts.speeds:draw_start"),
        ),
        ChartKind(
            name="ceiling",
            summary="share of the fastest matrix multiply",
            needs="one attempt of a backend that can time a matrix multiply",
            draw=lazy("lstm_bench.charts.speeds:draw_ceiling"),
        ),
        ChartKind(
            name="loss",
            summary="losses by step and by epoch",
            needs="one attempt that was trained",
            draw=lazy("lstm_bench.charts.losses:draw_loss"),
        ),
        ChartKind(
            name="accuracy",
            summary="the metric by step and by second, and when a level was reached",
            needs="one attempt whose recipe evaluates the metric during training",
            draw=lazy("lstm_bench.charts.accuracy:draw_accuracy"),
        ),
        ChartKind(
            name="recall",
            summary="the metric over a number that a sweep varied, such as a delay",
            needs="attempts that were trained and differ in a number, as those of run -t copy[delay=10,20]",
            draw=lazy("lstm_bench.charts.recall:draw_recall"),
        ),
        ChartKind(
            name="forecast",
            summary="a series and its forecasts",
            needs="one attempt of a task that forecasts a series",
            draw=lazy("lstm_bench.charts.forecasts:draw_forecast"),
        ),
        ChartKind(
            name="close-up",
            summary="the last twelve months, with the best baseline",
            needs="one attempt of a task that forecasts a series",
            draw=lazy("lstm_bench.charts.forecasts:draw_close_up"),
        ),
    )
}
"""All kinds of charts by name, in the order of a page."""


def find_kind(name: str) -> ChartKind:
    """Find a kind of chart by its name.

    Raises:
        UnknownName: if no kind has this name.
    """
    if name not in KINDS:
        raise UnknownName("chart", name, KINDS)
    return KINDS[name]


def draw(kind: ChartKind, attempts: Sequence[Attempt]) -> Figure:
    """Draw a chart of these attempts.

    Raises:
        NotInstalled: without the extra ``report``.
        LSTMBenchError: if they have nothing to draw; the message names what is missing and the kinds that would do.
    """
    from lstm_bench.charts import rendering

    rendering.require()
    figure = kind.draw(attempts)
    if figure is None:
        others = [other.name for other in KINDS.values() if other.applies(attempts)]
        would_do = f"these attempts do for {', '.join(others)}" if others else "these attempts do for no other chart"
        raise LSTMBenchError(f"nothing to draw for {kind.name}: it needs {kind.needs}; {would_do}")
    return figure


def pictures(attempts: Sequence[Attempt]) -> list[Picture]:
    """Draw every kind of chart for which these attempts have data, in the order of ``KINDS``.

    Raises:
        NotInstalled: without the extra ``report``.
    """
    from lstm_bench.charts import rendering

    rendering.require()
    figures = ((kind, kind.draw(attempts)) for kind in KINDS.values())
    return [
        Picture(kind.name, rendering.title(figure), " ".join(rendering.notes(figure)), rendering.inline(figure))
        for kind, figure in figures
        if figure is not None
    ]


__all__ = ["KINDS", "ChartKind", "Figure", "Picture", "draw", "find_kind", "pictures"]
