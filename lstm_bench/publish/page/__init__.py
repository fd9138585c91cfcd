"""One HTML file that holds everything: it opens offline, asks nobody for anything, and can be published as it stands.

Without JavaScript all of it can be read; with it, tables are sorted and filtered, rows opened, attempts unpacked.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from lstm_bench import __version__
from lstm_bench.errors import NotInstalled
from lstm_bench.publish.page.panel import RowPanel, open_up
from lstm_bench.publish.page.words import headline, in_words
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Column, Row, Section
from lstm_bench.text import LONGEST_ENTRY, LONGEST_LINE, brief

if TYPE_CHECKING:
    from lstm_bench.charts import Picture

MOST_RAW_BYTES = 2_000_000
"""Of packed attempts in a page; those beyond are left out, and the page says so."""

MOST_DRAWN = 500
"""Attempts of a section up to which it gets pictures: of a grid of 2,000, two of them take half a megabyte each."""


@dataclass(frozen=True)
class PageRow:
    """A row of a table, and what it is filtered by.

    Attributes:
        row: as everywhere.
        keys: by the filter's name; empty for a baseline.
        panel: what is behind it; ``None`` for a baseline.
    """

    row: Row
    keys: dict[str, str]
    panel: RowPanel | None


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        title: a task's selector, or that and its recipe.
        subtitle: what it is judged by.
        columns: of its table.
        rows: of its table.
        pictures: of its attempts.
        too_many: whether it has none since there are more attempts than are drawn.
    """

    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[PageRow]
    pictures: Sequence[Picture]
    too_many: bool


FILTERS = ("task", "backend", "device", "precision", "status")


def render(attempts: Sequence[Attempt]) -> str:
    """The page of these attempts; the same bytes for the same attempts.

    Raises:
        NotInstalled: without the extra ``report``.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as error:
        raise NotInstalled(
            '--format html needs jinja2, which is not installed: pip install "lstm-bench[report]"'
        ) from error

    summary = summarise(attempts)
    parts = [_part(section) for section in summary.sections]
    raw, packed = _pack(attempts)
    script = _read("page.js")
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "entry": lambda text: brief(text, LONGEST_ENTRY),
        "line": lambda text: brief(text, LONGEST_LINE),
        "svg": Markup,  # made by the charts, which escape what they are given
    }
    text = environment.from_string(_read("page.html.j2")).render(
        title=headline(attempts),
        words=in_words(summary),
        parts=parts,
        notes=summary.notes,
        filters=_choices(parts),
        style=Markup(_read("page.css")),
        script=Markup(script),
        script_hash=_hash(script),
        raw=raw,
        packed=packed,
        count=len(attempts),
        failures=_failures(parts),
        version=__version__,
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _part(section: Section) -> Part:
    from lstm_bench import charts

    rows = [_page_row(section, row) for row in section.rows]
    attempts = [attempt for row in section.rows if row.group for attempt in row.group.attempts]
    too_many = len(attempts) > MOST_DRAWN
    pictures = [] if too_many else charts.pictures(attempts)
    return Part(section.title, section.subtitle, section.columns, rows, pictures, too_many)


def _page_row(section: Section, row: Row) -> PageRow:
    if row.group is None:
        return PageRow(row, {}, None)
    configuration = row.group.first.configuration
    keys = {
        "task": section.title,
        "backend": configuration.backend_selector,
        "device": configuration.device,
        "precision": configuration.precision,
        "status": row.texts[-1],
    }
    return PageRow(row, {name: brief(text, LONGEST_ENTRY) for name, text in keys.items()}, open_up(row.group))


def _choices(parts: Sequence[Part]) -> dict[str, list[str]]:
    """What each filter can be set to, where there is a choice."""
    found = {
        name: list(dict.fromkeys(row.keys[name] for part in parts for row in part.rows if row.keys)) for name in FILTERS
    }
    return {name: values for name, values in found.items() if len(values) > 1}


def _failures(parts: Sequence[Part]) -> int:
    """Rows in which not all is well."""
    return sum(row.keys["status"] != "ok" for part in parts for row in part.rows if row.keys)


def _pack(attempts: Sequence[Attempt]) -> tuple[str, list[str]]:
    """The attempts as JSON, packed with gzip in base64, as many as there is room for; and their ids."""
    found = [msgspec.json.encode(attempt) for attempt in attempts]
    while True:
        text = base64.b64encode(gzip.compress(b"[" + b",".join(found) + b"]", mtime=0)).decode()
        if len(text) <= MOST_RAW_BYTES or not found:
            return text, [attempt.id for attempt in attempts[: len(found)]]
        found = found[: int(len(found) * 0.9 * MOST_RAW_BYTES / len(text))]


def _hash(script: str) -> str:
    """Of the only script that a browser may run here (Content Security Policy, level 2)."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
