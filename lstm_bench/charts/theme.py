"""Colours and fonts of all charts. A page sets the same colours in its own style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Theme:
    """The colours of everything except the data.

    Attributes:
        ink: main text, and lines that belong to no backend.
        muted: secondary text, axes and baselines.
        grid: lines behind the data.
        paper: background.
    """

    ink: str
    muted: str
    grid: str
    paper: str


LIGHT = Theme(ink="#1b1b1b", muted="#5f6368", grid="#e3e3e1", paper="#ffffff")
DARK = Theme(ink="#ececea", muted="#a3a7ac", grid="#33373c", paper="#16181b")

VARIABLES: Mapping[str, str] = {"ink": "--ink", "muted": "--muted", "grid": "--grid", "paper": "--paper"}
"""CSS variable that gives an SVG within a page each colour of a theme."""

FIXED: Mapping[str, str] = {
    "jax": "#0072b2",
    "keras": "#009e73",
    "numpy": "#b8699a",
    "torch": "#d55e00",
    "keras[engine=jax]": "#8a6fd1",
    "keras[engine=torch]": "#c17d00",
}
"""Colours of the built-in backends and engines, the same in every picture.

From the palette of M. Okabe & K. Ito (Color Universal Design, 2008), which people with any colour vision can tell
apart. Light colours are darkened, so that each has a contrast of at least 3 with the paper of both themes.
"""

FREE = ("#3b8fc4", "#7a8450", "#a8585b", "#4f8f97", "#94795d")
"""Colours of everything else."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
"""Shapes of symbols, so that no two backends differ in colour alone."""

FONT = "Arial, Helvetica, sans-serif"
SIZE = 12
"""Pixels of text, at the width below."""

WIDTH = 800
"""Pixels across a whole picture, about the width of a README."""


DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4))
"""Dash patterns that tell lines of one colour apart."""


@dataclass(frozen=True)
class Look:
    """The look of one backend or setting in every chart.

    Attributes:
        colour: of its lines and points.
        shape: of its points.
        dash: of its line: lengths of dashes and gaps in pixels, in turn; empty for a solid line.
    """

    colour: str
    shape: str
    dash: tuple[int, ...] = ()


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each name a look: names in ``FIXED`` keep theirs, the others get looks in alphabetical order.

    Args:
        names: such as backend selectors. If they outnumber the colours, colours repeat with other shapes.
    """
    found = {name: Look(colour, SHAPES[at]) for at, (name, colour) in enumerate(FIXED.items())}
    others = sorted(set(names) - FIXED.keys())
    for at, name in enumerate(others):
        found[name] = Look(FREE[at % len(FREE)], SHAPES[(at % len(FREE) + at // len(FREE)) % len(SHAPES)])
    return found


def config(theme: Theme) -> dict[str, Any]:
    """Write a theme as Vega-Lite's ``config``. No chart names a colour of a theme itself."""
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
