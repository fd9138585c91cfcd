"""A chart with the words that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Figure:
    """What is drawn, in no theme yet.

    Attributes:
        chart: without title, and without colours but those of the data.
        title: one line.
        notes: what has to be known to read it, and what is not drawn and why; each a sentence or two.
    """

    chart: alt.VConcatChart
    title: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A chart for a page.

    Attributes:
        kind: a name of ``KINDS``.
        title: one line of text.
        caption: text for beneath it.
        svg: one SVG element without scripts, whose colours but those of the data are CSS variables (``VARIABLES`` of
            the theme, with the light theme where they are not set).
    """

    kind: str
    title: str
    caption: str
    svg: str
