"""The hooks: everything that a plugin can add.

A plugin is a module with functions of these names, marked with ``lstm_bench.hookimpl``. It is registered by an entry
point in the group ``lstm_bench``, or named with ``--plugin FILE.py``. Every command and every worker process imports
all plugins, so the module must not import a framework. Only ``load`` functions may.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.plugin.reporter import ReporterInfo
from lstm_bench.plugin.task import TaskInfo

hookspec = pluggy.HookspecMarker("lstm_bench")
hookimpl = pluggy.HookimplMarker("lstm_bench")
"""Mark a function of a plugin as one of the hooks below."""


@hookspec
def lstm_bench_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Return the plugin's backends.

    Called whenever a process loads its plugins: once in a command, and once in each worker. All plugins are registered
    by then, and no framework is imported. In a worker, the environment variables of the chosen backend are already set.
    """


@hookspec
def lstm_bench_tasks() -> Iterable[TaskInfo]:  # type: ignore[empty-body]
    """Return the plugin's tasks.

    Called after ``lstm_bench_backends``, as often. No data has been read or downloaded.
    """


@hookspec
def lstm_bench_reporters() -> Iterable[ReporterInfo]:  # type: ignore[empty-body]
    """Return the plugin's output formats.

    Called after ``lstm_bench_tasks``, as often. No result has been read.
    """
