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
    """Fetch, list and find the files that tasks need.

    Tasks search the folder that LSTM_BENCH_DATA names, then the cache. Missing files are downloaded into the cache.
    LSTM_BENCH_CACHE names another place for the cache.
    """


@data.command("fetch")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@plugin_option
def data_fetch(tasks: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """Download the files of tasks (default: of all) into the cache, and resume a download that broke off.

    Exit code 0 if all files are there, 1 if one is not available, 2 if the command was wrong.
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
    """List the files of tasks (default: of all): size, place, and whether each file is there and right.

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
    """Print the folders that are searched for files (of TASK), in that order; the last one is the cache."""
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
