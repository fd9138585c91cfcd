"""Curves over an axis, each named at its end and not in a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lstm_bench.charts.axes import ChartAxis
from lstm_bench.charts.marks import (
    GAP,
    LEFT,
    LINE,
    LONGEST_LABEL,
    RIGHT,
    inline_data,
    shorten,
    symbol_at,
    symbols,
    text_at,
    text_width,
)
from lstm_bench.charts.theme import WIDTH, Look

if TYPE_CHECKING:
    import altair as alt

Point = tuple[float, float | None]
"""x and y of a point on a curve; y is ``None`` for a gap."""

AXES_WIDTH = 70
"""Pixels that a vertical axis takes with its labels and title."""

NARROWEST = 100.0
"""Least pixels of a panel, even if the picture then gets wider than it should be."""


@dataclass(frozen=True)
class ChartCurve:
    """One line of a panel.

    Attributes:
        points: in order.
        look: colour and shape; ``None`` draws the line in ``style``.
        style: ``baseline`` or ``observed``; counts only without a look.
        name: stands at the end of the line; empty for none.
        width: of the line in pixels.
        dots: whether each point is marked.
        opacity: of the line.
        intervals: x, and low and high end of the interval there.
    """

    points: Sequence[Point]
    look: Look | None = None
    style: str = "baseline"
    name: str = ""
    width: float = 2.0
    dots: bool = False
    opacity: float = 1.0
    intervals: Sequence[tuple[float, float, float]] = ()


def unnamed(curve: ChartCurve) -> ChartCurve:
    """Return a curve without its name: where panels stand beside each other, only the last names its curves."""
    return replace(curve, name="")


def column_width(columns: int, curves: Sequence[ChartCurve], gap: int = 36) -> float:
    """Compute the pixels of each panel, where several stand beside each other and the last names its curves."""
    room = WIDTH - 24 - AXES_WIDTH * columns - gap * (columns - 1) - _names_width(curves)
    return max(room / columns, NARROWEST)


def width_of(place: int, count: int) -> float:
    """Compute the pixels of a line: where curves may coincide, each is thinner than the one beneath it."""
    return 1.4 + (min(count, 5) - 1 - min(place, 4)) * 0.7 if count > 1 else 2.0


def _names_width(curves: Sequence[ChartCurve]) -> float:
    """Compute the pixels that the names at the ends of curves take."""
    names = [shorten(curve.name, LONGEST_LABEL) for curve in curves if curve.name]
    return text_width(names) + GAP + 8 if names else 0.0


def lines(
    curves: Sequence[ChartCurve],
    x: ChartAxis,
    y: ChartAxis,
    *,
    width: float,
    height: float,
    crossings: Sequence[tuple[float, float, str]] = (),
    level: float | None = None,
) -> alt.LayerChart:
    """Draw curves with their names at their ends.

    Args:
        curves: drawn in this order.
        x: the horizontal axis.
        y: the vertical axis.
        width: of the panel in pixels, without names.
        height: in pixels.
        crossings: x, y and text of points to be marked.
        level: value of y at which a line crosses the panel.
    """
    import altair as alt

    encode_x = alt.X("x:Q", scale=x.scale(), axis=x.axis(max(2, int(width // 90)), grid=False))
    encode_y = alt.Y("y:Q", scale=y.scale(), axis=y.axis(5))
    layers: list[alt.Chart] = []
    for curve in curves:
        layers += _curve(curve, y, encode_x, encode_y)
    if level is not None:
        ends = inline_data({"x": at, "y": level} for at in (x.low, x.high))
        layers.append(alt.Chart(ends).mark_line(style="baseline").encode(encode_x, encode_y))
    layers += _names(curves, y, width, height)
    places = [(width * x.place(at), height * (1 - y.place(value))) for at, value, _ in crossings]
    layers += _beside(places, [text for _, _, text in crossings], width)
    for at, value, _ in crossings:
        spot = inline_data([{"x": at, "y": value}])
        layers.append(
            alt.Chart(spot).mark_point(style="crossing", filled=True, size=44, opacity=1).encode(encode_x, encode_y)
        )
    return alt.LayerChart(layer=layers, width=width, height=height)


def _curve(curve: ChartCurve, y: ChartAxis, encode_x: alt.X, encode_y: alt.Y) -> list[alt.Chart]:
    """Draw a line, its intervals and its dots."""
    import altair as alt

    data = inline_data({"x": at, "y": value} for at, value in curve.points)
    beyond = any(value is not None and not y.low <= value <= y.high for _, value in curve.points)
    line = alt.Chart(data).mark_line(opacity=curve.opacity, clip=beyond, **_stroke(curve))
    layers = [line.encode(encode_x, encode_y)]
    if curve.intervals and curve.look:
        spans = inline_data({"x": at, "y": low, "high": high} for at, low, high in curve.intervals)
        rule = alt.Chart(spans).mark_rule(color=curve.look.colour, strokeWidth=1.5)
        layers.append(rule.encode(encode_x, encode_y, y2="high:Q"))
    if curve.dots:
        dots = (
            symbols(data, curve.look)
            if curve.look
            else alt.Chart(data).mark_point(style=curve.style, filled=True, opacity=1, size=48)
        )
        layers.append(dots.encode(encode_x, encode_y))
    return layers


def _beside(places: Sequence[tuple[float, float]], texts: Sequence[str], width: float) -> list[alt.Chart]:
    """Write texts beside points, on the side that has room; leave out a text that would cover another."""
    taken: list[tuple[float, float, float]] = []
    layers = []
    for (across, down), text in zip(places, texts, strict=True):
        wide = text_width([text])
        right, left = (across + 8, across + 8 + wide), (across - 8 - wide, across - 8)
        for (begin, end), middle in ((right, down + 11), (left, down - 11), (right, down - 11), (left, down + 11)):
            free = all(begin > after or end < before or abs(middle - at) > LINE for before, after, at in taken)
            if free and begin >= 0 and end <= width:
                at, align = (begin, LEFT) if begin > across else (end, RIGHT)
                layers += [text_at(text, at, middle, align=align, style=style) for style in ("halo", "name")]
                taken.append((begin, end, middle))
                break
    return layers


def _names(curves: Sequence[ChartCurve], y: ChartAxis, width: float, height: float) -> list[alt.Chart]:
    """Write the names at the ends of curves, each with its symbol."""
    ends = [(curve, last) for curve in curves if curve.name and (last := _last(curve)) is not None]
    wanted = [height * (1 - min(max(y.place(last), 0.0), 1.0)) for _, last in ends]
    layers = []
    for (curve, _), at in zip(ends, apart(wanted, height), strict=True):
        if curve.look is not None:
            layers.append(symbol_at(curve.look, width + GAP, at))
        layers.append(text_at(curve.name, width + GAP + 8, at, style="name" if curve.look else "aside"))
    return layers


def _stroke(curve: ChartCurve) -> dict[str, Any]:
    if curve.look is None:
        return {"style": curve.style}
    dash = {"strokeDash": list(curve.look.dash)} if curve.look.dash else {}
    return {"color": curve.look.colour, "strokeWidth": curve.width, **dash}


def _last(curve: ChartCurve) -> float | None:
    return next((value for _, value in reversed(curve.points) if value is not None), None)


def apart(wanted: Sequence[float], height: float, gap: float = LINE) -> list[float]:
    """Move heights apart until no two are nearer than a gap; each stays as near to its wanted height as it can.

    Args:
        wanted: in pixels from the top.
        height: in pixels; all heights lie within it.
        gap: in pixels; smaller if there is no room.

    Returns:
        Heights, in the order of ``wanted``.
    """
    if len(wanted) > 1:
        gap = min(gap, height / (len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    # Heights that would touch form a block, which lies around the mean of its wanted heights.
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
