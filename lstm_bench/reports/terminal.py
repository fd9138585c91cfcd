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

from lstm_bench.errors import UnknownName
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.models import attempt_name
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import DETAIL, Column, Entry, Section, Summary
from lstm_bench.reports.verdict import NAMED
from lstm_bench.text import LONGEST_ENTRY, brief

WIDTH_ELSEWHERE, WIDE = 80, 240
"""Characters per line where the output is not a terminal: of the usual table, and of one with all details."""

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
"""Colours of a status or verdict; any other text is red."""

MOST_LINES = 40
"""Lines of a failed attempt's output that are shown."""

STYLED = ("status", "verdict")
"""The titles of the columns with such colours."""


def render(attempts: Sequence[Attempt], *, details: bool = False, columns: Sequence[str] = ()) -> str:
    """A table for each task as text, with colours if stdout is a terminal with colours.

    Args:
        attempts: to show.
        details: whether to show every column and note, and the output of attempts that failed.
        columns: names of the columns to show; empty for the usual ones.

    Raises:
        UnknownName: for a column that no table has, with the nearest that there is.
    """
    summary = summarise(attempts)
    if columns:
        summary = _choose(summary, columns)
    text = show(summary, details=details, all_columns=details or bool(columns))
    failed = [attempt for attempt in attempts if attempt.output_tail.strip()] if details else []
    return text + "".join(map(_output, failed[:NAMED]))


def _output(attempt: Attempt) -> str:
    """The end of the output of an attempt that failed, indented."""
    lines = [f"  {_indent(line)}{brief(line)}\n" for line in attempt.output_tail.strip().splitlines()[-MOST_LINES:]]
    return f"\n{brief(f'the end of the output of {attempt_name(attempt)}, attempt {attempt.id}')}:\n{''.join(lines)}"


def _indent(line: str) -> str:
    return " " * min(len(line) - len(line.lstrip(" ")), WIDTH_ELSEWHERE)


def _choose(summary: Summary, names: Sequence[str]) -> Summary:
    """The summary with these columns only, in this order, beside the name of each row."""
    there = {column.chosen_by: None for section in summary.sections for column in section.columns}
    for name in names:
        if name not in there:
            raise UnknownName("column", name, there, "--columns")
    sections = []
    for section in summary.sections:
        first = section.columns[0].chosen_by
        by_name = {column.chosen_by: at for at, column in enumerate(section.columns)}
        places = [by_name[name] for name in dict.fromkeys((first, *names)) if name in by_name]
        sections.append(_with(section, places))
    return replace(summary, sections=tuple(sections))


def _with(section: Section, places: Sequence[int]) -> Section:
    """The section with the columns at these places only."""
    return replace(
        section,
        columns=tuple(section.columns[at] for at in places),
        rows=tuple(replace(row, entries=tuple(row.entries[at] for at in places)) for row in section.rows),
    )


def show(summary: Summary, *, details: bool = True, all_columns: bool = True) -> str:
    """Tables, answers and notes as text, with colours if stdout is a terminal with colours.

    Args:
        summary: to show.
        details: whether to show the notes, too.
        all_columns: whether to show columns of every rank; otherwise those that fit.
    """
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else WIDE if all_columns else WIDTH_ELSEWHERE
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=on_terminal)
    hidden: dict[str, None] = {}
    for section in summary.sections:
        shown = _fit(section) if all_columns else _narrowed(_fit(section), width)
        hidden |= {column.title: None for column in section.columns if column not in shown.columns}
        console.print(Text.assemble((brief(section.title), "bold"), f"  {brief(section.subtitle)}".rstrip()))
        if section.shape:
            console.print(Text(brief(section.shape)))
        console.print(_table(shown, width), Text())
        for answer in section.answers:
            console.print(Text(brief(answer)), soft_wrap=not on_terminal and details)
        if section.answers:
            console.print()
    notes = [*(note for section in summary.sections for note in section.notes), *summary.notes]
    if details or not summary.sections:
        for note in notes:
            console.print(Text(brief(note), style="dim"), soft_wrap=not on_terminal)
    else:
        more = f"{len(hidden)} more columns and " if hidden else ""
        console.print(Text(f"--details shows {more}{len(notes)} notes", style="dim"))
    return output.getvalue()


def _narrowed(section: Section, width: int) -> Section:
    """The section without details, and without the columns of the highest ranks if all do not fit."""
    used = [at for at in range(len(section.columns)) if any(row.texts[at] for row in section.rows)]
    section = _with(section, used)
    ranks = sorted({column.rank for column in section.columns if column.rank < DETAIL}, reverse=True)
    for most in ranks:
        shown = _with(section, [at for at, column in enumerate(section.columns) if column.rank <= most])
        if _widths(shown, width)[0][0] is not None:
            break
    return shown


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
        table.add_row(*map(_text, section.columns, row.entries), style="dim" if row.baseline else None)
    return table


def _text(column: Column, entry: Entry) -> Text:
    if column.title in STYLED:
        return Text(entry.text, style=STYLES.get(entry.text, "red"))
    return Text(entry.text, style="bold" if entry.best else "")


def _widths(section: Section, width: int) -> tuple[list[int | None], bool]:
    """A width for each column that cuts no word, and whether gaps of two fit; all widths ``None`` if words do not fit.

    Without these widths, rich would narrow the widest columns first and cut their words.
    """
    texts = [[column.title, *(row.texts[at] for row in section.rows)] for at, column in enumerate(section.columns)]
    least = [max(len(word) for text in column for word in text.split(" ")) for column in texts]
    most = [max(map(len, column)) for column in texts]
    for gap in (2, 1):
        if sum(most) + gap * (len(most) - 1) <= width:
            return list(most), gap == 2
    for gap in (2, 1):
        spare = width - sum(least) - gap * (len(least) - 1)
        if spare >= 0:
            widths: list[int | None] = list(least)
            # those that need least get it first, so that as few columns as possible have lines that wrap
            for at in sorted(range(len(least)), key=lambda at: most[at] - least[at]):
                more = min(most[at] - least[at], spare)
                spare -= more
                widths[at] = least[at] + more
            return widths, gap == 2
    return [None] * len(least), False
