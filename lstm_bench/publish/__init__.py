"""The page, an output format registered the way a stranger's would be, and the folder that is published with it."""

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
