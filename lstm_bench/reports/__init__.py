"""The built-in output formats, registered the way a stranger's would be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lstm_bench.hookspecs import hookimpl
from lstm_bench.reporter import ReporterInfo
from lstm_bench.result import Attempt


def _table(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import terminal

    return terminal.render(attempts)


def _markdown(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import markdown

    return markdown.render(attempts)


def _latex(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import latex

    return latex.render(attempts)


def _csv(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import sheet

    return sheet.render_csv(attempts)


def _json(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import sheet

    return sheet.render_json(attempts)


def _html(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import page

    return page.render(attempts)


def _attempts_csv(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import frame

    return frame.render_csv(attempts)


def _attempts_json(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import frame

    return frame.render_json(attempts)


@hookimpl
def lstm_bench_reporters() -> Iterable[ReporterInfo]:
    for name, suffix, summary, render in (
        ("table", ".txt", "for the terminal", _table),
        ("md", ".md", "Markdown", _markdown),
        ("latex", ".tex", "LaTeX, with booktabs", _latex),
        ("html", ".html", "one page with tables, pictures and attempts, for a browser", _html),
        ("csv", ".csv", "the tables as one, for spreadsheets", _csv),
        ("json", ".json", "the tables and the notes, for programs", _json),
        ("attempts-csv", "", "every attempt with all its numbers in full, for spreadsheets", _attempts_csv),
        ("attempts-json", "", "every attempt with all its numbers in full, for programs", _attempts_json),
    ):
        yield ReporterInfo(name=name, summary=summary, render=render, suffix=suffix)
