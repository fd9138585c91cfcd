"""``lstm-bench data``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lstm_bench.cli.options import load, plugin_option, say

if TYPE_CHECKING:
    from lstm_bench.plugin.task import TaskInfo


@click.group()
def data() -> None:
    """The files that tasks need: fetch them, list them, say where they lie.

    They are looked for in the folder that LSTM_BENCH_DATA names, then in the cache, and are fetched into the cache if
    they are in neither. LSTM_BENCH_CACHE names another place for the cache.
    """


@data.command("fetch")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@plugin_option
def data_fetch(tasks: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """Bring the files of tasks into the cache (default: of all), going on where an earlier try broke off.

    Exit code 0 if all are there, 1 if one cannot be had, 2 if the command was wrong.
    """
    from lstm_bench.catalog.data import user_folder, where_to_put
    from lstm_bench.catalog.fetching import Unavailable, bring
    from lstm_bench.cli.progress import fetching

    unavailable = {}
    with fetching() as watcher:
        for file in dict.fromkeys(file for info in _tasks(plugin_files, tasks) for file in info.files):
            try:
                click.echo(bring(file, user_folder(), watcher))
            except Unavailable as error:
                unavailable[file] = str(error)
    for line in unavailable.values():
        say(f"error: {line}")
    if unavailable:
        say(where_to_put(list(unavailable), user_folder()))
    return 1 if unavailable else 0


@data.command("list")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@plugin_option
def data_list(tasks: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """List the files of tasks (default: of all): how large they are, whether they are there and right, and where.

    Exit code 1 if one is damaged.
    """
    from lstm_bench.catalog.data import look, user_folder
    from lstm_bench.cli.listing import data_files

    infos = _tasks(plugin_files, tasks)
    rows = [(info, file, look(file, user_folder())) for info in infos for file in info.files]
    click.echo(data_files(rows), nl=False)
    return 1 if any(found.state == "damaged" for _, _, found in rows) else 0


@data.command("path")
@click.argument("task", required=False)
@plugin_option
def data_path(task: str | None, plugin_files: tuple[Path, ...]) -> None:
    """Print the folders in which files are looked for (those of TASK), in that order; the last is the cache."""
    from lstm_bench.catalog.data import folders, user_folder

    places = folders(user_folder())
    if task is not None:
        below = dict.fromkeys(file.folder for info in _tasks(plugin_files, [task]) for file in info.files)
        places = [place / name for place in places for name in below]
    click.echo("".join(f"{place}\n" for place in places), nl=False)


def _tasks(plugin_files: Sequence[Path], tasks: Sequence[str]) -> list[TaskInfo]:
    """The tasks of these selectors, each once; all for none."""
    from lstm_bench.catalog.choosing import choose_tasks

    plugins = load(plugin_files)
    return list({task.info.name: task.info for task in choose_tasks(plugins, tasks or list(plugins.tasks))}.values())
