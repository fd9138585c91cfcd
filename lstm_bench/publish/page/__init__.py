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

from lstm_bench.analysis.groups import Group
from lstm_bench.errors import NotInstalled
from lstm_bench.model.spec import SCOPES
from lstm_bench.publish.page.heat import HOTTEST, Map, heat_map, pairs
from lstm_bench.publish.page.panel import RowPanel, open_up
from lstm_bench.publish.page.words import headline, in_words
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.models import by_model
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Column, Row, Section
from lstm_bench.text import LONGEST_ENTRY, LONGEST_LINE, brief, without_home
from lstm_bench.version import __version__, pip_line

if TYPE_CHECKING:
    from lstm_bench.charts import Picture

MOST_RAW_BYTES = 2_000_000
"""Limit of the packed attempts in a page. The page says how many attempts are left out."""

MOST_MODELS = 4
"""Most models in a section that has a matrix of pairs for each."""

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
        table: the section as in every report.
        rows: of the table.
        pairs: matrices of who is how many times as fast as whom, with their titles.
        pictures: of the attempts.
        too_many: whether there are no pictures because there are too many attempts.
    """

    table: Section
    rows: Sequence[PageRow]
    pairs: Sequence[tuple[str, Map]]
    pictures: Sequence[Picture]
    too_many: bool

    def first(self, column: Column) -> str:
        """How the first click on a column sorts: the fastest, best or largest first."""
        lower = column.unit == "s" or column.unit == "bytes" or column.name in ("relative", "steps")
        falls = column.numeric and not lower and (column.name != "metric" or "higher is better" in self.table.subtitle)
        return "descending" if falls else "ascending"


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
        raise NotInstalled(f"--format html needs jinja2, which is not installed: {pip_line('report')}") from error

    attempts = [_nobody(attempt) for attempt in attempts]
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
        heat=heat_map([model for section in summary.sections for model in by_model(_groups(section))]),
        hottest=HOTTEST,
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
    return Part(section, rows, _pairs(section), pictures, too_many)


def _groups(section: Section) -> list[Group]:
    return [row.group for row in section.rows if row.group is not None]


def _pairs(section: Section) -> list[tuple[str, Map]]:
    """A matrix for each model and scope, if the models are few."""
    models = [model for model in by_model(_groups(section)) if len(model.groups) > 1]
    if len(models) > MOST_MODELS:
        return []
    return [(f"{model.name}, {scope}", found) for model in models for scope in SCOPES if (found := pairs(model, scope))]


def _nobody(attempt: Attempt) -> Attempt:
    """The attempt without the paths of anybody's home in what its worker said."""
    return msgspec.structs.replace(
        attempt, reason=without_home(attempt.reason), output_tail=without_home(attempt.output_tail)
    )


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
