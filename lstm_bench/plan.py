"""From what was asked for to the cells that are to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from lstm_bench.backend import BackendInfo, resolve_options
from lstm_bench.errors import LSTMBenchError, NotInstalled
from lstm_bench.plugins import Plugins
from lstm_bench.result import Cell, Effort, write_options
from lstm_bench.selection import parse_device, parse_selector
from lstm_bench.spec import Precision, Recipe
from lstm_bench.task import TaskInfo


@dataclass(frozen=True)
class ChosenTask:
    """A task with its options and one of its recipes.

    Attributes:
        info: the task.
        options: all of them, resolved.
        recipe: what is trained, with the options applied.
    """

    info: TaskInfo
    options: dict[str, str]
    recipe: Recipe

    @property
    def defaults(self) -> dict[str, str]:
        """What the options are when nothing is said."""
        return resolve_options(self.info.options, {}, self.info.name)

    @property
    def selector(self) -> str:
        """As a user would write it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.info.name}:{self.recipe.name}" + write_options(self.options, self.defaults)


def plan_tasks(plugins: Plugins, tasks: Sequence[str]) -> list[ChosenTask]:
    """What the selectors mean, in their order; what is asked for twice is planned once.

    Args:
        plugins: what there is.
        tasks: selectors.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
    """
    chosen = []
    for text in tasks:
        selector = parse_selector(text)
        info = plugins.task(selector.name)
        options = resolve_options(info.options, selector.options, f"task {info.name!r}")
        chosen.append(ChosenTask(info, options, info.recipe(selector.recipe, options)))
    return list({task.selector: task for task in chosen}.values())


def plan_cells(
    plugins: Plugins,
    *,
    backends: Sequence[str],
    tasks: Sequence[str],
    devices: Sequence[str],
    precisions: Sequence[Precision],
    effort: Effort,
    epochs: int | None,
    threads: int,
    seed: int,
) -> list[Cell]:
    """The product of everything asked for, in the order of asking.

    Args:
        plugins: what there is.
        backends: selectors; none for every installed backend.
        tasks: selectors.
        devices: device names.
        precisions: what to compute in.
        effort: how long to measure.
        epochs: passes over the data; ``None`` for what recipe and effort say.
        threads: processor threads for each worker.
        seed: of weights, order and data.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend that was asked for and whose framework is missing.
    """
    installed = [name for name, info in plugins.backends.items() if not info.missing()]
    chosen = [_chosen(plugins, text) for text in backends or installed]
    chosen_tasks = plan_tasks(plugins, tasks)
    full_devices = [parse_device(device) for device in devices]

    cells = [
        Cell(
            task=task.info.name,
            task_options=task.options,
            recipe=task.recipe,
            epochs=epochs or max(1, round(task.recipe.epochs * effort.epoch_fraction)),
            backend=info.name,
            backend_options=backend_options,
            device=device,
            precision=precision,
            threads=threads,
            seed=seed,
            effort=effort,
            task_defaults=task.defaults,
            backend_defaults=resolve_options(info.options, {}, info.name),
        )
        for task, device, precision, (info, backend_options) in product(chosen_tasks, full_devices, precisions, chosen)
    ]
    return list({cell.fingerprint: cell for cell in cells}.values())  # what is asked for twice is run once


def plan_subjects(
    plugins: Plugins, backends: Sequence[str], device: str
) -> list[tuple[BackendInfo, dict[str, str], str]]:
    """Backends with their resolved options, and the device's full name.

    Args:
        plugins: what there is.
        backends: selectors; none for every installed backend, and beside its defaults every value of its options that
            brings another framework in.
        device: device name.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend that was asked for and whose framework is missing.
    """
    place = parse_device(device)
    if backends:
        return [(*_chosen(plugins, text), place) for text in dict.fromkeys(backends)]
    found = []
    for info in plugins.backends.values():
        variants: list[dict[str, str]] = [{}]
        for name, option in info.options.items():
            variants += [{name: value} for value in option.requires if value != option.default]
        for given in variants:
            if not info.missing(given):
                found.append((info, resolve_options(info.options, given, f"backend {info.name!r}"), place))
    return found


def _chosen(plugins: Plugins, text: str) -> tuple[BackendInfo, dict[str, str]]:
    """The backend of a selector, and its resolved options."""
    selector = parse_selector(text)
    if selector.recipe is not None:
        raise LSTMBenchError(f"cannot read {text!r}: a backend has no recipes; write {selector.name}[option=value]")
    info = plugins.backend(selector.name)
    require_installed(info, selector.options)
    return info, resolve_options(info.options, selector.options, f"backend {info.name!r}")


def require_installed(info: BackendInfo, options: Mapping[str, str]) -> None:
    """Make sure that a backend's framework is there, and what its options need, without importing any.

    Raises:
        NotInstalled: with the pip line that mends it.
    """
    missing = info.missing(options)
    if missing:
        what = info.name + write_options(dict(options), {})
        mend = info.install if set(missing) & set(info.missing()) else f"pip install {' '.join(missing)}"
        raise NotInstalled(
            f"backend {what!r} needs {', '.join(missing)}, which is not installed" + (f": {mend}" if mend else "")
        )
