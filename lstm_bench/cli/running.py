"""``lstm-bench run``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lstm_bench.cli.config import read_config, written
from lstm_bench.cli.options import (
    INTERRUPTED,
    F,
    backend_option,
    load,
    plugin_option,
    require_files,
    say,
    task_option,
    timeout_option,
    warn_of,
)
from lstm_bench.errors import LSTMBenchError, StoreError, UnknownName
from lstm_bench.model.axes import AXES
from lstm_bench.model.spec import PRECISIONS
from lstm_bench.record.configuration import EFFORTS

if TYPE_CHECKING:
    from lstm_bench.catalog.loading import Plugins
    from lstm_bench.execute.resume import Resumption
    from lstm_bench.execute.rounds import Turn
    from lstm_bench.model.spec import Precision
    from lstm_bench.record.attempt import Attempt
    from lstm_bench.record.configuration import Configuration


def _axis_options(command: F) -> F:
    """An option for each axis along which a recipe can be varied."""
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
    """Let a TOML file say what the options are where the command line does not.

    Raises:
        LSTMBenchError: if it cannot be read, or has a key that is no option, with the nearest that is.
    """
    if file is None:
        return
    options = {
        name.removeprefix("--"): option
        for option in context.command.params
        for name in option.opts
        if name.startswith("--") and option.name not in ("effort", "config", "help", "dry_run")
    }
    given = read_config(file, (*options, "effort"))
    if "effort" in given and given["effort"] not in EFFORTS:
        raise UnknownName("effort", str(given["effort"]), EFFORTS, f"--config {file}")
    context.default_map = {
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
    help="What to compute in; float32 is IEEE float32. Repeatable.",
)
@click.option("--quick", "effort", flag_value="quick", help="A glance: 1 round of 3 blocks, a tenth of the epochs.")
@click.option("--rigorous", "effort", flag_value="rigorous", help="For publishing: 10 rounds of 30 longer blocks.")
@click.option(
    "--epochs", type=click.IntRange(1, 10**6), help="Train this many epochs, not the recipe's; the table says so."
)
@click.option("--steps", type=click.IntRange(1, 10**9), help="End training after this many optimizer steps.")
@_axis_options
@click.option("--length", "lengths", multiple=True, metavar="STEPS", help="Time steps of a sequence. Repeatable.")
@click.option(
    "--threads", type=click.IntRange(1, 4096), help="Processor threads for each worker.  [default: all cores]"
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of weights, batch order and generated data.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Repeat with as many seeds, from --seed on; the table shows median and range.",
)
@click.option(
    "--require-kernel",
    default="",
    metavar="NAME",
    help="A mismatch unless this computed inference and training: onednn, or onednn|cudnn for either.",
)
@timeout_option(900.0)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results/local"),
    show_default=True,
    help="Folder for the results, one file for each attempt.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    callback=_read_config,
    expose_value=False,
    help="Take options from a file: hidden = [64, 128]. Those given here go first.",
)
@click.option(
    "--resume", is_flag=True, help="Run only what has no attempt yet that is ok and made by the same software here."
)
@click.option("--dry-run", is_flag=True, help="Print the plan, and how long it will take by earlier attempts.")
@plugin_option
def run(
    backends: tuple[str, ...],
    tasks: tuple[str, ...],
    devices: tuple[str, ...],
    precisions: tuple[Precision, ...],
    effort: str | None,
    epochs: int | None,
    steps: int | None,
    lengths: tuple[str, ...],
    threads: int | None,
    seed: int,
    seeds: int,
    require_kernel: str,
    timeout: float,
    results: Path,
    resume: bool,
    dry_run: bool,
    plugin_files: tuple[Path, ...],
    **axes: tuple[str, ...],
) -> int:
    """Run tasks on backends, each configuration in a process of its own, and print the table.

    What can be repeated makes a grid: all combinations are run.

    Exit code 0 if all went well, 1 if something was measured and failed, 2 if the command was
    wrong.
    """
    from lstm_bench.execute.plan import Request, plan_configurations
    from lstm_bench.execute.resume import reusable
    from lstm_bench.host.machine import describe_machine, usable_cores
    from lstm_bench.record import store

    plugins = load(plugin_files)
    cores = usable_cores()
    if threads is not None and threads > cores:
        raise LSTMBenchError(f"--threads {threads} is more than the {cores} cores that this process may use")
    request = Request(
        backends=backends,
        tasks=tasks,
        devices=devices,
        precisions=precisions,
        lengths=lengths,
        axes={name: axes[name.replace("-", "_")] for name in AXES},
        seeds=range(seed, seed + seeds),
        effort=EFFORTS[effort or "default"],
        epochs=epochs,
        steps=steps,
        threads=threads or cores,
        require_kernel=require_kernel,
    )
    configurations = plan_configurations(plugins, request)
    if dry_run:
        _show_plan(configurations, results)
        return 0
    require_files(plugins.tasks[configuration.task] for configuration in configurations)
    store.prepare_folder(results)
    if not backends:
        for info in plugins.backends.values():
            if info.missing():
                say(f"{info.name} is left out, since {', '.join(info.missing())} is not installed: {info.install}")
    attempts, problems = store.read_folder(results) if resume else ([], [])
    warn_of(problems)
    earlier = reusable(configurations, attempts, describe_machine())
    rounds = f" in {request.effort.rounds} rounds" if request.effort.rounds > 1 else ""
    already = f"; {len(earlier.done)} attempts of run {earlier.run} are there already" if earlier.done else ""
    say(f"{len(configurations)} to run{rounds}, effort {request.effort.name}, results in {results}{already}")
    return _run_configurations(configurations, seed, plugins, plugin_files, timeout, results, earlier)


def _show_plan(configurations: Sequence[Configuration], results: Path) -> None:
    from lstm_bench.execute.estimate import estimate, in_words
    from lstm_bench.host.machine import describe_machine
    from lstm_bench.record import store

    attempts, problems = store.read_folder(results) if results.is_dir() else ([], [])
    warn_of(problems)
    expected = estimate(configurations, attempts, describe_machine())
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
            f"{len(configurations)} to run; how long is unknown: {results} has no attempt like these of this machine"
        )
        return
    less = f" for {known} of them; of the others {results} has no attempt that is like them" if expected.unknown else ""
    click.echo(f"{len(configurations)} to run, about {in_words(expected.known)}{less}")


def _run_configurations(
    configurations: Sequence[Configuration],
    seed: int,
    plugins: Plugins,
    plugin_files: Sequence[Path],
    timeout: float,
    results: Path,
    earlier: Resumption,
) -> int:
    """Run what is not done, and print the table of all."""
    from lstm_bench.cli.progress import display
    from lstm_bench.execute import campaign
    from lstm_bench.execute.attempt import new_run_id, run_attempt
    from lstm_bench.record import store
    from lstm_bench.worker.protocol import MeasureJob

    attempts: list[Attempt] = []
    unstored: list[str] = []
    run_id = earlier.run or new_run_id()
    with display() as watching:

        def run_turn(number: int, total: int, turn: Turn, *, times_only: bool) -> Attempt:
            watching.begin(number, total, turn)
            job = MeasureJob(
                configuration=turn.configuration,
                plugin_files=tuple(str(file.resolve()) for file in plugin_files),
                data_dir=os.environ.get("LSTM_BENCH_DATA") or None,
                run=run_id,
                round=turn.round,
                times_only=times_only,
            )
            attempt = run_attempt(
                job, plugins.backends[turn.configuration.backend], timeout=timeout, on_message=watching.hear
            )
            watching.end(attempt)
            return attempt

        def keep(attempt: Attempt) -> None:
            attempts.append(attempt)
            if earlier.done.get((attempt.configuration.fingerprint, attempt.round)) is attempt:
                return
            try:
                store.write_attempt(attempt, results)
            except StoreError as error:  # its row is still shown, and the other configurations still run
                unstored.append(str(error))

        try:
            campaign.carry_out(configurations, seed, run_turn, earlier.done, keep)
        except KeyboardInterrupt:
            kept = len(attempts) - len(unstored)
            say(f"interrupted; attempts kept in {results}: {kept}; the same command with --resume goes on")
            return INTERRUPTED
    places = {configuration.fingerprint: place for place, configuration in enumerate(configurations)}
    attempts.sort(key=lambda attempt: (places[attempt.configuration.fingerprint], attempt.id))
    click.echo(plugins.reporter("table").render(attempts), nl=False)
    for line in unstored:
        say(f"error: {line}")
    return 1 if unstored else exit_code(attempts)


def exit_code(attempts: Sequence[Attempt]) -> int:
    """0 if nothing failed. A refusal is an answer, not a failure, unless nothing else came of the run."""
    statuses = [attempt.status for attempt in attempts]
    failed = any(status not in ("ok", "disturbed", "unsupported") for status in statuses)
    return 1 if failed or not {"ok", "disturbed"} & set(statuses) else 0
