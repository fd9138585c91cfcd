"""The table in Markdown, as GitHub reads it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from lstm_bench.reports.summary import summarise
from lstm_bench.result import Attempt


def render(attempts: Sequence[Attempt]) -> str:
    """A table, and the notes as a list."""
    summary = summarise(attempts)
    lines = []
    if summary.rows:
        lines.append(_line(column.title for column in summary.columns))
        lines.append(_line("---:" if column.numeric else "---" for column in summary.columns))
        lines += [_line(escape(cell) for cell in row) for row in summary.rows]
        lines.append("")
    lines += [f"- {escape(note)}" for note in summary.notes]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no emphasis, no links, no new cells, all on one line."""
    return re.sub(r"([\\`*_{}\[\]|~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _line(cells: object) -> str:
    return "| " + " | ".join(cells) + " |"  # type: ignore[arg-type]
