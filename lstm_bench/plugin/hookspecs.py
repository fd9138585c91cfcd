"""The hooks: everything that a plugin may add, on one screen.

A plugin is a module with functions of these names, marked with ``lstm_bench.hookimpl``, and either registered by an
entry point in the group ``lstm_bench`` or named with ``--plugin FILE.py``. It is imported by the command line, by
``list`` and by every worker, so the module itself must import no framework: only ``load`` functions may.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.plugin.reporter import ReporterInfo
from lstm_bench.plugin.task import TaskInfo

hookspec = pluggy.HookspecMarker("lstm_bench")
hookimpl = pluggy.HookimplMarker("lstm_bench")
"""Marks a function of a plugin as one of these."""


@hookspec
def lstm_bench_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Backends. Called once per process, after all plugins are registered and before any framework is imported."""


@hookspec
def lstm_bench_tasks() -> Iterable[TaskInfo]:  # type: ignore[empty-body]
    """Tasks. Called once per process, after all plugins are registered; no data has been read."""


@hookspec
def lstm_bench_reporters() -> Iterable[ReporterInfo]:  # type: ignore[empty-body]
    """Output formats. Called once per process, after all plugins are registered; no attempt has been read."""
