"""The tables for spreadsheets and programs, with the columns and the rounding that people see."""

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
from lstm_bench.reports.table import Row, Section, Summary


def render_csv(attempts: Sequence[Attempt]) -> str:
    """CSV of all sections as one table: the task, then the columns of all sections, empty where a section lacks one."""
    sections = summarise(attempts).sections
    titles = _all_titles(sections)
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(harmless(_plain(title)) for title in ("task", *titles))
    for section in sections:
        for row in section.rows:
            by_title = dict(zip(_titles(section), row.texts, strict=True))
            texts = (section.title, *(by_title.get(title, "") for title in titles))
            writer.writerow(harmless(_plain(text)) for text in texts)
    return printable(output.getvalue())


def render_json(attempts: Sequence[Attempt]) -> str:
    """JSON of the sections and the notes; each entry has its text and the number behind it."""
    content = msgspec.json.encode(_record(summarise(attempts)))
    return escape_control(msgspec.json.format(content, indent=2).decode()) + "\n"


def _record(summary: Summary) -> dict[str, Any]:
    sections = [
        {
            "title": section.title,
            "subtitle": section.subtitle,
            "columns": [
                {"title": title, "numeric": column.numeric}
                for title, column in zip(_titles(section), section.columns, strict=True)
            ],
            "rows": [_row_record(row, _titles(section)) for row in section.rows],
        }
        for section in summary.sections
    ]
    return {"sections": sections, "notes": list(map(_plain, summary.notes))}


def _row_record(row: Row, titles: Iterable[str]) -> dict[str, Any]:
    entries = {
        title: {"text": _plain(entry.text), "value": entry.value, "interval": entry.interval, "best": entry.best}
        for title, entry in zip(titles, row.entries, strict=True)
    }
    return {"baseline": row.baseline, "cells": entries}


def _titles(section: Section) -> list[str]:
    """The titles of the columns, numbered where two are the same, as those of a metric and an option can be."""
    titles: list[str] = []
    for column in section.columns:
        title, number = column.title, 2
        while title in titles:
            title, number = f"{column.title} {number}", number + 1
        titles.append(title)
    return titles


def _all_titles(sections: Iterable[Section]) -> list[str]:
    """The titles of all sections, each before the titles that follow it in its own section."""
    found: list[str] = []
    for section in sections:
        new: list[str] = []
        for title in _titles(section):
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
