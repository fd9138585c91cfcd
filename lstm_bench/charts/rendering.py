"""From a figure to SVG, PNG or Vega-Lite, without a browser and without a network."""

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

NAMESPACE = "http://www.w3.org/2000/svg"

LONGEST_TITLE, LONGEST_NOTE = 100, 600
"""Characters that are shown."""

LETTERS = 145
"""Of a line beneath a title, at the width of a picture."""

PIXELS = 2
"""Of a PNG, across each pixel of the SVG, since most screens have as many."""


def require() -> None:
    """Complain if what draws is not installed.

    Raises:
        NotInstalled: with the pip line that mends it.
    """
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            f'charts need {error.name or "altair"}, which is not installed: pip install "lstm-bench[report]"'
        ) from error


def title(figure: Figure) -> str:
    """Its title, not without end."""
    return brief(figure.title, LONGEST_TITLE)


def notes(figure: Figure) -> list[str]:
    """Its notes, none without end."""
    return [brief(note, LONGEST_NOTE) for note in figure.notes]


def specification(figure: Figure, theme: Theme = LIGHT, *, words: bool = True) -> dict[str, Any]:
    """The whole of it as Vega-Lite.

    Args:
        figure: to be drawn.
        theme: its colours.
        words: whether title and notes stand above it.
    """
    import altair as alt

    chart = figure.chart
    if words:
        lines = textwrap.wrap(" ".join(notes(figure)), LETTERS)
        chart = chart.properties(title=alt.TitleParams(title(figure), subtitle=lines or alt.Undefined, frame="bounds"))
    spec: dict[str, Any] = chart.to_dict(validate=False)  # each part was validated when it was made
    datasets = {name: json.loads(text) for name, text in spec["datasets"].items()}
    return {**spec, "datasets": datasets, "config": config(theme)}


def svg(figure: Figure, theme: Theme = LIGHT) -> str:
    """A picture that stands by itself."""
    return _svg(specification(figure, theme)) + "\n"


def png(figure: Figure, theme: Theme = LIGHT) -> bytes:
    """Likewise, with two pixels across each of the SVG's."""
    import vl_convert

    found: bytes = vl_convert.vegalite_to_png(specification(figure, theme), vl_version=_version(), scale=PIXELS)
    return found


def inline(figure: Figure) -> str:
    """One SVG element for within a page, which says title and notes itself.

    It takes its colours, but those of the data, from CSS variables, its width from where it stands, and has no ids that
    another picture could have.
    """
    drawn = _svg(specification(figure, words=False))
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(drawn)
    mark = "c" + hashlib.sha256(drawn.encode()).hexdigest()[:10]
    variables = {colour: f"var({VARIABLES[name]}, {colour})" for name, colour in asdict(LIGHT).items()}
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name.startswith("aria-") or name in ("role", "class", "pointer-events"):
                del element.attrib[name]  # the whole of it is one picture, and no style of the page's is meant for it
            elif name == "id":
                element.set(name, f"{mark}-{value}")
            elif name in ("fill", "stroke") and value.lower() in variables:
                element.set(name, variables[value.lower()])
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{mark}-"))
    if (paper := root.find(f"{{{NAMESPACE}}}rect")) is not None:
        root.remove(paper)  # the page's own shows through
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
    """That of the grammar which altair writes, as vl_convert names it."""
    import altair as alt

    return "_".join(re.findall("[0-9]+", alt.SCHEMA_VERSION)[:2])


WRITERS: Mapping[str, Callable[[Figure, Theme], bytes]] = {
    ".svg": lambda figure, theme: svg(figure, theme).encode(),
    ".png": png,
    ".json": lambda figure, theme: (json.dumps(specification(figure, theme), indent=2) + "\n").encode(),
}
"""By the suffix of a file."""


def require_suffix(file: Path) -> None:
    """Complain of a file whose suffix says nothing.

    Raises:
        UnknownName: with those that there are.
    """
    if file.suffix.lower() not in WRITERS:
        raise UnknownName("suffix", file.suffix, WRITERS, f"--output {file}")


def write(figure: Figure, file: Path, *, dark: bool = False) -> None:
    """Write it in the format that the file's suffix says, whole or not at all.

    Raises:
        UnknownName: if its suffix says none.
        StoreError: if it cannot be written.
    """
    require_suffix(file)
    store.write_bytes(WRITERS[file.suffix.lower()](figure, DARK if dark else LIGHT), file)
