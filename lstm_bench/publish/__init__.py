"""The HTML page, registered as an output format, and folders that are published with it."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench.plugin.hookspecs import hookimpl
from lstm_bench.plugin.lazy import lazy
from lstm_bench.plugin.reporter import ReporterInfo


@hookimpl
def lstm_bench_reporters() -> Iterable[ReporterInfo]:
    yield ReporterInfo(
        name="html",
        summary="one page with tables, pictures and attempts, for a browser",
        render=lazy("lstm_bench.publish.page:render"),
        suffix=".html",
    )
