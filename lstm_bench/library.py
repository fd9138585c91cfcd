"""The library: run, load and compare from Python, as the command line does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lstm_bench.errors import InvalidRequest, NoResults, UnknownName

if TYPE_CHECKING:
    import pandas as pd

    from lstm_bench.analysis.comparison import RunComparison
    from lstm_bench.execute.progress import RunProgress
    from lstm_bench.execute.request import Request
    from lstm_bench.execute.run import Run
    from lstm_bench.model.spec import Precision
    from lstm_bench.plugin.task import DataFile
    from lstm_bench.record.attempt import Attempt

Names: TypeAlias = str | Iterable[str]
"""One name or several."""

Values: TypeAlias = str | float | Iterable[str | float]
"""One value or several, each a number, a truth value, or text as the command line takes it."""

Side: TypeAlias = "str | Path | Run | Sequence[Attempt]"
"""What can be compared: a folder or file of results, a run, or attempts."""

Where: TypeAlias = Mapping[str, str | float]
"""The values that attempts must have, such as ``{"backend": "torch", "hidden": 64}``."""


def run(
    *,
    backends: Names = (),
    tasks: Names = (),
    devices: Names = "cpu",
    precisions: Precision | Iterable[Precision] = "float32",
    lengths: Values = (),
    axes: Mapping[str, Values] | None = None,
    seeds: Iterable[int] = (0,),
    effort: Literal["quick", "default", "rigorous"] = "default",
    epochs: int | None = None,
    steps: int | None = None,
    threads: int | None = None,
    require_kernel: str = "",
    timeout: float = 900.0,
    results: str | Path | None = "results/local",
    resume: bool = False,
    plugin_files: str | Path | Iterable[str | Path] = (),
    on_progress: Callable[[RunProgress], None] | None = None,
) -> Run:
    """Run tasks on backends, each configuration in a process of its own, as ``lstm-bench run`` does.

    Several values of one argument make a grid: every combination is run. Nothing is printed.

    Args:
        backends: such as ``"torch"`` or ``"keras[engine=jax]"``; empty for every installed backend.
        tasks: such as ``"flights"`` or ``"copy:default[delay=50]"``; empty for the default task.
        devices: ``cpu``, ``cuda`` or ``cuda:N``.
        precisions: what to compute in. ``float32`` is IEEE float32.
        lengths: time steps of a sequence, for tasks that have an option for it; empty for the task's own.
        axes: values in place of the recipe's, such as ``{"hidden": [64, 128], "cell": "gru"}``. The axes are the
            options that ``lstm-bench run --help`` names: ``cell``, ``hidden``, ``batch-norm``, ``batch``,
            ``optimizer``, ``learning-rate`` and ``momentum``.
        seeds: of weights, batch order and generated data, such as ``range(3)``. The first also decides the order of the
            turns.
        effort: how long to measure. ``"quick"`` is a glance; ``"rigorous"`` is for publishing.
        epochs: passes over the data; ``None`` for the recipe's.
        steps: optimizer steps after which training ends; ``None`` for no such limit.
        threads: processor threads for each worker; ``None`` for all cores.
        require_kernel: kernel that must compute inference and training, such as ``"onednn|cudnn"``; an attempt with
            another kernel is a ``mismatch``. Empty for any.
        timeout: seconds after which a worker is stopped.
        results: folder for the attempts, one file for each, which is made if need be; ``None`` to store nothing.
        resume: whether to keep the attempts in ``results`` that are ok and that the same software made on this
            machine, and to run only the rest.
        plugin_files: Python files that are plugins, beside the installed ones.
        on_progress: called with a ``RunProgress`` when a worker starts, gets on and ends, such as ``print``. What it
            raises ends the run.

    Returns:
        The run with every attempt, however it ended. A failure has a status and a reason. ``problems`` names the
        attempts that could not be stored.

    Raises:
        UnknownName: for a name that does not exist, with the nearest that does.
        InvalidRequest: for an argument with any other value that makes no sense.
        NotInstalled: for a backend whose framework is missing.
        PluginError: if one of ``plugin_files`` cannot be used.
        DataError: if a data file is damaged, or neither there nor to be fetched.
        StoreError: if ``results`` cannot be written.
        RunInterrupted: at Ctrl-C. It is a ``KeyboardInterrupt``; its ``run`` has what was measured before.

    All of these but ``RunInterrupted`` are an ``LSTMBenchError``.

    Warns:
        UserWarning: for an installed plugin that cannot be used, or an earlier result file that cannot be read.

    Example:
        >>> done = lstm_bench.run(backends=["numpy", "torch"], tasks="flights", axes={"hidden": [64, 128]})
        >>> done.frame()[["backend", "status", "train_sequences_per_s"]]
    """
    from lstm_bench.catalog.loading import load_plugins
    from lstm_bench.execute import arguments
    from lstm_bench.execute import run as running

    if on_progress is not None and not callable(on_progress):
        raise InvalidRequest("on_progress", f"must be a function; got {on_progress!r}")
    request = _request(
        backends=arguments.texts("backends", backends),
        tasks=arguments.texts("tasks", tasks),
        devices=arguments.texts("devices", devices),
        precisions=arguments.texts("precisions", precisions),
        lengths=arguments.texts("lengths", lengths),
        axes=arguments.texts_by_axis({} if axes is None else axes),
        seeds=arguments.seeds(seeds),
        effort=effort,
        epochs=arguments.whole(epochs),
        steps=arguments.whole(steps),
        threads=arguments.whole(threads),
        require_kernel=require_kernel,
        timeout=timeout,
    )
    files = [arguments.path("plugin_files", file) for file in arguments.several("plugin_files", plugin_files)]
    plugins = load_plugins(files)
    _warn_of(plugins.failures)
    prepared = running.prepare(
        request,
        plugins,
        plugin_files=files,
        results=None if results is None else arguments.path("results", results),
        resume=resume,
        watcher=_Silent(),
    )
    _warn_of([f"left out: {problem}" for problem in prepared.problems])
    return running.run(prepared, on_progress or (lambda progress: None))


def load(folder: str | Path = "results/local") -> pd.DataFrame:
    """Read every attempt in a folder and below it.

    Args:
        folder: that ``run`` has written to, or a single result file.

    Returns:
        One row for each attempt, oldest first, failures among them. Columns end in their unit, such as
        ``train_step_s``; what is not known is missing. ``status`` and ``reason`` say how an attempt ended.

    Raises:
        StoreError: if there is no such folder.
        NoResults: if it has no attempts.

    Warns:
        UserWarning: for each file that could not be read.

    Example:
        >>> frame = lstm_bench.load("results/local")
        >>> frame.query("status == 'ok'").groupby("backend")["train_step_s"].median()
    """
    from lstm_bench.execute.run import frame_of

    return frame_of(_read("folder", folder, stacklevel=4))


def compare(
    old: Side, new: Side | None = None, *, where: Where | Sequence[Where] = (), although: Names = ()
) -> TimeComparison:
    """Compare the times of two sides, as ``lstm-bench compare`` does. Of each configuration the latest run counts.

    Args:
        old: a folder or file of results, a ``Run``, or attempts.
        new: likewise; ``None`` to compare two selections of ``old``.
        where: which attempts to compare, such as ``{"precision": "float32"}``. Of two, the first selects the old side
            and the second the new one.
        although: what may differ between the sides: ``machine``, ``threads``, ``scopes``.

    Returns:
        The ratios of times, new to old. Above 1 the new side is slower.

    Raises:
        InvalidRequest: if a side is missing, or is none of the things that can be compared.
        StoreError: if there is no such folder.
        NoResults: if a side has no attempts.
        UnknownName: for a key of ``where`` that no attempt has, or an unknown word in ``although``.
        LSTMBenchError: if the sides have no configuration in common, or differ in more than ``although`` allows.

    Warns:
        UserWarning: for each file that could not be read.

    Example:
        >>> lstm_bench.compare("results/before", "results/after").frame()
        >>> lstm_bench.compare(done, where=[{"backend": "numpy"}, {"backend": "torch"}])
    """
    from lstm_bench.analysis import comparison
    from lstm_bench.execute import arguments

    wheres = arguments.selections(where)
    if len(wheres) > 2:
        raise InvalidRequest("where", f"selects two sides at most; got {len(wheres)}")
    if new is None and len(wheres) < 2:
        example = 'where=[{"backend": "torch"}, {"backend": "jax"}]'
        raise InvalidRequest("new", f"is missing: name a second side, or two selections of the first as in {example}")
    allowed = arguments.texts("although", although)
    for what in allowed:
        if what not in comparison.ALTHOUGH:
            raise UnknownName("value", what, comparison.ALTHOUGH, "although")
    of_old = _attempts_of("old", old)
    of_new = of_old if new is None else _attempts_of("new", new)
    return compare_attempts(of_old, of_new, wheres, allowed)


def compare_attempts(
    old: Sequence[Attempt], new: Sequence[Attempt], wheres: Sequence[Mapping[str, str]], although: Sequence[str]
) -> TimeComparison:
    """Compare the latest runs of two lists of attempts, which may be the same list.

    Args:
        old: attempts.
        new: attempts.
        wheres: none, one selection for both sides, or one for each side.
        although: what may differ between the sides.

    Raises:
        LSTMBenchError: as ``compare``.
    """
    from lstm_bench.analysis import comparison
    from lstm_bench.record import store

    before, after = ([*wheres] * 2)[:2] if wheres else ({}, {})
    found = comparison.compare(
        comparison.select(store.latest(old), before),
        comparison.select(store.latest(new), after),
        apart=[key for key in {**before, **after} if before.get(key) != after.get(key)],
        although=although,
    )
    return TimeComparison(found)


@dataclass(frozen=True)
class TimeComparison:
    """The times of two sets of attempts beside each other. A notebook shows its table.

    Attributes:
        found: pair by pair and measure by measure; what was not compared; what else differs between the sides.
    """

    found: RunComparison

    def frame(self) -> pd.DataFrame:
        """A DataFrame with one row for each pair and measure.

        The columns are ``configuration`` (of the new side), ``measure``, ``old_s`` and ``new_s`` (seconds of a step),
        ``ratio`` of new to old with its 95% interval from ``low`` to ``high``, and ``verdict``. A pair that cannot be
        compared, since a side has failed, has a row without numbers.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {
                "configuration": line.pair.new.first.configuration.name,
                "measure": line.measure,
                "old_s": line.old.value,
                "new_s": line.new.value,
                "ratio": line.ratio.value,
                "low": line.ratio.low,
                "high": line.ratio.high,
                "verdict": line.verdict,
            }
            for line in self.found.times
        ]
        rows += [
            {"configuration": pair.new.first.configuration.name, "verdict": "not compared"}
            for pair in self.found.failed
        ]
        columns = ["configuration", "measure", "old_s", "new_s", "ratio", "low", "high", "verdict"]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:7], float))

    def _repr_markdown_(self) -> str:
        from lstm_bench.reports import comparison, markdown

        return markdown.show(comparison.summarise(self.found, "old -> new", ()))


class _Silent:
    """Watches files being fetched, and says nothing."""

    def begin(self, file: DataFile, url: str) -> None:
        pass

    def progress(self, done: int, total: int | None) -> None:
        pass

    def end(self, file: DataFile, path: Path) -> None:
        pass

    def say(self, line: str) -> None:
        pass


def _request(*, effort: object, **given: Any) -> Request:
    from lstm_bench.execute.request import Request
    from lstm_bench.record.configuration import EFFORTS

    if not isinstance(effort, str) or effort not in EFFORTS:
        raise UnknownName("effort", str(effort), EFFORTS)
    return Request(effort=EFFORTS[effort], **given)


def _attempts_of(name: str, given: object) -> list[Attempt]:
    from lstm_bench.execute import arguments
    from lstm_bench.execute.run import Run
    from lstm_bench.record.attempt import Attempt

    if isinstance(given, (str, Path)):
        return _read(name, given, stacklevel=5)
    attempts = list(given.attempts if isinstance(given, Run) else arguments.several(name, given))
    if not all(isinstance(attempt, Attempt) for attempt in attempts):
        raise InvalidRequest(name, f"must be a folder, a Run or a list of attempts; got {given!r:.80}")
    if not attempts:
        raise InvalidRequest(name, "has no attempts")
    return attempts


def _read(name: str, given: object, *, stacklevel: int) -> list[Attempt]:
    from lstm_bench.execute import arguments
    from lstm_bench.record import store

    folder = arguments.path(name, given)
    attempts, problems = store.read_folder(folder)
    _warn_of([f"left out: {problem}" for problem in problems], stacklevel)
    if not attempts:
        raise NoResults(folder)
    return attempts


def _warn_of(problems: Iterable[str], stacklevel: int = 3) -> None:
    for problem in problems:
        warnings.warn(problem, stacklevel=stacklevel)
