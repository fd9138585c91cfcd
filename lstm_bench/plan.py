"""From what was asked for to the cells that are to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from lstm_bench.backend import BackendInfo, resolve_options
from lstm_bench.errors import LSTMBenchError, NotInstalled
from lstm_bench.grid import vary
from lstm_bench.kernels import alternatives
from lstm_bench.plugins import Plugins
from lstm_bench.result import Cell, Effort, write_options
from lstm_bench.selection import parse_device, parse_selectors
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


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that a user asks for. What may be named repeatedly makes a grid.

    Attributes:
        backends: selectors; none for every installed backend.
        tasks: selectors.
        devices: device names.
        precisions: what to compute in.
        lengths: of sequences, for tasks that have an option for it; none for what tasks and selectors say.
        axes: values by axis of ``lstm_bench.grid.AXES``; an axis without values leaves the recipe's.
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


def plan_tasks(plugins: Plugins, tasks: Sequence[str], lengths: Sequence[str] = ()) -> list[ChosenTask]:
    """What the selectors mean, in their order; what is asked for twice is planned once.

    Args:
        plugins: what there is.
        tasks: selectors.
        lengths: of sequences, each of which is given to every task; none for what the selectors say.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        LSTMBenchError: for a value that makes no sense, and for a task whose sequences have no other length.
    """
    chosen = []
    for selector in (selector for text in tasks for selector in parse_selectors(text)):
        info = plugins.task(selector.name)
        if lengths and info.length is None:
            raise LSTMBenchError(f"task {info.name!r} has sequences of one length only: leave --length out")
        for length in lengths or (None,):
            given = selector.options if length is None else {**selector.options, str(info.length): length}
            options = resolve_options(info.options, given, f"task {info.name!r}")
            chosen.append(ChosenTask(info, options, info.recipe(selector.recipe, options)))
    return list({task.selector: task for task in chosen}.values())


def plan_cells(plugins: Plugins, request: Request) -> list[Cell]:
    """The product of everything asked for. What is asked for twice is planned once.

    Cells that differ only in the backend stand side by side, as they will in the table.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend that was asked for and whose framework is missing.
        LSTMBenchError: for a value that makes no sense.
    """
    installed = [name for name, info in plugins.backends.items() if not info.missing()]
    backends = _chosen(plugins, request.backends or installed)
    devices = [parse_device(device) for device in request.devices]
    axes = {name: dict.fromkeys(values) for name, values in request.axes.items() if values}
    kernels = "|".join(alternatives(request.require_kernel))

    cells = []
    for task in plan_tasks(plugins, request.tasks, request.lengths):
        for values in product(*axes.values()):
            varied = dict(zip(axes, values, strict=True))
            recipe, changes = vary(task.recipe, varied, f"task {task.info.name!r}")
            for seed, device, precision, (info, options) in product(
                request.seeds, devices, request.precisions, backends
            ):
                cells.append(
                    Cell(
                        task=task.info.name,
                        task_options=task.options,
                        recipe=recipe,
                        epochs=_epochs(recipe, request),
                        steps=request.steps,
                        backend=info.name,
                        backend_options=options,
                        device=device,
                        precision=precision,
                        threads=request.threads,
                        seed=seed,
                        effort=request.effort,
                        changes=changes,
                        require_kernel=kernels,
                        task_defaults=task.defaults,
                        backend_defaults=resolve_options(info.options, {}, info.name),
                    )
                )
    return list({cell.fingerprint: cell for cell in cells}.values())


def _epochs(recipe: Recipe, request: Request) -> int:
    """How often the data are passed over; what is not to be trained at all stays so."""
    if recipe.epochs == 0:
        return 0
    return request.epochs or max(1, round(recipe.epochs * request.effort.epoch_fraction))


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
        return [(info, options, place) for info, options in _chosen(plugins, list(dict.fromkeys(backends)))]
    found = []
    for info in plugins.backends.values():
        variants: list[dict[str, str]] = [{}]
        for name, option in info.options.items():
            variants += [{name: value} for value in option.requires if value != option.default]
        for given in variants:
            if not info.missing(given):
                found.append((info, resolve_options(info.options, given, f"backend {info.name!r}"), place))
    return found


def _chosen(plugins: Plugins, texts: Sequence[str]) -> list[tuple[BackendInfo, dict[str, str]]]:
    """The backends of these selectors, with their resolved options."""
    found = []
    for text in texts:
        for selector in parse_selectors(text):
            if selector.recipe is not None:
                raise LSTMBenchError(
                    f"cannot read {text!r}: a backend has no recipes; write {selector.name}[option=value]"
                )
            info = plugins.backend(selector.name)
            require_installed(info, selector.options)
            found.append((info, resolve_options(info.options, selector.options, f"backend {info.name!r}")))
    return found


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
