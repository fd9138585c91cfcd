"""``lstm-bench check``."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lstm_bench.cli.options import backend_option, load, plugin_option, require_files, say, task_option, timeout_option
from lstm_bench.errors import LSTMBenchError
from lstm_bench.model.spec import PRECISIONS

if TYPE_CHECKING:
    from lstm_bench.catalog.loading import Plugins
    from lstm_bench.execute.pool import Subject
    from lstm_bench.model.spec import Precision
    from lstm_bench.reports.table import Summary


@click.command()
@backend_option("check", "every installed one, on each of its engines")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(PRECISIONS),
    help="Number format to compute in; repeatable.  [default: float32 and float64]",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=0,
    show_default=True,
    help="Seed of the cases, or of a trajectory's weights, batch order and generated data.",
)
@click.option("--cases", type=click.IntRange(1, 10**6), help="Number of cases.  [default: 30; rigorous: 200]")
@click.option("--rigorous", is_flag=True, help="Check 200 cases.")
@click.option("--case", metavar="JSON", help="Check this one case, which a failure printed.")
@click.option(
    "--trajectory", is_flag=True, help="Train a task's recipe in place of cases, and show where the loss curves part."
)
@task_option("Task of --trajectory")
@click.option("--steps", type=click.IntRange(1), help="Training steps of --trajectory.  [default: 1000]")
@click.option("--format", "format_name", type=click.Choice(["table", "md", "json"]), default="table", show_default=True)
@timeout_option(1800.0)
@plugin_option
def check(
    backends: tuple[str, ...],
    precisions: tuple[Precision, ...],
    device: str,
    seed: int,
    cases: int | None,
    rigorous: bool,
    case: str | None,
    trajectory: bool,
    tasks: tuple[str, ...],
    steps: int | None,
    format_name: str,
    timeout: float,
    plugin_files: tuple[Path, ...],
) -> int:
    """Compare backends with the float64 reference: outputs, states, loss, every gradient, training.

    The seed draws the cases: all cells, one to three layers, every feature of a model. If a backend disagrees, the
    output says which mistake would explain it, and prints the command that repeats the case.

    With --trajectory, every backend trains a task's recipe, from the same weights over the same batches, in float32
    (or the one --precision given) and in float64. The table shows the steps at which the losses part.

    Exit code 0 if all agree, 1 if one disagrees or nothing could be compared, 2 if the command was wrong.
    """
    given = {"--cases": cases, "--rigorous": rigorous or None, "--case": case}
    of_trajectory = {"--task": tasks or None, "--steps": steps}
    if misplaced := [name for name, value in (given if trajectory else of_trajectory).items() if value is not None]:
        goes = "does not go with" if trajectory else "goes only with"
        raise LSTMBenchError(f"{misplaced[0]} {goes} --trajectory")
    plugins = load(plugin_files)
    if trajectory:
        return _check_trajectories(
            plugins,
            plugin_files,
            backends,
            tasks,
            _low_precision(precisions),
            device,
            steps=steps or 1000,
            seed=seed,
            timeout=timeout,
            format_name=format_name,
        )
    return _check_cases(
        plugins,
        plugin_files,
        backends,
        precisions or ("float32", "float64"),
        device,
        seed=seed,
        count=cases or (200 if rigorous else 30),
        case=case,
        timeout=timeout,
        format_name=format_name,
    )


def _check_cases(
    plugins: Plugins,
    plugin_files: Sequence[Path],
    backends: Sequence[str],
    precisions: Sequence[Precision],
    device: str,
    *,
    seed: int,
    count: int,
    case: str | None,
    timeout: float,
    format_name: str,
) -> int:
    from lstm_bench.cli.progress import counting
    from lstm_bench.conformance.cases import read_case
    from lstm_bench.execute.check import check
    from lstm_bench.host.machine import usable_cores
    from lstm_bench.reports import check as agreement

    if case is not None:
        read_case(case)  # what is wrong with it is said here, once
    numbers = range(1 if case is not None else count)
    subjects = [
        subject
        for precision in dict.fromkeys(precisions)
        for subject in _subjects(plugins, plugin_files, backends, precision, device)
    ]
    say(f"{len(subjects)} to check in {len(numbers)} {'case' if len(numbers) == 1 else 'cases'} each")
    with counting(len(subjects) * len(numbers)) as tell:
        outcomes = check(
            subjects, seed=seed, numbers=numbers, case=case, timeout=timeout, workers=usable_cores(), on_progress=tell
        )
    if format_name == "json":
        click.echo(agreement.render_json(outcomes), nl=False)
    else:
        summarise = agreement.publish if format_name == "md" else agreement.summarise
        _show(summarise(outcomes, seed=seed, case=case), format_name)
    return _agreement_code({outcome.verdict for outcome in outcomes})


def _check_trajectories(
    plugins: Plugins,
    plugin_files: Sequence[Path],
    backends: Sequence[str],
    tasks: Sequence[str],
    precision: Precision,
    device: str,
    *,
    steps: int,
    seed: int,
    timeout: float,
    format_name: str,
) -> int:
    from lstm_bench.catalog.choosing import choose_tasks
    from lstm_bench.cli.progress import counting
    from lstm_bench.execute.trajectory import curves_of, plan_trajectories, trace
    from lstm_bench.host.machine import usable_cores
    from lstm_bench.reports import trajectory as report

    subjects = _subjects(plugins, plugin_files, backends, precision, device)
    chosen = choose_tasks(plugins, tasks)
    require_files(task.info for task in chosen)
    trajectories = plan_trajectories(plugins, chosen, subjects, steps)
    curves = curves_of(trajectories)
    say(f"{len(curves)} curves of {steps} {'step' if steps == 1 else 'steps'} each")
    with counting(len(curves) * steps) as tell:
        trace(
            curves,
            steps=steps,
            seed=seed,
            data_dir=os.environ.get("LSTM_BENCH_DATA") or None,
            timeout=timeout,
            workers=usable_cores(),
            on_progress=tell,
        )
    if format_name == "json":
        click.echo(report.render_json(trajectories, seed=seed), nl=False)
    else:
        _show(report.summarise(trajectories, seed=seed), format_name)
    return _agreement_code({trajectory.verdict for trajectory in trajectories})


def _low_precision(precisions: Sequence[Precision]) -> Precision:
    """The one precision that trajectories compare with float64."""
    if len(precisions) > 1 or "float64" in precisions:
        others = ", ".join(precision for precision in PRECISIONS if precision != "float64")
        raise LSTMBenchError(f"--trajectory takes one --precision, which it shows beside float64: {others}")
    return precisions[0] if precisions else "float32"


def _subjects(
    plugins: Plugins, plugin_files: Sequence[Path], backends: Sequence[str], precision: Precision, device: str
) -> list[Subject]:
    from lstm_bench.catalog.choosing import choose_engines, parse_device
    from lstm_bench.execute.pool import Subject

    files = tuple(str(file.resolve()) for file in plugin_files)
    return [Subject(backend, precision, parse_device(device), files) for backend in choose_engines(plugins, backends)]


def _show(summary: Summary, format_name: str) -> None:
    from lstm_bench.reports import markdown, terminal

    click.echo((terminal if format_name == "table" else markdown).show(summary), nl=False)


def _agreement_code(verdicts: Collection[str]) -> int:
    """Return 0 if all agree. A refusal is no failure, unless the check has nothing else."""
    return 0 if "agrees" in verdicts and set(verdicts) <= {"agrees", "unsupported"} else 1
