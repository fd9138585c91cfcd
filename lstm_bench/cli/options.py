"""Helpers that several commands share: messages, plugins, results, options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lstm_bench.catalog.loading import Plugins, load_plugins
from lstm_bench.errors import LSTMBenchError, NoResults
from lstm_bench.execute.request import LONGEST_TIMEOUT
from lstm_bench.text import one_line

if TYPE_CHECKING:
    from lstm_bench.plugin.task import TaskInfo
    from lstm_bench.record.attempt import Attempt

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""

F = TypeVar("F", bound=Callable[..., Any])


def say(line: str) -> None:
    """Write one line to stderr."""
    click.echo(f"lstm-bench: {one_line(line)}", err=True)


def load(files: Sequence[Path]) -> Plugins:
    """Load all plugins, and warn of each that failed."""
    plugins = load_plugins(files)
    for failure in plugins.failures:
        say(f"warning: {failure}")
    return plugins


def read_results(folder: Path) -> tuple[list[Attempt], list[str]]:
    """Read every attempt in a folder or file, and warn of files that could not be read.

    Returns:
        The attempts, oldest first, and one line for each file that could not be read.

    Raises:
        NoResults: if there are no attempts.
    """
    from lstm_bench.record import store

    attempts, problems = store.read_folder(folder)
    warn_of(problems)
    if not attempts:
        raise NoResults(folder)
    return attempts, problems


def warn_of(problems: Iterable[str]) -> None:
    """Warn of result files that could not be read."""
    for problem in problems:
        say(f"warning: left out: {problem}")


def require_files(infos: Iterable[TaskInfo]) -> None:
    """Have every file that these tasks need, fetched if it must be, and show how far that is."""
    from lstm_bench.catalog.data import user_folder
    from lstm_bench.catalog.fetching import require_files
    from lstm_bench.cli.progress import fetching

    with fetching() as watcher:
        require_files(infos, user_folder(), watcher)


def _not_nan(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is in every range
        raise click.BadParameter("nan is no number of seconds", context, parameter)
    return value


def timeout_option(seconds: float) -> Callable[[F], F]:
    """Add ``--timeout``, with this default."""
    return click.option(
        "--timeout",
        callback=_not_nan,
        type=click.FloatRange(0, LONGEST_TIMEOUT, min_open=True),
        default=seconds,
        show_default=True,
        help="Seconds after which a worker is stopped.",
    )


def plugin_option(command: F) -> F:
    """Add ``--plugin``, repeatable."""
    return click.option(
        "--plugin",
        "plugin_files",
        multiple=True,
        metavar="FILE.py",
        type=click.Path(path_type=Path),
        help="Use a Python file as a plugin, beside the installed ones. Repeatable.",
    )(command)


def table_options(command: F) -> F:
    """Add ``--format``, ``--details`` and ``--columns``, which say how a table is shown."""
    for option in (
        click.option(
            "--columns",
            metavar="NAME,...",
            help="Columns of the table, such as train,infer,memory; a wrong name lists them all.",
        ),
        click.option("--details", is_flag=True, help="Show every column and note, and the output of what failed."),
        click.option(
            "--format",
            "format_name",
            metavar="NAME",
            help="One of those that `lstm-bench list formats` shows.  [default: table]",
        ),
    ):
        command = option(command)
    return command


def rendering(
    plugins: Plugins, format_name: str, *, details: bool, columns: str | None
) -> Callable[[Sequence[Attempt]], str]:
    """The function that renders attempts in a format, with the options of ``table_options``.

    Raises:
        UnknownName: if there is no such format.
        LSTMBenchError: if options of the table are given for another format.
    """
    reporter = plugins.reporter(format_name)
    if not details and columns is None:
        return reporter.render
    if format_name != "table":
        option = "--details" if details else "--columns"
        raise LSTMBenchError(
            f"{option} and format {format_name} contradict each other: {option} is for format table alone"
        )
    from lstm_bench.reports import terminal

    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    return lambda attempts: terminal.render(attempts, details=details, columns=names)


def backend_option(purpose: str, default: str) -> Callable[[F], F]:
    """Add ``--backend``, repeatable. ``default`` describes the backends that are used without it."""
    return click.option(
        "-b",
        "--backend",
        "backends",
        multiple=True,
        metavar="NAME[option=value,...]",
        help=f"Backend to {purpose}; repeatable.  [default: {default}]",
    )


def task_option(purpose: str) -> Callable[[F], F]:
    """Add ``--task``, repeatable."""
    return click.option(
        "-t",
        "--task",
        "tasks",
        multiple=True,
        metavar="NAME[:RECIPE][option=value,...]",
        help=f"{purpose}; repeatable.  [default: the task that list calls the default]",
    )
