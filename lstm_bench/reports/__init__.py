"""The built-in text formats, registered the same way as a format of another package."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench.plugin.hookspecs import hookimpl
from lstm_bench.plugin.lazy import lazy
from lstm_bench.plugin.reporter import ReporterInfo


@hookimpl
def lstm_bench_reporters() -> Iterable[ReporterInfo]:
    for name, suffix, summary, render in (
        ("table", ".txt", "for the terminal", "terminal:render"),
        ("md", ".md", "Markdown", "markdown:render"),
        ("latex", ".tex", "LaTeX, with booktabs", "latex:render"),
        ("csv", ".csv", "the tables as one, for spreadsheets", "sheet:render_csv"),
        ("json", ".json", "the tables and the notes, for programs", "sheet:render_json"),
        ("attempts-csv", "", "every attempt with all its numbers in full, for spreadsheets", "frame:render_csv"),
        ("attempts-json", "", "every attempt with all its numbers in full, for programs", "frame:render_json"),
    ):
        yield ReporterInfo(name=name, summary=summary, render=lazy(f"lstm_bench.reports.{render}"), suffix=suffix)
