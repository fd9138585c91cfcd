"""A report as one self-contained HTML file, which needs no network.

Without JavaScript everything can be read. With it, readers sort and filter tables, open rows and unpack attempts.
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

from lstm_bench.errors import NotInstalled
from lstm_bench.publish.page.panel import RowPanel, open_up
from lstm_bench.publish.page.words import headline, in_words
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Column, Row, Section
from lstm_bench.text import LONGEST_ENTRY, LONGEST_LINE, brief
from lstm_bench.version import __version__

if TYPE_CHECKING:
    from lstm_bench.charts import Picture

MOST_RAW_BYTES = 2_000_000
"""Limit of the packed attempts in a page. The page says how many attempts are left out."""

MOST_DRAWN = 500
"""A section with more attempts gets no pictures: two pictures of a grid of 2,000 take half a megabyte each."""


@dataclass(frozen=True)
class PageRow:
    """A row of a table on the page.

    Attributes:
        row: as in every report.
        keys: the values by which the row is filtered, by the filter's name; empty for a baseline.
        panel: opens below the row; ``None`` for a baseline.
    """

    row: Row
    keys: dict[str, str]
    panel: RowPanel | None


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        title: a task's selector, or the task and its recipe.
        subtitle: the metric by which models are judged.
        columns: of the table.
        rows: of the table.
        pictures: of the attempts.
        too_many: whether there are no pictures because there are too many attempts.
    """

    title: str
    subtitle: str
    columns: Sequence[Column]
    rows: Sequence[PageRow]
    pictures: Sequence[Picture]
    too_many: bool


FILTERS = ("task", "backend", "device", "precision", "status")


def render(attempts: Sequence[Attempt]) -> str:
    """Make the page of these attempts; the same attempts give the same bytes.

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
        "svg": Markup,  # made by the charts, which escape all texts
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
    """The values of each filter, for filters with more than one value."""
    found = {
        name: list(dict.fromkeys(row.keys[name] for part in parts for row in part.rows if row.keys)) for name in FILTERS
    }
    return {name: values for name, values in found.items() if len(values) > 1}


def _failures(parts: Sequence[Part]) -> int:
    """The number of rows that are not ``ok``."""
    return sum(row.keys["status"] != "ok" for part in parts for row in part.rows if row.keys)


def _pack(attempts: Sequence[Attempt]) -> tuple[str, list[str]]:
    """As many attempts as fit, as gzipped JSON in base64, and the ids of these attempts."""
    found = [msgspec.json.encode(attempt) for attempt in attempts]
    while True:
        text = base64.b64encode(gzip.compress(b"[" + b",".join(found) + b"]", mtime=0)).decode()
        if len(text) <= MOST_RAW_BYTES or not found:
            return text, [attempt.id for attempt in attempts[: len(found)]]
        found = found[: int(len(found) * 0.9 * MOST_RAW_BYTES / len(text))]


def _hash(script: str) -> str:
    """The hash of the script, which is the only one that the page allows (Content Security Policy, level 2)."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
