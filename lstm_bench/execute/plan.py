"""Planning: turn a request into the configurations to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from lstm_bench.catalog.choosing import ChosenTask, choose_backends, choose_tasks, parse_device
from lstm_bench.catalog.loading import Plugins
from lstm_bench.catalog.required_kernel import alternatives
from lstm_bench.errors import LSTMBenchError
from lstm_bench.execute.request import Request
from lstm_bench.host.machine import usable_cores
from lstm_bench.model.axes import AXES, vary
from lstm_bench.model.spec import Recipe
from lstm_bench.record.configuration import Configuration


def plan_configurations(plugins: Plugins, request: Request) -> list[Configuration]:
    """Plan every combination of the values of a request, each combination once.

    Configurations that differ only in the backend are neighbours, as in the table.

    Args:
        plugins: the backends and tasks that exist.
        request: what the user asks for.

    Returns:
        The configurations, in the order of the request's values.

    Raises:
        UnknownName: for a name that does not exist, with the nearest that does.
        NotInstalled: for a backend whose framework is missing.
        LSTMBenchError: for a value that makes no sense.
    """
    backends = choose_backends(plugins, request.backends)
    devices = [parse_device(device) for device in request.devices]
    axes = {name: dict.fromkeys(values) for name, values in request.axes.items() if values}
    kernels = "|".join(alternatives(request.require_kernel))
    threads = request.threads or usable_cores()

    configurations = []
    for task in choose_tasks(plugins, request.tasks, request.lengths):
        for values in product(*axes.values()):
            varied = dict(zip(axes, values, strict=True))
            recipe, changes = vary(task.recipe, varied, f"task {task.info.name!r}")
            _require_one_meaning(task, varied, changes)
            _require_a_batch(task, recipe)
            for seed, device, precision, backend in product(request.seeds, devices, request.precisions, backends):
                configurations.append(
                    Configuration(
                        task=task.info.name,
                        task_options=dict(task.options.written),
                        recipe=recipe,
                        epochs=_epochs(recipe, request),
                        steps=request.steps,
                        backend=backend.info.name,
                        backend_options=dict(backend.options.written),
                        device=device,
                        precision=precision,
                        threads=threads,
                        seed=seed,
                        effort=request.effort,
                        changes=changes,
                        require_kernel=kernels,
                        task_defaults=dict(task.defaults),
                        backend_defaults=dict(backend.defaults),
                    )
                )
    _require_effects(configurations, request, axes)
    return list({configuration.fingerprint: configuration for configuration in configurations}.values())


def _require_one_meaning(task: ChosenTask, varied: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """Make sure that no axis overrides an option of the same name that users gave to the task.

    Raises:
        LSTMBenchError: naming both.
    """
    for name in changes:
        option = name.replace("-", "_")
        given = task.options.written.get(option)
        if given is not None and given != task.defaults[option]:
            raise LSTMBenchError(
                f"{task.info.name}[{option}={given}] and --{name} {varied[name]} contradict each other: "
                "give one of them"
            )


def _require_effects(
    configurations: Sequence[Configuration], request: Request, axes: Mapping[str, Iterable[str]]
) -> None:
    """Make sure that each option has an effect in one configuration at least, if there are configurations.

    Raises:
        LSTMBenchError: naming the option, and what it needs.
    """
    if not configurations:
        return
    for name in ("epochs", "steps"):
        if getattr(request, name) and not any(configuration.recipe.epochs for configuration in configurations):
            task = configurations[0].task_selector
            raise LSTMBenchError(f"--{name} has no effect: task {task!r} does not train; leave --{name} out")
    for name in axes:
        if not any(AXES[name].matters(configuration.recipe) for configuration in configurations):
            raise LSTMBenchError(f"--{name} has no effect: it needs {AXES[name].needs}; leave --{name} out")


def _require_a_batch(task: ChosenTask, recipe: Recipe) -> None:
    """Make sure that the task has enough sequences for one batch, if it can count them before it loads its data.

    Raises:
        LSTMBenchError: if it has too few, with their number.
    """
    if task.info.sequences is None:
        return
    whole = task.info.sequences(recipe, task.options)
    learnt = whole - round(recipe.validation * whole)
    batch = recipe.train.batch_size
    if batch > learnt:
        held_out = f", beside {whole - learnt} for validation" if learnt < whole else ""
        raise LSTMBenchError(
            f"a batch takes {batch} sequences, but task {task.selector!r} has only {learnt} to learn from{held_out}: "
            f"use --batch {learnt} or less"
        )


def _epochs(recipe: Recipe, request: Request) -> int:
    """The number of passes over the data. A recipe without training stays without."""
    if recipe.epochs == 0:
        return 0
    return request.epochs or max(1, round(recipe.epochs * request.effort.epoch_fraction))
