"""``lstm-bench report``, ``list`` and ``env``: looking at what there is."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lstm_bench.cli.options import load, plugin_option, read_results, rendering, say, table_options
from lstm_bench.errors import LSTMBenchError, UnknownName

if TYPE_CHECKING:
    from lstm_bench.catalog.loading import Plugins
    from lstm_bench.plugin.reporter import ReporterInfo


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/local"))
@table_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the report to a file, whose suffix chooses the format: .md, .tex, .csv, .json, .html, ...",
)
@click.option(
    "--all", "everything", is_flag=True, help="Show every attempt, not just the latest of each configuration."
)
@plugin_option
def report(
    folder: Path,
    format_name: str | None,
    details: bool,
    columns: str | None,
    output: Path | None,
    everything: bool,
    plugin_files: tuple[Path, ...],
) -> int:
    """Print the attempts in FOLDER (default: results/local), or in one file."""
    from lstm_bench.record import store

    plugins = load(plugin_files)
    if format_name is None and output is not None:
        reporter = _by_suffix(plugins, output)
    else:
        reporter = plugins.reporter(format_name or "table")
        if output is not None:
            _require_no_other_format(plugins, output, reporter)
    render = rendering(plugins, reporter.name, details=details, columns=columns)
    attempts, problems = read_results(folder)
    shown = attempts if everything else store.latest(attempts)
    if output is None:
        click.echo(render(shown), nl=False)
    else:
        with redirect_stdout(io.StringIO()):  # which is no terminal, so that a file gets no colours
            text = render(shown)
        store.write_text(text, output)
        say(f"the report is in {output}")
    if len(shown) < len(attempts):
        say(f"{len(attempts) - len(shown)} older attempts of the same configurations are not shown; --all shows them")
    return 1 if problems else 0


def _by_suffix(plugins: Plugins, output: Path) -> ReporterInfo:
    """The format of a file.

    Raises:
        UnknownName: if none has this suffix.
    """
    by_suffix = {info.suffix: info for info in plugins.reporters.values() if info.suffix}
    suffix = output.suffix.lower()
    if suffix not in by_suffix:
        raise UnknownName("suffix", suffix, by_suffix, f"--output {output}, where no --format is given")
    return by_suffix[suffix]


def _require_no_other_format(plugins: Plugins, output: Path, reporter: ReporterInfo) -> None:
    """Make sure that a file's suffix does not promise another format; a .txt may hold any.

    Raises:
        LSTMBenchError: naming both.
    """
    suffix = output.suffix.lower()
    others = [info.name for info in plugins.reporters.values() if info.suffix == suffix not in ("", ".txt")]
    if others and reporter.name not in others:
        raise LSTMBenchError(
            f"--output {output} and --format {reporter.name} contradict each other: {output.suffix} is a file of "
            f"format {others[0]}"
        )


@click.command("list")
@click.argument("what", type=click.Choice(["backends", "tasks", "recipes", "formats", "charts"]), required=False)
@plugin_option
def list_(what: str | None, plugin_files: tuple[Path, ...]) -> None:
    """List what there is: backends, tasks, recipes, formats, charts (default: all)."""
    from lstm_bench.cli.listing import SECTIONS

    plugins = load(plugin_files)
    click.echo("\n".join(SECTIONS[name](plugins) for name in ([what] if what else SECTIONS)), nl=False)


@click.command()
@plugin_option
def env(plugin_files: tuple[Path, ...]) -> None:
    """Print what a bug report needs: this machine, and the versions of everything that takes part."""
    from lstm_bench.cli.listing import environment

    click.echo(environment(load(plugin_files)), nl=False)
