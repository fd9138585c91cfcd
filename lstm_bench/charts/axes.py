"""Axes of panels. Each has its range from here, so that Vega-Lite rounds none and names can be placed in pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstm_bench.charts.marks import LONGEST_LABEL, shorten

if TYPE_CHECKING:
    import altair as alt

MOST_TICKS = 7
"""Ticks of a logarithmic axis."""

MOST_VALUES = 10
"""Values of a sweep up to which each has a tick of its own."""


@dataclass(frozen=True)
class ChartAxis:
    """One direction of a panel.

    Attributes:
        title: with the unit.
        low: value at the beginning.
        high: value at the end.
        log: whether equal ratios have equal distances.
        labels: text at each tick; ``None`` lets Vega choose round numbers.
    """

    title: str
    low: float
    high: float
    log: bool = False
    labels: Mapping[float, str] | None = None

    def place(self, value: float) -> float:
        """Compute the place of a value: 0 at the beginning, 1 at the end."""
        low, high, at = (
            (math.log(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return (at - low) / (high - low)

    def scale(self) -> alt.Scale:
        """Return the range for Vega-Lite."""
        import altair as alt

        return alt.Scale(type="log" if self.log else "linear", domain=[self.low, self.high], nice=False, zero=False)

    def axis(self, ticks: int, **more: Any) -> alt.Axis:
        """Return title and ticks for Vega-Lite.

        Args:
            ticks: how many there should be, if ``labels`` does not give them.
            more: further properties of Vega-Lite's axis.
        """
        import altair as alt

        title = shorten(self.title, LONGEST_LABEL)
        if self.labels is None:
            # Vega would write zero as "0k".
            form = (
                "datum.value ? format(datum.value, '~s') : '0'" if self.high >= 10_000 else "format(datum.value, ',~f')"
            )
            return alt.Axis(title=title, tickCount=ticks, labelExpr=form, **more)
        known = "".join(f"datum.value === {json.dumps(at)} ? {json.dumps(text)} : " for at, text in self.labels.items())
        return alt.Axis(title=title, values=list(self.labels), labelExpr=f"{known}''", **more)


def from_zero(values: Sequence[float], title: str) -> ChartAxis:
    """Make an axis from zero to a little beyond the largest value."""
    return ChartAxis(title, 0.0, 1.08 * max((*values, 0.0)) or 1.0)


def around(values: Sequence[float], title: str) -> ChartAxis:
    """Make an axis over all values and a little more, for lines, where nobody compares heights above zero."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return ChartAxis(title, low - room, high + room)


def logarithmic(values: Sequence[float], title: str, labels: Mapping[float, str] | None = None) -> ChartAxis:
    """Make a logarithmic axis over all values and a little more.

    Args:
        values: above 0.
        title: with the unit.
        labels: text at each tick; ``None`` for ticks at 1, 2 and 5, or at powers of ten.
    """
    low, high = min(values), max(values)
    room = max((high / low) ** 0.06, 1.1)
    low, high = low / room, high * room
    found = labels or {tick: plain(tick) for tick in round_numbers(low, high)}
    return ChartAxis(f"{title} (log scale)", low, high, log=True, labels=found)


def spaced(values: Sequence[float], title: str) -> ChartAxis:
    """Make an axis over the values of a sweep: a tick at each if they are few, logarithmic if they reach far.

    Args:
        values: above 0, in ascending order.
        title: with the unit.
    """
    labels = {value: plain(value) for value in values} if len(values) <= MOST_VALUES else None
    if values[-1] >= 4 * values[0]:
        return logarithmic(values, title, labels)
    axis = around(values, title)
    return ChartAxis(title, axis.low, axis.high, labels=labels)


def round_numbers(low: float, high: float) -> list[float]:
    """Choose round numbers between two others as ticks of a logarithmic axis, at most ``MOST_TICKS``."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in range(first, last + 1) for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if 2 <= len(ticks) <= MOST_TICKS:
            return ticks
    if not ticks:
        return [float(f"{math.sqrt(low * high):.1g}")]
    return ticks[:: math.ceil(len(ticks) / MOST_TICKS)]


def plain(value: float) -> str:
    """Write a round number as people do: ``0.001``, ``20``, ``5,000``, ``2e8``."""
    if 1 <= value < 1e7 and value == int(value):
        return f"{value:,.0f}"
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")
