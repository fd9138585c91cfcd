"""``lstm-bench report``, ``list`` and ``env``: looking at what there is."""

from __future__ import annotations

from pathlib import Path

import click

from lstm_bench.cli.options import load, plugin_option, say
from lstm_bench.errors import LSTMBenchError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/local"))
@click.option("--format", "format_name", default="table", show_default=True, help="table, md, csv, json or a plugin's.")
@click.option("--all", "everything", is_flag=True, help="Every attempt, not just the latest of each cell.")
@plugin_option
def report(folder: Path, format_name: str, everything: bool, plugin_files: tuple[Path, ...]) -> int:
    """Print the attempts in FOLDER (default: results/local), or in one file."""
    from lstm_bench import store

    reporter = load(plugin_files).reporter(format_name)
    attempts, problems = store.read_folder(folder)
    for problem in problems:
        say(f"warning: left out: {problem}")
    if not attempts:
        raise LSTMBenchError(f"there are no results in {folder}: write some with lstm-bench run --results {folder}")
    shown = attempts if everything else store.latest(attempts)
    click.echo(reporter.render(shown), nl=False)
    if len(shown) < len(attempts):
        say(f"{len(attempts) - len(shown)} older attempts of the same cells are not shown; --all shows them")
    return 1 if problems else 0


@click.command("list")
@click.argument("what", type=click.Choice(["backends", "tasks", "recipes", "formats", "charts"]), required=False)
@plugin_option
def list_(what: str | None, plugin_files: tuple[Path, ...]) -> None:
    """List what there is: backends, tasks, recipes, formats, charts (default: all)."""
    from lstm_bench.listing import SECTIONS

    plugins = load(plugin_files)
    click.echo("\n".join(SECTIONS[name](plugins) for name in ([what] if what else SECTIONS)), nl=False)


@click.command()
@plugin_option
def env(plugin_files: tuple[Path, ...]) -> None:
    """Print what a bug report needs: this machine, and the versions of everything that takes part."""
    from lstm_bench.listing import environment

    click.echo(environment(load(plugin_files)), nl=False)
