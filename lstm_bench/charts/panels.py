"""The grammar of every chart: curves over an axis, or a dot in each row, named where they are and not in a legend.

Positions of names are worked out here, in pixels, so that none lies upon another; so every axis has its range from
here, too, and Vega-Lite rounds none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import east_asian_width

from lstm_bench.charts.theme import WIDTH, Look
from lstm_bench.text import brief

if TYPE_CHECKING:
    import altair as alt

Point = tuple[float, float | None]
"""Where a curve is; ``None`` for a gap in it."""

LONGEST_NAME = 34
"""Characters of a name beside a curve or a row."""

LONGEST_LABEL = 60
"""Characters of an axis' title, and of whatever else is written within a panel."""

LONGEST_TITLE = 100
"""Characters of a panel's title."""

LETTER = 6.8
"""Pixels that a letter takes on average, a little more than it does, at the size of names."""

LINE = 15
"""Pixels between names that stand beneath each other."""

Align = Literal["left", "right"]

LEFT: Align = "left"
RIGHT: Align = "right"

GAP = 12
"""Pixels between what is drawn and its name."""


@dataclass(frozen=True)
class Axis:
    """One direction of a panel.

    Attributes:
        title: with the unit.
        low: where it begins.
        high: where it ends.
        log: whether equal ratios are equally far.
        labels: the ticks with what stands at them; ``None`` for round numbers of Vega's choice.
    """

    title: str
    low: float
    high: float
    log: bool = False
    labels: Mapping[float, str] | None = None

    def place(self, value: float) -> float:
        """Where a value lies, 0 at the beginning and 1 at the end."""
        low, high, at = (
            (math.log(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return (at - low) / (high - low)

    def scale(self) -> alt.Scale:
        """For Vega-Lite."""
        import altair as alt

        return alt.Scale(type="log" if self.log else "linear", domain=[self.low, self.high], nice=False, zero=False)

    def axis(self, ticks: int, **more: Any) -> alt.Axis:
        """For Vega-Lite, with about so many ticks where they are not given."""
        import altair as alt

        title = shorten(self.title, LONGEST_LABEL)
        if self.labels is None:
            # "0k" is no number
            form = (
                "datum.value ? format(datum.value, '~s') : '0'" if self.high >= 10_000 else "format(datum.value, ',~f')"
            )
            return alt.Axis(title=title, tickCount=ticks, labelExpr=form, **more)
        known = "".join(f"datum.value === {json.dumps(at)} ? {json.dumps(text)} : " for at, text in self.labels.items())
        return alt.Axis(title=title, values=list(self.labels), labelExpr=f"{known}''", **more)


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Attributes:
        points: in order.
        look: colour and shape; without one it is drawn in the style of that name.
        style: ``baseline`` or ``observed``, where there is no look.
        name: stands at its end; empty for none.
        width: of the line in pixels.
        dots: whether each point is marked.
        opacity: of the line.
        intervals: x, and where its interval begins and ends.
    """

    points: Sequence[Point]
    look: Look | None = None
    style: str = "baseline"
    name: str = ""
    width: float = 2.0
    dots: bool = False
    opacity: float = 1.0
    intervals: Sequence[tuple[float, float, float]] = ()


def shorten(name: str, most: int = LONGEST_NAME) -> str:
    """A name on one line without control characters, cut off if it is long."""
    return brief(name, most)


def from_zero(values: Sequence[float], title: str) -> Axis:
    """An axis from zero to a little beyond the largest value."""
    return Axis(title, 0.0, 1.08 * max((*values, 0.0)) or 1.0)


def around(values: Sequence[float], title: str) -> Axis:
    """An axis over all values and a little more, for lines, whose heights above zero nobody compares."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return Axis(title, low - room, high + room)


def logarithmic(values: Sequence[float], title: str, labels: Mapping[float, str] | None = None) -> Axis:
    """A logarithmic axis over all values, which are above 0, with ticks at 1, 2 and 5 or at powers of ten."""
    low, high = min(values), max(values)
    room = max((high / low) ** 0.06, 1.1)
    low, high = low / room, high * room
    found = labels or {tick: plain(tick) for tick in round_numbers(low, high)}
    return Axis(f"{title} (log scale)", low, high, log=True, labels=found)


MOST_TICKS = 7


def round_numbers(low: float, high: float) -> list[float]:
    """Numbers between two others that suit a logarithmic axis, not more than ``MOST_TICKS``."""
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
    """A round number as one would write it: ``0.001``, ``20``, ``5,000``, ``2e8``."""
    if 1 <= value < 1e7 and value == int(value):
        return f"{value:,.0f}"
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def apart(wanted: Sequence[float], height: float, gap: float = LINE) -> list[float]:
    """Heights as near to the wanted ones as can be, in their order, none nearer to another than a gap.

    Args:
        wanted: in pixels from the top.
        height: that all have to lie in, if there is room.
        gap: in pixels; smaller where there is no room.
    """
    if len(wanted) > 1:
        gap = min(gap, height / (len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    # Those that would touch make a block, which lies around the mean of what its members want.
    blocks: list[list[int]] = []

    def top(block: Sequence[int]) -> float:
        middle = sum(wanted[at] for at in block) / len(block)
        extent = gap * (len(block) - 1)
        return min(max(middle - extent / 2, 0.0), max(height - extent, 0.0))

    for at in order:
        blocks.append([at])
        while len(blocks) > 1 and top(blocks[-2]) + gap * len(blocks[-2]) > top(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    found = [0.0] * len(wanted)
    for block in blocks:
        for place, at in enumerate(block):
            found[at] = top(block) + gap * place
    return found


def lines(
    curves: Sequence[Curve],
    x: Axis,
    y: Axis,
    *,
    width: float,
    height: float,
    crossings: Sequence[tuple[float, float, str]] = (),
    level: float | None = None,
) -> alt.LayerChart:
    """Curves with their names at their ends.

    Args:
        curves: drawn in this order.
        x: the axis to the right.
        y: the axis upwards.
        width: of the panel in pixels, without names.
        height: in pixels.
        crossings: points to be marked, each with a text.
        level: a value of y at which a line goes through all of it.
    """
    import altair as alt

    encode_x = alt.X("x:Q", scale=x.scale(), axis=x.axis(max(2, int(width // 90)), grid=False))
    encode_y = alt.Y("y:Q", scale=y.scale(), axis=y.axis(5))
    layers: list[alt.Chart] = []
    for curve in curves:
        data = _data({"x": at, "y": value} for at, value in curve.points)
        beyond = any(value is not None and not y.low <= value <= y.high for _, value in curve.points)
        line = alt.Chart(data).mark_line(opacity=curve.opacity, clip=beyond, **_stroke(curve))
        layers.append(line.encode(encode_x, encode_y))
        if curve.intervals and curve.look:
            spans = _data({"x": at, "y": low, "high": high} for at, low, high in curve.intervals)
            rule = alt.Chart(spans).mark_rule(color=curve.look.colour, strokeWidth=1.5)
            layers.append(rule.encode(encode_x, encode_y, y2="high:Q"))
        if curve.dots and curve.look:
            layers.append(_dots(data, curve.look).encode(encode_x, encode_y))
    if level is not None:
        ends = _data({"x": at, "y": level} for at in (x.low, x.high))
        layers.append(alt.Chart(ends).mark_line(style="baseline").encode(encode_x, encode_y))
    layers += _names(curves, y, width, height)
    places = [(width * x.place(at), height * (1 - y.place(value))) for at, value, _ in crossings]
    layers += _beside(places, [text for _, _, text in crossings], width)
    for at, value, _ in crossings:
        spot = _data([{"x": at, "y": value}])
        layers.append(
            alt.Chart(spot).mark_point(style="crossing", filled=True, size=44, opacity=1).encode(encode_x, encode_y)
        )
    return alt.LayerChart(layer=layers, width=width, height=height)


def _beside(places: Sequence[tuple[float, float]], texts: Sequence[str], width: float) -> list[alt.Chart]:
    """Texts beside points, on whichever side has room; those that would lie upon others are left out."""
    taken: list[tuple[float, float, float]] = []
    layers = []
    for (across, down), text in zip(places, texts, strict=True):
        wide = _wide([text])
        right, left = (across + 8, across + 8 + wide), (across - 8 - wide, across - 8)
        for (begin, end), middle in ((right, down + 11), (left, down - 11), (right, down - 11), (left, down + 11)):
            free = all(begin > after or end < before or abs(middle - at) > LINE for before, after, at in taken)
            if free and begin >= 0 and end <= width:
                at, align = (begin, LEFT) if begin > across else (end, RIGHT)
                layers += [_text(text, at, middle, align=align, style=style) for style in ("halo", "name")]
                taken.append((begin, end, middle))
                break
    return layers


def _names(curves: Sequence[Curve], y: Axis, width: float, height: float) -> list[alt.Chart]:
    """What stands at the ends of curves, each with its mark."""
    ends = [(curve, last) for curve in curves if curve.name and (last := _last(curve)) is not None]
    wanted = [height * (1 - min(max(y.place(last), 0.0), 1.0)) for _, last in ends]
    layers = []
    for (curve, _), at in zip(ends, apart(wanted, height), strict=True):
        if curve.look is not None:
            layers.append(_mark(curve.look, width + GAP, at))
        layers.append(_text(curve.name, width + GAP + 8, at, style="name" if curve.look else "aside"))
    return layers


def _stroke(curve: Curve) -> dict[str, Any]:
    if curve.look is None:
        return {"style": curve.style}
    dash = {"strokeDash": list(curve.look.dash)} if curve.look.dash else {}
    return {"color": curve.look.colour, "strokeWidth": curve.width, **dash}


def _last(curve: Curve) -> float | None:
    return next((value for _, value in reversed(curve.points) if value is not None), None)


@dataclass(frozen=True)
class Dot:
    """One row of a panel.

    Attributes:
        look: colour and shape.
        value: where it is; ``None`` for an empty row.
        interval: of 95 %.
        text: stands beside it.
    """

    look: Look
    value: float | None
    interval: tuple[float, float] | None = None
    text: str = ""


ROW = 24
"""Pixels of a row."""


def rows(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Dot]],
    *,
    room: float,
    title: str = "",
    bars: bool = False,
    ceiling: float | None = None,
) -> alt.HConcatChart:
    """A row for each name and a panel for each column, all with axes that begin at zero.

    Args:
        names: of the rows.
        columns: dots, one for each row, by the title of the axis.
        room: pixels for the names, as ``rows_room`` has it, the same in all panels beneath each other.
        title: of them all.
        bars: whether a bar reaches from zero to each value.
        ceiling: a value that each axis reaches at least, where a line is drawn.
    """
    import altair as alt

    width = max((WIDTH - 24 - room - 28 * (len(columns) - 1)) / len(columns), 120.0)
    height = ROW * len(names)
    panels = []
    for place, (axis_title, dots) in enumerate(columns.items()):
        x = Axis(axis_title, 0.0, _enough(dots, width, ceiling))
        column = _column(dots, x, width, height, bars=bars, ceiling=ceiling)
        panels.append(column if place else _named(column, names, room))
    made = alt.hconcat(*panels, spacing=28)
    return made.properties(title=_title(title)) if title else made


def rows_room(names: Sequence[str]) -> float:
    """Pixels that the names of rows take."""
    return _wide(names) + GAP


def _named(column: alt.LayerChart, names: Sequence[str], room: float) -> alt.LayerChart:
    """A column with the names of its rows to the left of it, and as much room for them as in other panels."""
    import altair as alt

    layers = [_text(name, -GAP, _middle(at), align=RIGHT) for at, name in enumerate(names)]
    spacer = alt.Chart(_data([{}])).mark_rect(x=-room, x2=0, y=0, y2=1, opacity=0)
    return alt.LayerChart(layer=[*column.layer, spacer, *layers], width=column.width, height=column.height)


def _enough(dots: Sequence[Dot], width: float, ceiling: float | None) -> float:
    """Where an axis from zero has to end so that every text beside its dot has room."""
    most = ceiling or 0.0
    for dot in dots:
        if dot.value is not None:
            end = max(dot.value, dot.interval[1] if dot.interval else 0.0)
            room = width - GAP - min(_wide([dot.text]), 0.6 * width)
            most = max(most, end * width / room)
    return most or 1.0


def _column(
    dots: Sequence[Dot], x: Axis, width: float, height: float, *, bars: bool, ceiling: float | None
) -> alt.LayerChart:
    import altair as alt

    encode_x = alt.X("x:Q", scale=x.scale(), axis=x.axis(max(2, int(width // 80))))
    layers: list[alt.Chart] = []
    for at, dot in enumerate(dots):
        if dot.value is None:
            if dot.text:
                layers.append(_text(dot.text, GAP / 2, _middle(at), style="aside"))
            continue
        value = _data([{"x": dot.value}])
        end = dot.value
        if bars:
            bar = alt.Chart(value).mark_bar(color=dot.look.colour, y=_middle(at), height=12)
            layers.append(bar.encode(encode_x))
        if dot.interval is not None:
            low, end = dot.interval
            span = alt.Chart(_data([{"x": low, "high": end}]))
            rule = span.mark_rule(color=dot.look.colour, strokeWidth=2, y=_middle(at))
            layers.append(rule.encode(encode_x, x2="high:Q"))
        if not bars:
            layers.append(_dots(value, dot.look, y=_middle(at)).encode(encode_x))
        layers.append(_text(dot.text, width * x.place(max(end, dot.value)) + GAP, _middle(at)))
    zero = [0.0] if ceiling is None else [0.0, ceiling]
    edge = alt.Chart(_data({"x": at} for at in zero)).mark_rule(style="zero", y=0, y2=height)
    return alt.LayerChart(layer=[edge.encode(encode_x), *layers], width=width, height=height)


def _middle(row: int) -> float:
    return ROW * (row + 0.5)


def stack(panels: Sequence[Any], spacing: int = 28) -> alt.VConcatChart:
    """Panels beneath each other."""
    import altair as alt

    return alt.vconcat(*panels, spacing=spacing)


def beside(panels: Sequence[Any], title: str = "", spacing: int = 36) -> alt.HConcatChart:
    """Panels beside each other."""
    import altair as alt

    made = alt.hconcat(*panels, spacing=spacing)
    return made.properties(title=_title(title)) if title else made


def names_width(curves: Sequence[Curve]) -> float:
    """Pixels that the names at the ends of curves take."""
    names = [shorten(curve.name, LONGEST_LABEL) for curve in curves if curve.name]
    return _wide(names) + GAP + 8 if names else 0.0


def _wide(texts: Sequence[str]) -> float:
    return max((LETTER * sum(1 + (east_asian_width(letter) in "WF") for letter in text) for text in texts), default=0.0)


def _title(text: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(shorten(text, LONGEST_TITLE), fontSize=13, offset=10, anchor="start", fontWeight="bold")


def _data(records: Iterable[Mapping[str, float | None]]) -> alt.InlineData:
    """Records as one text, which Altair need not copy number by number into each chart that holds this one."""
    import altair as alt

    return alt.InlineData(values=json.dumps(list(records)), format=alt.JsonDataFormat(type="json"))


def _text(text: str, x: float, y: float, *, align: Align = LEFT, style: str = "name") -> alt.Chart:
    """A text at a place in pixels. It is a constant of the mark, so that nothing in it is read as anything else."""
    import altair as alt

    made: alt.Chart = alt.Chart(_data([{}])).mark_text(
        text=shorten(text, LONGEST_LABEL), x=x, y=y, align=align, baseline="middle", style=style
    )
    return made


def _mark(look: Look, x: float, y: float) -> alt.Chart:
    return _dots(_data([{}]), look, x=x, y=y)


def _dots(data: alt.InlineData, look: Look, **place: Any) -> alt.Chart:
    import altair as alt

    made: alt.Chart = alt.Chart(data).mark_point(
        color=look.colour, shape=look.shape, filled=True, opacity=1, size=48, **place
    )
    return made
