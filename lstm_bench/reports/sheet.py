"""The tables for spreadsheets and programs: the columns that people see, with numbers in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.frame import escape_control, harmless, printable
from lstm_bench.reports.numbers import NO_BREAK
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Column, Row, Section, Summary


def render_csv(attempts: Sequence[Attempt]) -> str:
    """CSV of all sections as one table: the task, its shape, then the columns of all sections.

    Numbers are written in full, with the unit in the header: ``train [seq/s]``. The ends of a 95% interval have columns
    of their own, ``train low [seq/s]`` and ``train high [seq/s]``. What a section lacks is empty.
    """
    sections = summarise(attempts).sections
    tables = [[_numbers(section, row) for row in section.rows] for section in sections]
    titles = _all_titles([list(dict.fromkeys(title for row in rows for title in row)) for rows in tables])
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(harmless(_plain(title)) for title in ("task", "shape", *titles))
    for section, rows in zip(sections, tables, strict=True):
        for row in rows:
            values = (section.title, section.shape, *(row.get(title, "") for title in titles))
            writer.writerow([harmless(_plain(value)) if isinstance(value, str) else value for value in values])
    return printable(output.getvalue())


def _numbers(section: Section, row: Row) -> dict[str, float | str]:
    """The values of a row by their headers; text where a column holds no numbers."""
    bounded = {at for each in section.rows for at, entry in enumerate(each.entries) if entry.interval}
    found: dict[str, float | str] = {}
    for at, (title, column, entry) in enumerate(zip(_titles(section), section.columns, row.entries, strict=True)):
        title = _without_unit(title, column)
        unit = f" [{column.unit}]" if column.unit else ""
        if not column.unit and not (column.numeric and entry.value is not None):
            found[title] = entry.text
            continue
        found[title + unit] = "" if entry.value is None else entry.value
        if at in bounded:
            low, high = entry.interval or ("", "")
            found |= {f"{title} low{unit}": low, f"{title} high{unit}": high}
    return found


def _without_unit(title: str, column: Column) -> str:
    return title.removesuffix(f" {column.unit}") if column.unit else title


def render_json(attempts: Sequence[Attempt]) -> str:
    """JSON of the sections, their answers and notes. Each entry has a number or text, and its interval."""
    content = msgspec.json.encode(_record(summarise(attempts)))
    return escape_control(msgspec.json.format(content, indent=2).decode()) + "\n"


def _record(summary: Summary) -> dict[str, Any]:
    sections = [
        {
            "title": section.title,
            "shape": section.shape,
            "subtitle": section.subtitle,
            "columns": [
                {"name": name, "title": _without_unit(column.title, column), "unit": column.unit}
                for name, column in zip(_names(section), section.columns, strict=True)
            ],
            "rows": [_row_record(section, row) for row in section.rows],
            "answers": list(map(_plain, section.answers)),
            "notes": list(map(_plain, section.notes)),
        }
        for section in summary.sections
    ]
    return {"sections": sections, "notes": list(map(_plain, summary.notes))}


def _row_record(section: Section, row: Row) -> dict[str, Any]:
    entries = {}
    for name, column, entry in zip(_names(section), section.columns, row.entries, strict=True):
        low, high = entry.interval or (None, None)
        value = _plain(entry.text) if entry.value is None and not column.unit else entry.value
        entries[name] = {"value": value, "low": low, "high": high, "best": entry.best}
    return {"baseline": row.baseline, "entries": entries}


def _titles(section: Section) -> list[str]:
    return _numbered([column.title for column in section.columns])


def _names(section: Section) -> list[str]:
    return _numbered([column.chosen_by for column in section.columns])


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, numbered where two are the same, as those of a metric and an option can be."""
    found: list[str] = []
    for name in names:
        new, number = name, 2
        while new in found:
            new, number = f"{name} {number}", number + 1
        found.append(new)
    return found


def _all_titles(tables: Iterable[Sequence[str]]) -> list[str]:
    """The titles of all tables, each before the titles that follow it in its own table."""
    found: list[str] = []
    for titles in tables:
        new: list[str] = []
        for title in titles:
            if title in found:
                place = found.index(title)
                found[place:place] = new
                new = []
            else:
                new.append(title)
        found += new
    return found


def _plain(text: str) -> str:
    """The text with usual spaces, since programs do not break lines."""
    return text.replace(NO_BREAK, " ")
