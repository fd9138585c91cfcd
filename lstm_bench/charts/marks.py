"""Texts and symbols at given places, and panels beneath or beside each other.

Charts compute the place of every name in pixels, so that no name covers another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import east_asian_width

from lstm_bench.charts.theme import Look
from lstm_bench.text import brief

if TYPE_CHECKING:
    import altair as alt

LONGEST_NAME = 34
"""Characters of a name beside a curve or a row."""

LONGEST_LABEL = 60
"""Characters of an axis title and of any other text within a panel."""

LONGEST_TITLE = 100
"""Characters of a panel's title."""

LETTER = 6.8
"""Pixels for a letter at the size of names: a little more than the average letter takes."""

LINE = 15
"""Pixels between names that stand beneath each other."""

GAP = 12
"""Pixels between a mark and its name."""

Align = Literal["left", "right"]

LEFT: Align = "left"
RIGHT: Align = "right"


def shorten(name: str, most: int = LONGEST_NAME) -> str:
    """Put a name on one line without control characters, and cut it off if it is long."""
    return brief(name, most)


def text_width(texts: Sequence[str]) -> float:
    """Estimate the pixels that the widest of these texts takes; wide East Asian characters count twice."""
    return max((LETTER * sum(1 + (east_asian_width(letter) in "WF") for letter in text) for text in texts), default=0.0)


def inline_data(records: Iterable[Mapping[str, float | None]]) -> alt.InlineData:
    """Write records as one text, so that Altair does not copy each number into every chart that holds this chart."""
    import altair as alt

    return alt.InlineData(values=json.dumps(list(records)), format=alt.JsonDataFormat(type="json"))


def text_at(text: str, x: float, y: float, *, align: Align = LEFT, style: str = "name") -> alt.Chart:
    """Draw a text at a place in pixels.

    The text is a constant of the mark, so that Vega reads nothing in it as an expression or a field.
    """
    import altair as alt

    made: alt.Chart = alt.Chart(inline_data([{}])).mark_text(
        text=shorten(text, LONGEST_LABEL), x=x, y=y, align=align, baseline="middle", style=style
    )
    return made


def symbol_at(look: Look, x: float, y: float) -> alt.Chart:
    """Draw the symbol of a look at a place in pixels."""
    return symbols(inline_data([{}]), look, x=x, y=y)


def symbols(data: alt.InlineData, look: Look, **place: Any) -> alt.Chart:
    """Draw the symbol of a look for each record."""
    import altair as alt

    made: alt.Chart = alt.Chart(data).mark_point(
        color=look.colour, shape=look.shape, filled=True, opacity=1, size=48, **place
    )
    return made


def stack(panels: Sequence[Any], spacing: int = 28) -> alt.VConcatChart:
    """Put panels beneath each other."""
    import altair as alt

    return alt.vconcat(*panels, spacing=spacing)


def beside(panels: Sequence[Any], title: str = "", spacing: int = 36) -> alt.HConcatChart:
    """Put panels beside each other, under one title if there is one."""
    import altair as alt

    made = alt.hconcat(*panels, spacing=spacing)
    return made.properties(title=_title(title)) if title else made


def _title(text: str) -> alt.TitleParams:
    import altair as alt

    return alt.TitleParams(shorten(text, LONGEST_TITLE), fontSize=13, offset=10, anchor="start", fontWeight="bold")
