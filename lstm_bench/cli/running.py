"""``lstm-bench run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lstm_bench.cli.config import read_config, written
from lstm_bench.cli.options import (
    INTERRUPTED,
    F,
    backend_option,
    load,
    plugin_option,
    rendering,
    say,
    table_options,
    task_option,
    timeout_option,
    warn_of,
)
from lstm_bench.errors import InvalidRequest, LSTMBenchError, UnknownName
from lstm_bench.execute.request import EPOCHS, SEED, STEPS, THREADS
from lstm_bench.model.axes import AXES
from lstm_bench.model.spec import PRECISIONS
from lstm_bench.record.configuration import EFFORTS

if TYPE_CHECKING:
    from lstm_bench.catalog.loading import Plugins
    from lstm_bench.execute.request import Request
    from lstm_bench.execute.run import PreparedRun
    from lstm_bench.record.attempt import Attempt
    from lstm_bench.record.configuration import Configuration, Effort


FLAGS_OF_EFFORT = ("quick", "rigorous")
"""Flags that choose an effort."""

NOT_IN_A_FILE = (*FLAGS_OF_EFFORT, "config", "help", "dry_run")
"""Options that a file for ``--config`` cannot set. It has the key ``effort`` in place of the flags."""


def _axis_options(command: F) -> F:
    """Add an option for each axis along which a recipe can be varied."""
    for name, axis in reversed(list(AXES.items())):
        kind = click.Choice(axis.choices) if axis.choices else None
        command = click.option(
            f"--{name}",
            multiple=True,
            type=kind,
            metavar=None if kind else "VALUE",
            help=f"{axis.meaning} Repeatable.  [default: the recipe's]",
        )(command)
    return command


def _read_config(context: click.Context, parameter: click.Parameter, file: Path | None) -> None:
    """Take the values of options from a TOML file. Values on the command line go first.

    Raises:
        LSTMBenchError: if the file cannot be read, or has a key that is no option, with the nearest option.
    """
    if file is None:
        return
    options = {
        name.removeprefix("--"): option
        for option in context.command.params
        for name in option.opts
        if name.startswith("--") and option.name not in NOT_IN_A_FILE
    }
    given = read_config(file, (*options, "effort"))
    if "effort" in given and given["effort"] not in EFFORTS:
        raise UnknownName("effort", str(given["effort"]), EFFORTS, f"--config {file}")
    chosen = given.pop("effort", None)
    context.default_map = {name: name == chosen for name in FLAGS_OF_EFFORT} | {
        options[key].name if key in options else key: written(
            value, several=getattr(options.get(key), "multiple", False)
        )
        for key, value in given.items()
    }


@click.command()
@backend_option("run", "every installed one")
@task_option("Task to run")
@click.option(
    "--device", "devices", multiple=True, default=("cpu",), show_default=True, help="cpu, cuda or cuda:N; repeatable."
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(PRECISIONS),
    default=("float32",),
    show_default=True,
    help="Number format to compute in; float32 is IEEE float32. Repeatable.",
)
@click.option("--quick", is_flag=True, help="A glance: 1 round of 3 blocks, a tenth of the epochs.")
@click.option("--rigorous", is_flag=True, help="For publishing: 10 rounds of 30 longer blocks.")
@click.option("--epochs", type=click.IntRange(*EPOCHS), help="Train this many epochs in place of the recipe's number.")
@click.option("--steps", type=click.IntRange(*STEPS), help="End training after this many optimizer steps.")
@_axis_options
@click.option("--length", "lengths", multiple=True, metavar="STEPS", help="Time steps of a sequence. Repeatable.")
@click.option(
    "--threads", type=click.IntRange(*THREADS), help="Processor threads for each worker.  [default: all cores]"
)
@click.option(
    "--seed",
    type=click.IntRange(*SEED),
    default=0,
    show_default=True,
    help="Seed of weights, batch order and generated data.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Run this many seeds, starting with --seed; the table shows median and range.",
)
@click.option(
    "--require-kernel",
    default="",
    metavar="NAME",
    help="Make every other kernel a mismatch: onednn, or onednn|cudnn to allow two.",
)
@timeout_option(900.0)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results/local"),
    show_default=True,
    help="Folder for the results; each attempt is a file.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    callback=_read_config,
    expose_value=False,
    help="Read options from a file, such as hidden = [64, 128]. The command line overrides it.",
)
@click.option("--resume", is_flag=True, help="Run only what has no ok attempt yet, made here by the same software.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and estimate its time from earlier attempts.")
@table_options
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, only the table and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show every phase of every worker.")
@plugin_option
def run(
    *,
    backends: tuple[str, ...],
    quick: bool,
    rigorous: bool,
    seed: int,
    seeds: int,
    results: Path,
    resume: bool,
    dry_run: bool,
    format_name: str | None,
    details: bool,
    columns: str | None,
    quiet: bool,
    verbose: bool,
    plugin_files: tuple[Path, ...],
    **asked: Any,
) -> int:
    """Run tasks on backends, each configuration in its own process, and print the table.

    Repeat an option to sweep it: every combination becomes a row.

    Exit code 0 if all went well, 1 if something was measured and failed, 2 if the command was
    wrong.
    """
    from lstm_bench.cli.progress import display, fetching
    from lstm_bench.execute import run as running
    from lstm_bench.execute.plan import plan_configurations

    if quiet and verbose:
        raise LSTMBenchError("--quiet and --verbose contradict each other: give one of them")
    plugins = load(plugin_files)
    render = rendering(plugins, format_name or "table", details=details, columns=columns)
    request = _request(
        backends=backends,
        effort=_effort(quick=quick, rigorous=rigorous),
        seeds=range(seed, seed + seeds),
        options=asked,
    )
    if dry_run:
        _show_plan(plan_configurations(plugins, request), plugins, results)
        return 0
    with fetching() as watcher:
        prepared = running.prepare(
            request, plugins, plugin_files=plugin_files, results=results, resume=resume, watcher=watcher
        )
    warn_of(prepared.problems)
    if not quiet:
        _announce(prepared, results, every_backend=not backends)
    try:
        with display(quiet=quiet, verbose=verbose) as show:
            done = running.run(prepared, show)
    except running.RunInterrupted as interrupt:
        kept = len(interrupt.run.attempts) - len(interrupt.run.problems)
        say(f"interrupted; attempts kept in {results}: {kept}; the same command with --resume goes on")
        return INTERRUPTED
    click.echo(render(done.attempts), nl=False)
    for line in done.problems:
        say(f"error: {line}")
    if not (quiet or done.problems):
        say(f"as a page: lstm-bench report {quote(str(results))} -o page.html")
    return 1 if done.problems else exit_code(done.attempts)


def _effort(**flags: bool) -> Effort:
    """Return the effort that is asked for. A flag of the command line goes before one of ``--config``.

    Raises:
        LSTMBenchError: if the command line has several flags.
    """
    source = click.get_current_context().get_parameter_source
    asked = [name for name in flags if flags[name]]
    typed = [name for name in asked if source(name) is ParameterSource.COMMANDLINE]
    if len(typed) > 1:
        raise LSTMBenchError(f"{' and '.join(f'--{name}' for name in typed)} contradict each other: give one of them")
    return EFFORTS[next(iter(typed or asked), "default")]


def _request(*, backends: Sequence[str], effort: Effort, seeds: Sequence[int], options: Mapping[str, Any]) -> Request:
    """The request that the options make. Its fields have the names of the options."""
    from lstm_bench.execute.request import Request

    given = dict(options)
    axes = {name: given.pop(name.replace("-", "_")) for name in AXES}
    try:
        return Request(backends=backends, effort=effort, seeds=seeds, axes=axes, **given)
    except InvalidRequest as error:
        raise LSTMBenchError(f"--{error.name.replace('_', '-')} {error.problem}") from None


def _announce(prepared: PreparedRun, results: Path, *, every_backend: bool) -> None:
    """Say what will be run, and what is left out."""
    if every_backend:
        for info in prepared.plugins.backends.values():
            if info.missing():
                say(f"{info.name} is left out, since {', '.join(info.missing())} is not installed: {info.install}")
    effort, earlier = prepared.request.effort, prepared.earlier
    rounds = f" in {effort.rounds} rounds" if effort.rounds > 1 else ""
    already = f"; {len(earlier.done)} attempts of run {earlier.run} are there already" if earlier.done else ""
    say(f"{len(prepared.configurations)} to run{rounds}, effort {effort.name}, results in {results}{already}")
    for line in shape_lines(prepared.configurations, prepared.plugins):
        say(line)


def _show_plan(configurations: Sequence[Configuration], plugins: Plugins, results: Path) -> None:
    from lstm_bench.execute.estimate import estimate, in_words
    from lstm_bench.host.machine import describe_machine
    from lstm_bench.record import store

    attempts, problems = store.read_folder(results) if results.is_dir() else ([], [])
    warn_of(problems)
    expected = estimate(configurations, attempts, describe_machine())
    for line in shape_lines(configurations, plugins):
        click.echo(line)
    width = max(len(configuration.name) for configuration in configurations)
    for configuration, seconds in zip(configurations, expected.seconds, strict=True):
        limits = f"{configuration.epochs} epochs" + (
            f", at most {configuration.steps} steps" if configuration.steps else ""
        )
        about = "unknown" if seconds is None else f"about {in_words(seconds)}"
        click.echo(f"{configuration.name:{width}}  {limits if configuration.epochs else 'no training'}  {about}")
    known = len(configurations) - expected.unknown
    if not known:
        click.echo(
            f"{len(configurations)} to run; how long is unknown, since {results} has no attempt like these of this "
            "machine: run it once with --quick, and --dry-run estimates from that"
        )
        return
    less = f" for {known} of them; {results} has no attempt like the others" if expected.unknown else ""
    click.echo(f"{len(configurations)} to run, about {in_words(expected.known)}{less}")


def shape_lines(configurations: Sequence[Configuration], plugins: Plugins) -> list[str]:
    """For each task and recipe, what will be computed, and which sizes are the recipe's own."""
    from lstm_bench.model.shape import shape_line

    by_selector: dict[str, list[Configuration]] = {}
    for configuration in configurations:
        by_selector.setdefault(configuration.task_selector, []).append(configuration)
    lines = []
    for selector, found in by_selector.items():
        info = plugins.tasks[found[0].task]
        options = info.read({n: v for n, v in found[0].task_options.items() if found[0].task_defaults.get(n) != v})
        recipes = [configuration.recipe for configuration in found]
        line = shape_line(
            [recipe.model for recipe in recipes],
            [recipe.train.batch_size for recipe in recipes],
            [info.time_steps(recipe, options) for recipe in recipes],
        )
        own = [name for name in options if options[name] is None and name.replace("_", "-") not in found[0].changes]
        given = len(own) < len(options)
        lines.append(f"{selector}: {line}" + (f" (by default: {', '.join(own)})" if own and given else ""))
    return lines


def exit_code(attempts: Sequence[Attempt]) -> int:
    """Return 0 if nothing failed. A refusal is no failure, unless the run has nothing else."""
    statuses = [attempt.status for attempt in attempts]
    failed = any(status not in ("ok", "disturbed", "unsupported") for status in statuses)
    return 1 if failed or not {"ok", "disturbed"} & set(statuses) else 0
