"""The tables for a terminal."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Section, Summary
from lstm_bench.text import LONGEST_ENTRY, brief

WIDTH_ELSEWHERE = 240
"""Characters per line where the output is not a terminal, so that files have no folded lines."""

STYLES = {
    "ok": "green",
    "agrees": "green",
    "faster": "green",
    "unsupported": "yellow",
    "disturbed": "yellow",
    "no difference shown": "default",
    "not judged": "default",
    "not compared": "yellow",
}
"""Colours of the last column, by its text; any other text is red."""


def render(attempts: Sequence[Attempt]) -> str:
    """A table for each task as text, with colours if stdout is a terminal with colours."""
    return show(summarise(attempts))


def show(summary: Summary) -> str:
    """Tables and notes as text, with colours if stdout is a terminal with colours."""
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else WIDTH_ELSEWHERE
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=on_terminal)
    for section in summary.sections:
        console.print(Text.assemble((brief(section.title), "bold"), f"  {brief(section.subtitle)}"))
        console.print(_table(_fit(section), width), Text())
    for note in summary.notes:
        console.print(Text(brief(note), style="dim"), soft_wrap=not on_terminal)
    return output.getvalue()


def _fit(section: Section) -> Section:
    """The section with every text of its table on one line, and cut off if long."""
    columns = tuple(replace(column, title=brief(column.title, LONGEST_ENTRY)) for column in section.columns)
    rows = tuple(
        replace(row, entries=tuple(replace(entry, text=brief(entry.text, LONGEST_ENTRY)) for entry in row.entries))
        for row in section.rows
    )
    return replace(section, columns=columns, rows=rows)


def _table(section: Section, width: int) -> Table:
    widths, roomy = _widths(section, width)
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, padding=(0, int(roomy), 0, 0), pad_edge=False, header_style="bold"
    )
    # A Text is never read as markup, unlike a string.
    for column, chosen in zip(section.columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.numeric else "left"
        table.add_column(Text(column.title), justify=justify, overflow="fold", width=chosen)
    for row in section.rows:
        *entries, status = row.entries
        table.add_row(
            *(Text(entry.text, style="bold" if entry.best else "") for entry in entries),
            Text(status.text, style=STYLES.get(status.text, "red")),
            style="dim" if row.baseline else None,
        )
    return table


def _widths(section: Section, width: int) -> tuple[list[int | None], bool]:
    """A width for each column that cuts no word, and whether gaps of two fit; all widths ``None`` if words do not fit.

    Without these widths, rich would narrow the widest columns first and cut their words.
    """
    texts = [[column.title, *(row.texts[at] for row in section.rows)] for at, column in enumerate(section.columns)]
    least = [max(len(word) for text in column for word in text.split(" ")) for column in texts]
    most = [max(map(len, column)) for column in texts]
    for gap in (2, 1):
        spare = width - sum(least) - gap * (len(least) - 1)
        if spare >= 0:
            widths: list[int | None] = []
            for low, high in zip(least, most, strict=True):
                more = min(high - low, spare)
                spare -= more
                widths.append(low + more)
            return widths, gap == 2
    return [None] * len(least), False
