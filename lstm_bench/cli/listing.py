"""What ``list`` and ``env`` print; found out without importing any framework."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from lstm_bench.catalog.data import FileStatus
from lstm_bench.catalog.loading import Plugins
from lstm_bench.charts import KINDS
from lstm_bench.host import disturbance
from lstm_bench.model.parameters import parameter_count
from lstm_bench.plugin.options import Option
from lstm_bench.plugin.task import DataFile, TaskInfo
from lstm_bench.version import __version__


def backends(plugins: Plugins) -> str:
    """Backends: installed or not, and the pip line that mends it."""
    rows = []
    for info in plugins.backends.values():
        missing = info.missing()
        state = f"needs {', '.join(missing)}: {info.install}" if missing else "installed"
        rows.append((info.name, state, info.summary))
        rows.append(("  can", ", ".join(("infer", *info.abilities)), "what of a model it has"))
        rows += _options(info.options)
    return _section("backends", rows)


MOST_RECIPES = 4
"""So many are named beside their task. All stand in the section of the recipes."""


def tasks(plugins: Plugins) -> str:
    """Tasks, and the names of their first recipes."""
    rows = []
    for info in plugins.tasks.values():
        names = [recipe.name for recipe in info.recipes]
        more = f" and {len(names) - MOST_RECIPES} more" if len(names) > MOST_RECIPES else ""
        summary = info.summary + (" (the default task)" if info.default else "")
        rows.append((info.name, ", ".join(names[:MOST_RECIPES]) + more, summary))
        rows += _options(info.options)
    return _section("tasks", rows)


def recipes(plugins: Plugins) -> str:
    """Recipes with their sizes."""
    return _section(
        "recipes",
        [
            (f"{info.name}:{recipe.name}", f"{parameter_count(recipe.model):,} parameters", recipe.summary)
            for info in plugins.tasks.values()
            for recipe in info.recipes
        ],
    )


def formats(plugins: Plugins) -> str:
    """Output formats of ``report``."""
    return _section("formats", [(info.name, "", info.summary) for info in plugins.reporters.values()])


def charts(plugins: Plugins) -> str:
    """Kinds of ``plot``; all are built in."""
    return _section("charts", [(kind.name, "", kind.summary) for kind in KINDS.values()])


SECTIONS: Mapping[str, Callable[[Plugins], str]] = {
    "backends": backends,
    "tasks": tasks,
    "recipes": recipes,
    "formats": formats,
    "charts": charts,
}


def data_files(rows: Iterable[tuple[TaskInfo, DataFile, FileStatus]]) -> str:
    """Each file of each task: its size, whether it is there and right, and where."""
    return _columns(
        (info.name, f"{file.folder}/{file.name}", f"{file.size:,} bytes", found.state, _place(found))
        for info, file, found in rows
    )


def _place(found: FileStatus) -> str:
    if found.path is None:
        return ""
    return f"{found.path} {found.problem}".strip()


def environment(plugins: Plugins) -> str:
    """This machine, the versions of everything that takes part, and the variables that change results."""
    from lstm_bench.host.machine import THREAD_VARIABLES, describe_machine, usable_cores

    machine = describe_machine()
    rows = [
        ("lstm-bench", __version__),
        ("python", machine.python),
        ("system", machine.system),
        ("processor", f"{machine.processor}, {usable_cores()} of {machine.cores} cores usable"),
        ("memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
    ]
    for name in (
        "numpy",
        "pandas",
        "pluggy",
        "rich",
        "click",
        "msgspec",
        "psutil",
        "threadpoolctl",
        "filelock",
        "platformdirs",
    ):
        rows.append((name, _version(name)))
    for info in plugins.backends.values():
        of_options = (names for option in info.options.values() for names in option.requires.values())
        needed = dict.fromkeys((*info.requires, *chain.from_iterable(of_options)))
        rows += [(f"{info.name} backend", f"{name} {_version(name)}") for name in needed]
    watched = (*THREAD_VARIABLES, "CUDA_VISIBLE_DEVICES", "LSTM_BENCH_DATA", "LSTM_BENCH_CACHE", disturbance.VARIABLE)
    rows += [(name, os.environ[name]) for name in watched if name in os.environ]
    rows += [("plugin failure", failure) for failure in plugins.failures]
    return _columns(rows)


def _version(package: str) -> str:
    """Version of the distribution that holds an import package, or that it is not installed."""
    owners = importlib.metadata.packages_distributions().get(package, [package])
    try:
        return importlib.metadata.version(owners[0])
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _options(options: Mapping[str, Option[Any]]) -> list[tuple[str, str, str]]:
    return [
        (
            f"  [{name}=...]",
            option.shown,
            f"{option.meaning} (default {option.write(option.default) or 'as the recipe says'})",
        )
        for name, option in options.items()
    ]


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    return f"{title}\n" + _columns(rows, indent="  ")


def _columns(rows: Iterable[tuple[str, ...]], indent: str = "") -> str:
    rows = list(rows)
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        indent + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in rows
    )
