"""Write figures as SVG, PNG or Vega-Lite, without a browser and without a network."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lstm_bench.charts.figure import Figure
from lstm_bench.charts.theme import DARK, LIGHT, VARIABLES, Theme, config
from lstm_bench.errors import NotInstalled, UnknownName
from lstm_bench.record import store
from lstm_bench.text import brief
from lstm_bench.version import pip_line

NAMESPACE = "http://www.w3.org/2000/svg"

LONGEST_TITLE, LONGEST_NOTE = 100, 600
"""Most characters of a title and of a note."""

LETTERS = 145
"""Letters of a line beneath a title, at the width of a picture."""

PIXELS = 2
"""Pixels of a PNG for each pixel of the SVG, across and down, as on most screens."""


def require() -> None:
    """Check that Altair and vl-convert are installed.

    Raises:
        NotInstalled: if one is not; the message has the pip command that installs it.
    """
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            f"charts need {error.name or 'altair'}, which is not installed: {pip_line('report')}"
        ) from error


def title(figure: Figure) -> str:
    """Return the title, cut off if it is very long."""
    return brief(figure.title, LONGEST_TITLE)


def notes(figure: Figure) -> list[str]:
    """Return the notes, each cut off if it is very long."""
    return [brief(note, LONGEST_NOTE) for note in figure.notes]


def specification(figure: Figure, theme: Theme = LIGHT, *, words: bool = True) -> dict[str, Any]:
    """Write a figure as Vega-Lite.

    Args:
        figure: the chart and its words.
        theme: the colours.
        words: whether title and notes stand above the chart.
    """
    import altair as alt

    chart = figure.chart
    if words:
        lines = textwrap.wrap(" ".join(notes(figure)), LETTERS)
        chart = chart.properties(title=alt.TitleParams(title(figure), subtitle=lines or alt.Undefined, frame="bounds"))
    spec: dict[str, Any] = chart.to_dict(validate=False)  # Altair validated each part when it was made.
    datasets = {name: json.loads(text) for name, text in spec["datasets"].items()}
    return {**spec, "datasets": datasets, "config": config(theme)}


def svg(figure: Figure, theme: Theme = LIGHT) -> str:
    """Write a figure as an SVG file."""
    return _svg(specification(figure, theme)) + "\n"


def png(figure: Figure, theme: Theme = LIGHT) -> bytes:
    """Write a figure as a PNG file, with ``PIXELS`` times the width and height of the SVG."""
    import vl_convert

    found: bytes = vl_convert.vegalite_to_png(specification(figure, theme), vl_version=_version(), scale=PIXELS)
    return found


def inline(figure: Figure) -> str:
    """Write a figure as one SVG element for a page, with title and notes for screen readers.

    Its colours, except those of the data, come from CSS variables, and its width from the page. No other picture has
    its ids.
    """
    drawn = _svg(specification(figure, words=False))
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(drawn)
    mark = "c" + hashlib.sha256(drawn.encode()).hexdigest()[:10]
    variables = {colour: f"var({VARIABLES[name]}, {colour})" for name, colour in asdict(LIGHT).items()}
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name.startswith("aria-") or name in ("role", "class", "pointer-events"):
                del element.attrib[name]  # Screen readers see one picture; the page's styles do not apply.
            elif name == "id":
                element.set(name, f"{mark}-{value}")
            elif name in ("fill", "stroke") and value.lower() in variables:
                element.set(name, variables[value.lower()])
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{mark}-"))
    if (paper := root.find(f"{{{NAMESPACE}}}rect")) is not None:
        root.remove(paper)  # The page's own background shows through.
    root.attrib.pop("height", None)
    root.set("width", "100%")
    root.set("style", f"max-width: {_width(root)}px; height: auto")
    root.set("role", "img")
    root.set("aria-labelledby", f"{mark}-title {mark}-desc")
    for place, (tag, text) in enumerate((("title", title(figure)), ("desc", " ".join(notes(figure))))):
        element = ElementTree.Element(f"{{{NAMESPACE}}}{tag}", {"id": f"{mark}-{tag}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


def _width(root: ElementTree.Element) -> int:
    return round(float(root.get("viewBox", "0 0 800 400").split()[2]))


def _svg(spec: Mapping[str, Any]) -> str:
    import vl_convert

    found: str = vl_convert.vegalite_to_svg(dict(spec), vl_version=_version())
    return found


def _version() -> str:
    """Return the version of Vega-Lite that Altair writes, in vl-convert's notation."""
    import altair as alt

    return "_".join(re.findall("[0-9]+", alt.SCHEMA_VERSION)[:2])


WRITERS: Mapping[str, Callable[[Figure, Theme], bytes]] = {
    ".svg": lambda figure, theme: svg(figure, theme).encode(),
    ".png": png,
    ".json": lambda figure, theme: (json.dumps(specification(figure, theme), indent=2) + "\n").encode(),
}
"""Functions that write a figure, by the suffix of the file."""


def require_suffix(file: Path) -> None:
    """Check that the suffix of a file names a format.

    Raises:
        UnknownName: if it does not; the message names the suffixes that do.
    """
    if file.suffix.lower() not in WRITERS:
        raise UnknownName("suffix", file.suffix, WRITERS, f"--output {file}")


def write(figure: Figure, file: Path, *, dark: bool = False) -> None:
    """Write a figure in the format that the suffix of the file names, whole or not at all.

    Raises:
        UnknownName: if the suffix names no format.
        StoreError: if the file cannot be written.
    """
    require_suffix(file)
    store.write_bytes(WRITERS[file.suffix.lower()](figure, DARK if dark else LIGHT), file)
