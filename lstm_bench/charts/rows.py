"""A row for each name, with a dot or a bar in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_bench.charts.axes import ChartAxis
from lstm_bench.charts.marks import GAP, RIGHT, beside, inline_data, symbols, text_at, text_width
from lstm_bench.charts.theme import WIDTH, Look

if TYPE_CHECKING:
    import altair as alt

ROW = 24
"""Pixels of a row."""

BETWEEN = 28
"""Pixels between columns."""


@dataclass(frozen=True)
class Dot:
    """The content of one row in one column.

    Attributes:
        look: colour and shape.
        value: position on the axis; ``None`` for an empty row.
        interval: low and high end of the 95% interval; ``None`` for none.
        text: stands beside the dot.
    """

    look: Look
    value: float | None
    interval: tuple[float, float] | None = None
    text: str = ""


def rows(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Dot]],
    *,
    room: float,
    title: str = "",
    bars: bool = False,
    ceiling: float | None = None,
) -> alt.HConcatChart:
    """Draw a row for each name and a panel for each column; all axes begin at zero.

    Args:
        names: of the rows.
        columns: dots, one for each row, by the title of the axis.
        room: pixels for the names from ``rows_room``, the same in all panels beneath each other.
        title: of all columns.
        bars: whether a bar reaches from zero to each value.
        ceiling: value that each axis at least reaches, marked by a line.
    """
    width = max((WIDTH - 24 - room - BETWEEN * (len(columns) - 1)) / len(columns), 120.0)
    height = ROW * len(names)
    panels = []
    for place, (axis_title, dots) in enumerate(columns.items()):
        x = ChartAxis(axis_title, 0.0, _end(dots, width, ceiling))
        column = _column(dots, x, width, height, bars=bars, ceiling=ceiling)
        panels.append(column if place else _named(column, names, room))
    return beside(panels, title, spacing=BETWEEN)


def rows_room(names: Sequence[str]) -> float:
    """Compute the pixels that the names of rows take."""
    return text_width(names) + GAP


def _named(column: alt.LayerChart, names: Sequence[str], room: float) -> alt.LayerChart:
    """Write the names of the rows to the left of a column.

    An invisible rectangle takes the whole room, so that panels beneath each other begin at the same place.
    """
    import altair as alt

    layers = [text_at(name, -GAP, _middle(at), align=RIGHT) for at, name in enumerate(names)]
    spacer = alt.Chart(inline_data([{}])).mark_rect(x=-room, x2=0, y=0, y2=1, opacity=0)
    return alt.LayerChart(layer=[*column.layer, spacer, *layers], width=column.width, height=column.height)


def _end(dots: Sequence[Dot], width: float, ceiling: float | None) -> float:
    """Choose where an axis from zero ends, so that every text beside its dot has room."""
    most = ceiling or 0.0
    for dot in dots:
        if dot.value is not None:
            end = max(dot.value, dot.interval[1] if dot.interval else 0.0)
            room = width - GAP - min(text_width([dot.text]), 0.6 * width)
            most = max(most, end * width / room)
    return most or 1.0


def _column(
    dots: Sequence[Dot], x: ChartAxis, width: float, height: float, *, bars: bool, ceiling: float | None
) -> alt.LayerChart:
    import altair as alt

    encode_x = alt.X("x:Q", scale=x.scale(), axis=x.axis(max(2, int(width // 80))))
    layers: list[alt.Chart] = []
    for at, dot in enumerate(dots):
        if dot.value is None:
            if dot.text:
                layers.append(text_at(dot.text, GAP / 2, _middle(at), style="aside"))
            continue
        value = inline_data([{"x": dot.value}])
        end = dot.value
        if bars:
            bar = alt.Chart(value).mark_bar(color=dot.look.colour, y=_middle(at), height=12)
            layers.append(bar.encode(encode_x))
        if dot.interval is not None:
            low, end = dot.interval
            span = alt.Chart(inline_data([{"x": low, "high": end}]))
            rule = span.mark_rule(color=dot.look.colour, strokeWidth=2, y=_middle(at))
            layers.append(rule.encode(encode_x, x2="high:Q"))
        if not bars:
            layers.append(symbols(value, dot.look, y=_middle(at)).encode(encode_x))
        layers.append(text_at(dot.text, width * x.place(max(end, dot.value)) + GAP, _middle(at)))
    zero = [0.0] if ceiling is None else [0.0, ceiling]
    edge = alt.Chart(inline_data({"x": at} for at in zero)).mark_rule(style="zero", y=0, y2=height)
    return alt.LayerChart(layer=[edge.encode(encode_x), *layers], width=width, height=height)


def _middle(row: int) -> float:
    return ROW * (row + 0.5)
