"""Pictures of attempts, each kind a function from attempts to one chart.

All are made with Altair and rendered without a browser; what that needs is the extra ``report``. Importing this package
imports none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.charts.figure import Figure, Picture
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of picture.

    Attributes:
        name: what users type.
        summary: one line for people.
        needs: what attempts must have, to follow "it needs".
        draw: the figure of these attempts, or ``None`` if they have nothing to draw.
    """

    name: str
    summary: str
    needs: str
    draw: Callable[[Sequence[Attempt]], Figure | None]

    def applies(self, attempts: Sequence[Attempt]) -> bool:
        """Whether there is anything to draw."""
        return self.draw(attempts) is not None


def _forecast(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import forecasts

    return forecasts.draw_forecast(attempts)


def _close_up(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import forecasts

    return forecasts.draw_close_up(attempts)


def _loss(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import losses

    return losses.draw_loss(attempts)


def _accuracy(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import accuracy

    return accuracy.draw_accuracy(attempts)


def _recall(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import recall

    return recall.draw_recall(attempts)


def _throughput(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import speeds

    return speeds.draw_throughput(attempts)


def _scaling(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import speeds

    return speeds.draw_scaling(attempts)


def _start(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import speeds

    return speeds.draw_start(attempts)


def _ceiling(attempts: Sequence[Attempt]) -> Figure | None:
    from lstm_bench.charts import speeds

    return speeds.draw_ceiling(attempts)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="throughput",
            summary="sequences per second with 95% intervals",
            needs="one attempt whose steps were timed",
            draw=_throughput,
        ),
        Kind(
            name="scaling",
            summary="sequences per second by hidden size, batch or length",
            needs="attempts that differ in a number, as those of run --hidden 64 --hidden 128",
            draw=_scaling,
        ),
        Kind(
            name="start",
            summary="time until each step of training, and when a slow start is made up for",
            needs="two backends that trained the same model",
            draw=_start,
        ),
        Kind(
            name="ceiling",
            summary="share of what the process can at most compute",
            needs="one attempt with a ceiling, which only some backends can tell",
            draw=_ceiling,
        ),
        Kind(name="loss", summary="losses by step and by epoch", needs="one attempt that was trained", draw=_loss),
        Kind(
            name="accuracy",
            summary="the metric by step and by second, and when a level was reached",
            needs="one attempt whose recipe looks at the metric on the way",
            draw=_accuracy,
        ),
        Kind(
            name="recall",
            summary="the metric over a number that a grid varied, such as a delay",
            needs="attempts that were trained and differ in a number, as those of run -t copy[delay=10,20]",
            draw=_recall,
        ),
        Kind(
            name="forecast",
            summary="a series and its forecasts",
            needs="one attempt of a task that forecasts a series",
            draw=_forecast,
        ),
        Kind(
            name="close-up",
            summary="the last twelve months, with the best baseline",
            needs="one attempt of a task that forecasts a series",
            draw=_close_up,
        ),
    )
}
"""By name, in the order in which a page shows them."""


def find_kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        UnknownName: if there is none.
    """
    if name not in KINDS:
        raise UnknownName("chart", name, KINDS)
    return KINDS[name]


def draw(kind: Kind, attempts: Sequence[Attempt]) -> Figure:
    """The figure of these attempts.

    Raises:
        NotInstalled: without the extra ``report``.
        LSTMBenchError: if they have nothing to draw, with what would be needed and which kinds would do.
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
    """Every kind of picture that these attempts have something for, in the order of ``KINDS``.

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


__all__ = ["KINDS", "Figure", "Kind", "Picture", "draw", "find_kind", "pictures"]
