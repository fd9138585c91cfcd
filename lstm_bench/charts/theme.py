"""Colours and type of every chart, named once: a page sets the same colours in its own style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Theme:
    """The colours of everything but the data.

    Attributes:
        ink: text that is read first, and what is drawn in no backend's colour.
        muted: text that is read second, axes, baselines.
        grid: lines behind the data.
        paper: what is drawn on.
    """

    ink: str
    muted: str
    grid: str
    paper: str


LIGHT = Theme(ink="#1b1b1b", muted="#5f6368", grid="#e3e3e1", paper="#ffffff")
DARK = Theme(ink="#ececea", muted="#a3a7ac", grid="#33373c", paper="#16181b")

VARIABLES: Mapping[str, str] = {"ink": "--ink", "muted": "--muted", "grid": "--grid", "paper": "--paper"}
"""The CSS variable that an SVG within a page takes each colour of a theme from."""

FIXED: Mapping[str, str] = {"jax": "#0072b2", "keras": "#009e73", "numpy": "#b8699a", "torch": "#d55e00"}
"""Of the built-in backends.

From the palette of M. Okabe & K. Ito (Color Universal Design, 2008), which people with any colour vision tell
apart. The light ones are darkened, so that each has a contrast of 3 at least with the paper of both themes.
"""

FREE = ("#8a6fd1", "#c17d00", "#3b8fc4", "#7a8450", "#a8585b", "#4f8f97", "#94795d")
"""For whatever else is drawn, the second and third of the same palette."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
"""So that nothing is told by colour alone."""

FONT = "Arial, Helvetica, sans-serif"
SIZE = 12
"""Of text, in pixels at the width below."""

WIDTH = 800
"""Of a whole picture in pixels, as wide as a README is shown."""


DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4))
"""Of lines that have one colour and are not the same."""


@dataclass(frozen=True)
class Look:
    """How one thing looks in every chart.

    Attributes:
        colour: of what is drawn.
        shape: of its points.
        dash: of its line: pixels drawn and left out, by turns; empty for all of it.
    """

    colour: str
    shape: str
    dash: tuple[int, ...] = ()


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each of these names: those of ``FIXED`` always the same, the others in order of their names.

    Args:
        names: such as backend selectors; with more than there are colours, colours come again with other shapes.
    """
    found = {name: Look(colour, SHAPES[at]) for at, (name, colour) in enumerate(FIXED.items())}
    others = sorted(set(names) - FIXED.keys())
    for at, name in enumerate(others):
        found[name] = Look(FREE[at % len(FREE)], SHAPES[(at + at // len(FREE)) % len(SHAPES)])
    return found


def config(theme: Theme) -> dict[str, Any]:
    """The theme as Vega-Lite's ``config``. No chart names a colour of a theme itself."""
    text = {"font": FONT, "fontSize": SIZE}
    title = {"font": FONT, "anchor": "start", "color": theme.ink, "subtitleColor": theme.muted, "subtitleFont": FONT}
    return {
        "font": FONT,
        "background": theme.paper,
        "padding": 12,
        "view": {"stroke": None},
        "title": {
            **title,
            "fontSize": 16,
            "fontWeight": "bold",
            "subtitleFontSize": SIZE,
            "subtitlePadding": 6,
            "subtitleLineHeight": 16,
            "offset": 16,
        },
        "axis": {
            "labelFont": FONT,
            "labelFontSize": 11,
            "labelColor": theme.muted,
            "titleFont": FONT,
            "titleFontSize": SIZE,
            "titleFontWeight": "normal",
            "titleColor": theme.ink,
            "titlePadding": 8,
            "gridColor": theme.grid,
            "domainColor": theme.muted,
            "tickColor": theme.muted,
            "tickSize": 4,
            "labelPadding": 4,
            "labelFlush": False,
        },
        "axisY": {"domain": False, "ticks": False, "minExtent": 36},
        "line": {"strokeJoin": "round"},
        "text": {**text, "color": theme.ink},
        "rule": {"color": theme.muted},
        "style": {
            "name": {**text, "color": theme.ink},
            "aside": {**text, "color": theme.muted},
            "baseline": {"color": theme.muted, "strokeDash": [5, 4], "strokeWidth": 1.5},
            "observed": {"color": theme.ink, "strokeWidth": 1.8},
            "zero": {"color": theme.muted, "strokeWidth": 1},
            "halo": {**text, "color": theme.paper, "stroke": theme.paper, "strokeWidth": 4},
            "crossing": {"color": theme.paper, "stroke": theme.ink, "strokeWidth": 1.5},
        },
    }
