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
    from lstm_bench.reports import frame

    return frame.render_csv(attempts)


def _json(attempts: Sequence[Attempt]) -> str:
    from lstm_bench.reports import frame

    return frame.render_json(attempts)


@hookimpl
def lstm_bench_reporters() -> Iterable[ReporterInfo]:
    yield ReporterInfo(name="table", summary="for the terminal", render=_table)
    yield ReporterInfo(name="md", summary="Markdown", render=_markdown)
    yield ReporterInfo(name="latex", summary="LaTeX, with booktabs", render=_latex)
    yield ReporterInfo(name="csv", summary="every column, one row for each attempt, for spreadsheets", render=_csv)
    yield ReporterInfo(name="json", summary="every column, one record for each attempt, for programs", render=_json)
