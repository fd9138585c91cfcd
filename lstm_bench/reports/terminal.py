"""The table for a terminal."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_bench.reports.summary import summarise
from lstm_bench.result import Attempt

WIDTH_ELSEWHERE = 200
"""Columns, where the output is no terminal: nothing is to be cut off in a file."""

STYLES = {"ok": "green", "unsupported": "yellow"}


def render(attempts: Sequence[Attempt]) -> str:
    """The table as text, with colours if stdout is a terminal that has them."""
    summary = summarise(attempts)
    on_terminal = sys.stdout.isatty()
    # Every text is a Text: nothing in it is read as markup.
    table = Table(header_style="bold")
    for column in summary.columns:
        table.add_column(column.title, justify="right" if column.numeric else "left", overflow="fold")
    for row in summary.rows:
        *cells, status = row
        style = "dim" if cells[1].startswith("baseline: ") else None
        table.add_row(*(Text(cell) for cell in cells), Text(status, style=STYLES.get(status, "red")), style=style)
    width = shutil.get_terminal_size().columns if on_terminal else WIDTH_ELSEWHERE
    console = Console(file=io.StringIO(), width=width, force_terminal=on_terminal)
    if summary.rows:
        console.print(table)
    for note in summary.notes:
        console.print(Text(note), soft_wrap=not on_terminal)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
