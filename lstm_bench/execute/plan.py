"""From what was asked for to the configurations that are to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from lstm_bench.catalog.choosing import ChosenTask, choose_backends, choose_tasks, parse_device
from lstm_bench.catalog.loading import Plugins
from lstm_bench.catalog.required_kernel import alternatives
from lstm_bench.errors import LSTMBenchError
from lstm_bench.model.axes import vary
from lstm_bench.model.spec import Precision, Recipe
from lstm_bench.record.configuration import Configuration, Effort


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that a user asks for. What may be named repeatedly makes a grid.

    Attributes:
        backends: selectors; none for every installed backend.
        tasks: selectors.
        devices: device names.
        precisions: what to compute in.
        lengths: of sequences, for tasks that have an option for it; none for what tasks and selectors say.
        axes: values by axis of ``lstm_bench.model.axes.AXES``; an axis without values leaves the recipe's.
        seeds: of weights, order and data.
        effort: how long to measure.
        epochs: passes over the data; ``None`` for what recipe and effort say.
        steps: optimizer steps after which training ends; ``None`` for no limit but the epochs.
        threads: processor threads for each worker.
        require_kernel: what has to have computed inference and training, such as ``onednn|cudnn``; empty for anything.
    """

    backends: Sequence[str]
    tasks: Sequence[str]
    devices: Sequence[str]
    precisions: Sequence[Precision]
    lengths: Sequence[str] = ()
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    effort: Effort
    epochs: int | None = None
    steps: int | None = None
    threads: int
    require_kernel: str = ""


def plan_configurations(plugins: Plugins, request: Request) -> list[Configuration]:
    """The product of everything asked for. What is asked for twice is planned once.

    Configurations that differ only in the backend stand side by side, as they will in the table.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend whose framework is missing.
        LSTMBenchError: for a value that makes no sense.
    """
    backends = choose_backends(plugins, request.backends)
    devices = [parse_device(device) for device in request.devices]
    axes = {name: dict.fromkeys(values) for name, values in request.axes.items() if values}
    kernels = "|".join(alternatives(request.require_kernel))

    configurations = []
    for task in choose_tasks(plugins, request.tasks, request.lengths):
        for values in product(*axes.values()):
            varied = dict(zip(axes, values, strict=True))
            recipe, changes = vary(task.recipe, varied, f"task {task.info.name!r}")
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
                        threads=request.threads,
                        seed=seed,
                        effort=request.effort,
                        changes=changes,
                        require_kernel=kernels,
                        task_defaults=dict(task.defaults),
                        backend_defaults=dict(backend.defaults),
                    )
                )
    return list({configuration.fingerprint: configuration for configuration in configurations}.values())


def _require_a_batch(task: ChosenTask, recipe: Recipe) -> None:
    """Make sure that there are as many sequences as a batch takes, where the task can tell before it loads its data.

    Raises:
        LSTMBenchError: saying how many there are.
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
    """How often the data are passed over; what is not to be trained at all stays so."""
    if recipe.epochs == 0:
        return 0
    return request.epochs or max(1, round(recipe.epochs * request.effort.epoch_fraction))
