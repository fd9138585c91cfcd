"""Finding and loading plugins, so that one that fails is named and the rest still work."""

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
"""The entry point group."""

ANYTHING = (Exception, SystemExit)
"""What a stranger's module may raise; a script that was never meant as a plugin may also try to exit."""

Info = TypeVar("Info", BackendInfo, TaskInfo, ReporterInfo)


@dataclass(frozen=True)
class Plugins:
    """Everything that the plugins offer, by name, and the plugins that could not be used.

    Attributes:
        backends: by name.
        tasks: by name.
        reporters: by name.
        failures: one line for each plugin that failed, naming it.
    """

    backends: Mapping[str, BackendInfo]
    tasks: Mapping[str, TaskInfo]
    reporters: Mapping[str, ReporterInfo]
    failures: tuple[str, ...]

    def backend(self, name: str) -> BackendInfo:
        """The backend of this name.

        Raises:
            UnknownName: if there is none.
        """
        return _named("backend", name, self.backends)

    def task(self, name: str) -> TaskInfo:
        """The task of this name.

        Raises:
            UnknownName: if there is none.
        """
        return _named("task", name, self.tasks)

    def reporter(self, name: str) -> ReporterInfo:
        """The reporter of this name.

        Raises:
            UnknownName: if there is none.
        """
        return _named("format", name, self.reporters)


def load_plugins(files: Iterable[Path] = ()) -> Plugins:
    """Load every installed plugin, and the given files.

    An installed plugin that fails is listed among the failures: nobody asked for it by name. A file was asked for, so
    its failure is an error.

    Args:
        files: Python files that are plugins.

    Raises:
        PluginError: naming the file, if one of ``files`` cannot be used.
    """
    manager = pluggy.PluginManager("lstm_bench")
    manager.add_hookspecs(hookspecs)
    failures: list[str] = []
    values: dict[str, str] = {}
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        who = f"plugin {entry_point.name!r} ({entry_point.value})"
        if entry_point.name in values:
            # The same distribution can stand on the path twice, as an editable install does in its checkout.
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
    sys.modules[name] = module  # dataclasses and pickling look their module up there
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
