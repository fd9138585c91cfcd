"""The command line."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from lstm_bench import __version__
from lstm_bench.config import read_config, written
from lstm_bench.errors import LSTMBenchError, StoreError, UnknownName
from lstm_bench.grid import AXES
from lstm_bench.plugins import Plugins, load_plugins
from lstm_bench.result import EFFORTS
from lstm_bench.spec import PRECISIONS
from lstm_bench.text import one_line

if TYPE_CHECKING:
    from lstm_bench.pool import Subject
    from lstm_bench.reports.summary import Summary
    from lstm_bench.result import Attempt, Cell
    from lstm_bench.spec import Precision
    from lstm_bench.task import TaskInfo

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

F = TypeVar("F", bound=Callable[..., Any])


class _Commands(click.Group):
    """Turns our errors into one line and the right exit code, wherever in a command they come from."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        debug = "--debug" in (kwargs.get("args") or (args[0] if args else None) or sys.argv)
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _say("interrupted")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # as in `lstm-bench report | head`
            sys.stderr.close()
            sys.exit(1)
        except LSTMBenchError as error:
            if debug:
                raise
            _say(f"error: {error}")
            sys.exit(2)
        sys.exit(code if isinstance(code, int) else 0)


def _say(line: str) -> None:
    click.echo(f"lstm-bench: {one_line(line)}", err=True)


def _plugins(files: Sequence[Path]) -> Plugins:
    plugins = load_plugins(files)
    for failure in plugins.failures:
        _say(f"warning: {failure}")
    return plugins


def _not_nan(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is in every range
        raise click.BadParameter("nan is no number of seconds", context, parameter)
    return value


def _timeout_option(seconds: float) -> Callable[[F], F]:
    return click.option(
        "--timeout", callback=_not_nan, type=click.FloatRange(0, 10**7, min_open=True), default=seconds,
        show_default=True, help="Seconds after which a worker is stopped.",
    )  # fmt: skip


def _plugin_option(command: F) -> F:
    return click.option(
        "--plugin", "plugin_files", multiple=True, metavar="FILE.py", type=click.Path(path_type=Path),
        help="Use a Python file as a plugin, beside the installed ones. Repeatable.",
    )(command)  # fmt: skip


def _axis_options(command: F) -> F:
    """An option for each axis along which a recipe can be varied."""
    for name, axis in reversed(list(AXES.items())):
        kind = click.Choice(axis.choices) if axis.choices else None
        command = click.option(
            f"--{name}", multiple=True, type=kind, metavar=None if kind else "VALUE",
            help=f"{axis.meaning} Repeatable.  [default: the recipe's]",
        )(command)  # fmt: skip
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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lstm-bench")
@click.option("--debug", is_flag=True, help="Show a traceback where something goes wrong.")
def main(debug: bool) -> None:
    """Do the frameworks' recurrent networks agree, and which is fastest here?

    Every backend trains the same model from the same initial weights on the same batches, in a process of its own, and
    is held against a float64 reference before anything is timed.
    """


@main.command()
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME[option=value,...]",
    help="Backend to run; repeatable.  [default: every installed one]",
)
@click.option(
    "-t",
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[:RECIPE][option=value,...]",
    default=("flights",),
    show_default=True,
    help="Task to run; repeatable.",
)
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
@click.option("--quick", "effort", flag_value="quick", help="A glance: 3 blocks, a tenth of the epochs.")
@click.option("--rigorous", "effort", flag_value="rigorous", help="For publishing: 30 longer blocks.")
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
    "--seeds", type=click.IntRange(1, 1000), default=1, show_default=True,
    help="Repeat with as many seeds, from --seed on; the table shows median and range.",
)  # fmt: skip
@_timeout_option(900.0)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results/local"),
    show_default=True,
    help="Folder for the results, one file for each attempt.",
)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE.toml", is_eager=True, callback=_read_config,
    expose_value=False, help="Take options from a file: hidden = [64, 128]. Those given here go first.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the plan, and how long it will take by earlier attempts.")
@_plugin_option
def run(
    backends: tuple[str, ...], tasks: tuple[str, ...], devices: tuple[str, ...], precisions: tuple[Precision, ...],
    effort: str | None, epochs: int | None, steps: int | None, lengths: tuple[str, ...], threads: int | None,
    seed: int, seeds: int, timeout: float, results: Path, dry_run: bool, plugin_files: tuple[Path, ...],
    **axes: tuple[str, ...],
) -> int:  # fmt: skip
    """Run tasks on backends, each cell in a process of its own, and print the table.

    What can be repeated makes a grid: all combinations are run.

    Exit code 0 if all went well, 1 if something was measured and failed, 2 if the command was
    wrong.
    """
    from lstm_bench import store
    from lstm_bench.machine import usable_cores
    from lstm_bench.plan import Request, plan_cells

    plugins = _plugins(plugin_files)
    cores = usable_cores()
    if threads is not None and threads > cores:
        raise LSTMBenchError(f"--threads {threads} is more than the {cores} cores that this process may use")
    request = Request(
        backends=backends, tasks=tasks, devices=devices, precisions=precisions, lengths=lengths,
        axes={name: axes[name.replace("-", "_")] for name in AXES}, seeds=range(seed, seed + seeds),
        effort=EFFORTS[effort or "default"], epochs=epochs, steps=steps, threads=threads or cores,
    )  # fmt: skip
    cells = plan_cells(plugins, request)
    if dry_run:
        _show_plan(cells, results)
        return 0
    _require_files(plugins.tasks[cell.task] for cell in cells)
    store.prepare_folder(results)
    if not backends:
        for info in plugins.backends.values():
            if info.missing():
                _say(f"{info.name} is left out, since {', '.join(info.missing())} is not installed: {info.install}")
    _say(f"{len(cells)} to run, effort {request.effort.name}, results in {results}")
    return _run_cells(cells, plugins, plugin_files, timeout, results)


def _show_plan(cells: Sequence[Cell], results: Path) -> None:
    from lstm_bench import store
    from lstm_bench.estimate import estimate, in_words
    from lstm_bench.machine import describe_machine

    attempts = store.read_folder(results)[0] if results.is_dir() else []
    expected = estimate(cells, attempts, describe_machine())
    width = max(len(cell.name) for cell in cells)
    for cell, seconds in zip(cells, expected.seconds, strict=True):
        limits = f"{cell.epochs} epochs" + (f", at most {cell.steps} steps" if cell.steps else "")
        about = "unknown" if seconds is None else f"about {in_words(seconds)}"
        click.echo(f"{cell.name:{width}}  {limits if cell.epochs else 'no training'}  {about}")
    known = len(cells) - expected.unknown
    if not known:
        click.echo(
            f"{len(cells)} to run; how long is unknown, since {results} has no attempt like these of this machine"
        )
        return
    less = f" for {known} of them; of the others {results} has no attempt that is like them" if expected.unknown else ""
    click.echo(f"{len(cells)} to run, about {in_words(expected.known)}{less}")


def _run_cells(
    cells: Sequence[Cell], plugins: Plugins, plugin_files: Sequence[Path], timeout: float, results: Path
) -> int:
    from lstm_bench import store
    from lstm_bench.progress import display
    from lstm_bench.protocol import Job
    from lstm_bench.runner import run_attempt

    attempts: list[Attempt] = []
    unstored: list[str] = []
    kept = 0
    try:
        with display() as watching:
            for number, cell in enumerate(cells, 1):
                watching.begin(number, len(cells), cell)
                job = Job(
                    cell=cell,
                    plugin_files=tuple(str(file.resolve()) for file in plugin_files),
                    data_dir=os.environ.get("LSTM_BENCH_DATA") or None,
                )
                attempt = run_attempt(job, plugins.backends[cell.backend], timeout=timeout, on_message=watching.hear)
                attempts.append(attempt)
                watching.end(attempt)
                try:
                    store.write_attempt(attempt, results)
                    kept += 1
                except StoreError as error:  # its row is still shown, and the other cells still run
                    unstored.append(str(error))
    except KeyboardInterrupt:
        _say(f"interrupted; {kept} of {len(cells)} attempts are kept in {results}")
        return INTERRUPTED
    click.echo(plugins.reporter("table").render(attempts), nl=False)
    for line in unstored:
        _say(f"error: {line}")
    return 1 if unstored else exit_code(attempts)


def exit_code(attempts: Sequence[Attempt]) -> int:
    """0 if nothing failed. A refusal is an answer, not a failure, unless nothing else came of the run."""
    statuses = [attempt.status for attempt in attempts]
    failed = any(status not in ("ok", "unsupported") for status in statuses)
    return 1 if failed or "ok" not in statuses else 0


@main.command()
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME[option=value,...]",
    help="Backend to check; repeatable.  [default: every installed one, on each of its engines]",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(PRECISIONS),
    help="What to compute in; repeatable.  [default: float32 and float64]",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=0,
    show_default=True,
    help="Of the cases; of a trajectory's weights, batch order and generated data.",
)
@click.option("--cases", type=click.IntRange(1, 10**6), help="How many.  [default: 30; rigorous: 200]")
@click.option("--rigorous", is_flag=True, help="200 cases.")
@click.option("--case", metavar="JSON", help="This one case, as a failure names it.")
@click.option("--trajectory", is_flag=True, help="No cases: train by a task's recipe, and show where loss curves part.")
@click.option(
    "-t",
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[:RECIPE][option=value,...]",
    help="Task of --trajectory; repeatable.  [default: flights]",
)
@click.option("--steps", type=click.IntRange(1), help="Training steps of --trajectory.  [default: 1000]")
@click.option("--format", "format_name", type=click.Choice(["table", "md", "json"]), default="table", show_default=True)
@_timeout_option(1800.0)
@_plugin_option
def check(
    backends: tuple[str, ...], precisions: tuple[Precision, ...], device: str, seed: int, cases: int | None,
    rigorous: bool, case: str | None, trajectory: bool, tasks: tuple[str, ...], steps: int | None, format_name: str,
    timeout: float, plugin_files: tuple[Path, ...],
) -> int:  # fmt: skip
    """Hold backends against the float64 reference: outputs, states, loss, every gradient, training.

    The cases are drawn from the seed: all cells, one to three layers, everything that a model can be. For a backend
    that disagrees it says what would explain it, and the command that shows it again.

    With --trajectory every backend is trained by the recipe of a task instead, from the same weights over the same
    batches, in float32 (or in the one --precision given) and in float64, and the steps are shown at which the losses
    part.

    Exit code 0 if all agree, 1 if one disagrees or nothing could be compared, 2 if the command was wrong.
    """
    given = {"--cases": cases, "--rigorous": rigorous or None, "--case": case}
    of_trajectory = {"--task": tasks or None, "--steps": steps}
    if misplaced := [name for name, value in (given if trajectory else of_trajectory).items() if value is not None]:
        goes = "does not go with" if trajectory else "goes only with"
        raise LSTMBenchError(f"{misplaced[0]} {goes} --trajectory")
    plugins = _plugins(plugin_files)
    if trajectory:
        return _check_trajectories(
            plugins, plugin_files, backends, tasks or ("flights",), _low_precision(precisions), device,
            steps=steps or 1000, seed=seed, timeout=timeout, format_name=format_name,
        )  # fmt: skip
    return _check_cases(
        plugins, plugin_files, backends, precisions or ("float32", "float64"), device,
        seed=seed, count=cases or (200 if rigorous else 30), case=case, timeout=timeout, format_name=format_name,
    )  # fmt: skip


def _check_cases(
    plugins: Plugins, plugin_files: Sequence[Path], backends: Sequence[str], precisions: Sequence[Precision],
    device: str, *, seed: int, count: int, case: str | None, timeout: float, format_name: str,
) -> int:  # fmt: skip
    from lstm_bench.check import check
    from lstm_bench.conformance.cases import read_case
    from lstm_bench.machine import usable_cores
    from lstm_bench.progress import counting
    from lstm_bench.reports import agreement

    if case is not None:
        read_case(case)  # what is wrong with it is said here, once
    numbers = range(1 if case is not None else count)
    subjects = [
        subject
        for precision in dict.fromkeys(precisions)
        for subject in _subjects(plugins, plugin_files, backends, precision, device)
    ]
    _say(f"{len(subjects)} to check in {len(numbers)} {'case' if len(numbers) == 1 else 'cases'} each")
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
    plugins: Plugins, plugin_files: Sequence[Path], backends: Sequence[str], tasks: Sequence[str],
    precision: Precision, device: str, *, steps: int, seed: int, timeout: float, format_name: str,
) -> int:  # fmt: skip
    from lstm_bench.machine import usable_cores
    from lstm_bench.plan import plan_tasks
    from lstm_bench.progress import counting
    from lstm_bench.reports import trajectory as report
    from lstm_bench.trajectory import curves_of, plan_trajectories, trace

    subjects = _subjects(plugins, plugin_files, backends, precision, device)
    chosen = plan_tasks(plugins, tasks)
    _require_files(task.info for task in chosen)
    trajectories = plan_trajectories(plugins, chosen, subjects, steps)
    curves = curves_of(trajectories)
    _say(f"{len(curves)} curves of {steps} {'step' if steps == 1 else 'steps'} each")
    with counting(len(curves) * steps) as tell:
        trace(
            curves, steps=steps, seed=seed, data_dir=os.environ.get("LSTM_BENCH_DATA") or None,
            timeout=timeout, workers=usable_cores(), on_progress=tell,
        )  # fmt: skip
    if format_name == "json":
        click.echo(report.render_json(trajectories, seed=seed), nl=False)
    else:
        _show(report.summarise(trajectories, seed=seed), format_name)
    return _agreement_code({trajectory.verdict for trajectory in trajectories})


def _low_precision(precisions: Sequence[Precision]) -> Precision:
    """The precision of which trajectories are shown beside those in float64."""
    if len(precisions) > 1 or "float64" in precisions:
        others = ", ".join(precision for precision in PRECISIONS if precision != "float64")
        raise LSTMBenchError(f"--trajectory takes one --precision, which it shows beside float64: {others}")
    return precisions[0] if precisions else "float32"


def _subjects(
    plugins: Plugins, plugin_files: Sequence[Path], backends: Sequence[str], precision: Precision, device: str
) -> list[Subject]:
    from lstm_bench.plan import plan_subjects
    from lstm_bench.pool import Subject

    files = tuple(str(file.resolve()) for file in plugin_files)
    return [
        Subject(info, options, precision, place, files)
        for info, options, place in plan_subjects(plugins, backends, device)
    ]


def _show(summary: Summary, format_name: str) -> None:
    from lstm_bench.reports import markdown, terminal

    click.echo((terminal if format_name == "table" else markdown).show(summary), nl=False)


def _agreement_code(verdicts: Collection[str]) -> int:
    """0 if all agree. A refusal is an answer, not a failure, unless nothing else came of the check."""
    return 0 if "agrees" in verdicts and set(verdicts) <= {"agrees", "unsupported"} else 1


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/local"))
@click.option("--format", "format_name", default="table", show_default=True, help="table, md, csv, json or a plugin's.")
@click.option("--all", "everything", is_flag=True, help="Every attempt, not just the latest of each cell.")
@_plugin_option
def report(folder: Path, format_name: str, everything: bool, plugin_files: tuple[Path, ...]) -> int:
    """Print the attempts in FOLDER (default: results/local), or in one file."""
    from lstm_bench import store

    reporter = _plugins(plugin_files).reporter(format_name)
    attempts, problems = store.read_folder(folder)
    for problem in problems:
        _say(f"warning: left out: {problem}")
    if not attempts:
        raise LSTMBenchError(f"there are no results in {folder}: write some with lstm-bench run --results {folder}")
    shown = attempts if everything else store.latest(attempts)
    click.echo(reporter.render(shown), nl=False)
    if len(shown) < len(attempts):
        _say(f"{len(attempts) - len(shown)} older attempts of the same cells are not shown; --all shows them")
    return 1 if problems else 0


@main.command("list")
@click.argument("what", type=click.Choice(["backends", "tasks", "recipes", "formats"]), required=False)
@_plugin_option
def list_(what: str | None, plugin_files: tuple[Path, ...]) -> None:
    """List what there is: backends, tasks, recipes, formats (default: all)."""
    from lstm_bench.listing import SECTIONS

    plugins = _plugins(plugin_files)
    click.echo("\n".join(SECTIONS[name](plugins) for name in ([what] if what else SECTIONS)), nl=False)


@main.group()
def data() -> None:
    """The files that tasks need: fetch them, list them, say where they lie.

    They are looked for in the folder that LSTM_BENCH_DATA names, then in the cache, and are fetched into the cache if
    they are in neither. LSTM_BENCH_CACHE names another place for the cache.
    """


@data.command("fetch")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@_plugin_option
def data_fetch(tasks: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """Bring the files of tasks into the cache (default: of all), going on where an earlier try broke off.

    Exit code 0 if all are there, 1 if one cannot be had, 2 if the command was wrong.
    """
    from lstm_bench.data import Unavailable, bring, user_folder
    from lstm_bench.progress import fetching

    unavailable = []
    with fetching() as watcher:
        for file in dict.fromkeys(file for info in _tasks(plugin_files, tasks) for file in info.files):
            try:
                click.echo(bring(file, user_folder(), watcher))
            except Unavailable as error:
                unavailable.append(str(error))
    for line in unavailable:
        _say(f"error: {line}")
    return 1 if unavailable else 0


@data.command("list")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@_plugin_option
def data_list(tasks: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """List the files of tasks (default: of all): how large they are, whether they are there and right, and where.

    Exit code 1 if one is damaged.
    """
    from lstm_bench.data import look, user_folder
    from lstm_bench.listing import data_files

    infos = _tasks(plugin_files, tasks)
    rows = [(info, file, look(file, user_folder())) for info in infos for file in info.files]
    click.echo(data_files(rows), nl=False)
    return 1 if any(found.state == "damaged" for _, _, found in rows) else 0


@data.command("path")
@click.argument("task", required=False)
@_plugin_option
def data_path(task: str | None, plugin_files: tuple[Path, ...]) -> None:
    """Print the folders in which files are looked for (those of TASK), in that order; the last is the cache."""
    from lstm_bench.data import folders, user_folder

    places = folders(user_folder())
    if task is not None:
        below = dict.fromkeys(file.folder for info in _tasks(plugin_files, [task]) for file in info.files)
        places = [place / name for place in places for name in below]
    click.echo("".join(f"{place}\n" for place in places), nl=False)


def _tasks(plugin_files: Sequence[Path], tasks: Sequence[str]) -> list[TaskInfo]:
    """The tasks of these selectors, each once; all for none."""
    from lstm_bench.plan import plan_tasks

    plugins = _plugins(plugin_files)
    return list({task.info.name: task.info for task in plan_tasks(plugins, tasks or list(plugins.tasks))}.values())


def _require_files(infos: Iterable[TaskInfo]) -> None:
    from lstm_bench.data import require_files, user_folder
    from lstm_bench.progress import fetching

    with fetching() as watcher:
        require_files(infos, user_folder(), watcher)


@main.command()
@_plugin_option
def env(plugin_files: tuple[Path, ...]) -> None:
    """Print what a bug report needs: this machine, and the versions of everything that takes part."""
    from lstm_bench.listing import environment

    click.echo(environment(_plugins(plugin_files)), nl=False)
