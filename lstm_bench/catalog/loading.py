"""Find and load plugins. If one fails, it is named, and the others still work."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from lstm_bench.errors import LSTMBenchError, PluginError, UnknownName
from lstm_bench.model.spec import is_name
from lstm_bench.plugin import hookspecs
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.plugin.reporter import ReporterInfo
from lstm_bench.plugin.task import TaskInfo
from lstm_bench.text import describe, is_unicode, one_line

GROUP = "lstm_bench"
"""Entry point group of plugins."""

ANYTHING = (Exception, SystemExit)
"""Exceptions that importing a plugin may raise. A script that is not a plugin may also try to exit."""

Info = TypeVar("Info", BackendInfo, TaskInfo, ReporterInfo)


@dataclass(frozen=True)
class Plugins:
    """All backends, tasks and reporters of the plugins, and the plugins that failed.

    Attributes:
        backends: backends by name.
        tasks: tasks by name.
        reporters: reporters by name.
        failures: one line for each failed plugin, with its name.
    """

    backends: Mapping[str, BackendInfo]
    tasks: Mapping[str, TaskInfo]
    reporters: Mapping[str, ReporterInfo]
    failures: tuple[str, ...]

    def backend(self, name: str) -> BackendInfo:
        """Return the backend of this name.

        Raises:
            UnknownName: if there is no such backend.
        """
        return _named("backend", name, self.backends)

    def task(self, name: str) -> TaskInfo:
        """Return the task of this name.

        Raises:
            UnknownName: if there is no such task.
        """
        return _named("task", name, self.tasks)

    def reporter(self, name: str) -> ReporterInfo:
        """Return the reporter of this name.

        Raises:
            UnknownName: if there is no such reporter.
        """
        return _named("format", name, self.reporters)


def load_plugins(files: Iterable[Path] = ()) -> Plugins:
    """Load all installed plugins and the given files.

    If an installed plugin fails, it is listed in ``failures``. If a file fails, an error is raised, because the user
    named this file.

    Args:
        files: Python files to load as plugins.

    Raises:
        PluginError: naming the file, if one of ``files`` fails.
    """
    manager = pluggy.PluginManager("lstm_bench")
    manager.add_hookspecs(hookspecs)
    failures: list[str] = []
    values: dict[str, str] = {}
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        who = f"plugin {entry_point.name!r} ({entry_point.value})"
        if entry_point.name in values:
            # A distribution may be found twice, such as an editable install in its own checkout.
            if values[entry_point.name] != entry_point.value:
                failures.append(f"{who} is left out: {values[entry_point.name]} has that name already")
            continue
        values[entry_point.name] = entry_point.value
        try:
            _register(manager, entry_point.load(), entry_point.name)
        except ANYTHING as error:
            failures.append(f"{who} is left out: {_reason(error)}")
    asked_for = set()
    for file in files:
        name = str(file)
        try:
            _register(manager, _import_file(file), name)
        except ANYTHING as error:
            raise PluginError(f"plugin {name}: {_reason(error)}") from error
        asked_for.add(name)

    collected: dict[str, dict[str, Any]] = {}
    for hook, kind in (
        ("lstm_bench_backends", BackendInfo),
        ("lstm_bench_tasks", TaskInfo),
        ("lstm_bench_reporters", ReporterInfo),
    ):
        collected[hook] = {}
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            try:
                collected[hook].update(_offers(implementation.function(), kind, collected[hook]))
            except ANYTHING as error:
                if name in asked_for:
                    raise PluginError(f"plugin {name}: {_reason(error)} (in {hook})") from error
                failures.append(f"plugin {name!r} is left out: {_reason(error)} (in {hook})")
    return Plugins(
        backends=_sorted(collected["lstm_bench_backends"]),
        tasks=_sorted(collected["lstm_bench_tasks"]),
        reporters=_sorted(collected["lstm_bench_reporters"]),
        failures=tuple(failures),
    )


def _named(kind: str, name: str, known: Mapping[str, Info]) -> Info:
    if name not in known:
        raise UnknownName(kind, name, known)
    return known[name]


def _sorted(infos: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(infos.items()))


def _register(manager: pluggy.PluginManager, module: object, name: str) -> None:
    manager.register(module, name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        manager.unregister(name=name)
        raise
    if not manager.get_hookcallers(module):
        manager.unregister(name=name)
        raise PluginError("it has no function marked with lstm_bench.hookimpl")


def _import_file(file: Path) -> object:
    if not file.is_file():
        raise PluginError("there is no such file")
    name = f"lstm_bench_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError("it is not a Python file (its name must end in .py)")
    if not is_unicode(str(file.resolve())):
        raise PluginError("its path is not in UTF-8, so that workers cannot be told of it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _offers(infos: Iterable[Info], kind: type[Info], taken: Mapping[str, Info]) -> dict[str, Info]:
    offers: dict[str, Info] = {}
    for info in infos:
        if not isinstance(info, kind):
            raise PluginError(f"gave {type(info).__name__} where {kind.__name__} belongs")
        if info.name in taken or info.name in offers:
            raise PluginError(f"the name {info.name!r} is taken by another plugin")
        if not is_name(info.name):
            raise PluginError(f"the name {info.name!r} may hold only letters, digits, - and _")
        offers[info.name] = info
    return offers


def _reason(error: BaseException) -> str:
    return one_line(str(error)) if isinstance(error, LSTMBenchError) else describe(error)
