"""A chart with its title and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Figure:
    """A chart in no theme yet.

    Attributes:
        chart: Altair chart without a title; its only colours are those of the data.
        title: one line.
        notes: how to read the chart, what is left out and why; each a sentence or two.
    """

    chart: alt.VConcatChart
    title: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A chart within a page.

    Attributes:
        kind: name in ``KINDS``.
        title: one line of text.
        caption: text beneath the chart.
        svg: one SVG element without scripts. Its colours, except those of the data, are CSS variables (``VARIABLES`` of
            the theme), with the light theme as default.
    """

    kind: str
    title: str
    caption: str
    svg: str
