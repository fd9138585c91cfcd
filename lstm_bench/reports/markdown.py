"""The tables in the Markdown that GitHub shows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Entry, Summary
from lstm_bench.text import LONGEST_ENTRY, LONGEST_LINE, brief


def render(attempts: Sequence[Attempt]) -> str:
    """A heading, a table and its answers for each task, and the notes as lists."""
    return show(summarise(attempts))


def show(summary: Summary) -> str:
    """For each table a heading, the shape, the table, its answers and, folded, its notes; then the notes of all."""
    lines = []
    for section in summary.sections:
        lines += [f"### {escape(section.title)}", ""]
        lines += [escape(section.shape), ""] if section.shape else []
        lines += [escape(section.subtitle), ""] if section.subtitle else []
        lines.append(_line(escape(column.title, LONGEST_ENTRY) for column in section.columns))
        lines.append(_line("---:" if column.numeric else "---" for column in section.columns))
        lines += [_line(map(_entry, row.entries)) for row in section.rows]
        lines.append("")
        if section.answers:
            lines += [*(f"- {escape(answer)}" for answer in section.answers), ""]
        if section.notes:
            lines += ["<details><summary>Notes</summary>", "", *(f"- {escape(note)}" for note in section.notes), ""]
            lines += ["</details>", ""]
    lines += [f"- {escape(note)}" for note in summary.notes]
    return "\n".join(lines) + "\n"


def escape(text: str, most: int = LONGEST_LINE) -> str:
    """Escape a text so that Markdown shows it as it is: on one line, cut off if long."""
    return re.sub(r"([\\`*_{}\[\]|~])", r"\\\1", html.escape(brief(text, most), quote=False))


def _entry(entry: Entry) -> str:
    text = escape(entry.text, LONGEST_ENTRY)
    return f"**{text}**" if entry.best else text


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
