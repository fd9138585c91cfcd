"""A whole run: plan it, check that it can be measured and stored, measure it, and return every attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lstm_bench.catalog.data import user_folder
from lstm_bench.catalog.fetching import Watcher, require_files
from lstm_bench.catalog.loading import Plugins
from lstm_bench.errors import InvalidRequest, StoreError
from lstm_bench.execute import campaign
from lstm_bench.execute.attempt import new_run_id, run_attempt
from lstm_bench.execute.plan import plan_configurations
from lstm_bench.execute.progress import OnProgress, Relay, RunProgress
from lstm_bench.execute.request import Request
from lstm_bench.execute.resume import Resumption, reusable
from lstm_bench.execute.rounds import Turn
from lstm_bench.host.machine import describe_machine
from lstm_bench.record import store
from lstm_bench.record.attempt import Attempt
from lstm_bench.record.configuration import Configuration
from lstm_bench.worker.protocol import MeasureJob

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """The result of a run. A notebook shows it as its table.

    Attributes:
        run_id: the run's name, which each of its attempts carries, also in its file.
        attempts: every attempt, however it ended, in the order of the table. A failure is an attempt with a status and
            a reason.
        problems: one line for each attempt that could not be stored. Its attempt is here all the same.
        plugins: the plugins that the run used, and whose formats ``report`` knows.
    """

    run_id: str
    attempts: tuple[Attempt, ...]
    problems: tuple[str, ...]
    plugins: Plugins = field(compare=False)

    def frame(self) -> pd.DataFrame:
        """A DataFrame with one row for each attempt, as ``lstm_bench.load`` gives it."""
        return frame_of(self.attempts)

    def report(self, format_name: str = "table") -> str:
        """The table as text, in a format that ``lstm-bench list formats`` names, such as ``md``, ``latex`` or ``csv``.

        Raises:
            UnknownName: if there is no such format, with the nearest that there is.
        """
        return self.plugins.reporter(format_name).render(self.attempts)

    @property
    def table(self) -> str:
        """The table that ``lstm-bench run`` prints."""
        return self.report("table")

    def __repr__(self) -> str:
        statuses = Counter(attempt.status for attempt in self.attempts)
        counts = ", ".join(f"{count} {status}" for status, count in statuses.items()) or "no attempts"
        return f"<Run {self.run_id}: {counts}>"

    def _repr_markdown_(self) -> str:
        return self.report("md")


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run. No worker is left behind.

    Args:
        run: what was measured before; its attempts are in the results folder, if the run has one.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run


@dataclass(frozen=True)
class PreparedRun:
    """A run that can start: its data files are there, and its results can be written.

    Attributes:
        request: what the user asks for.
        plugins: the backends and tasks.
        plugin_files: the files among the plugins.
        configurations: what to run.
        results: folder for the attempts; ``None`` to store nothing.
        earlier: the attempts that need not be made again.
        problems: one line for each earlier result file that could not be read.
    """

    request: Request
    plugins: Plugins
    plugin_files: tuple[Path, ...]
    configurations: tuple[Configuration, ...]
    results: Path | None
    earlier: Resumption
    problems: tuple[str, ...]


def frame_of(attempts: Sequence[Attempt]) -> pd.DataFrame:
    """A DataFrame with one row for each attempt, and missing values for what is not known."""
    from lstm_bench.record.frame import to_frame

    return to_frame(attempts)


def prepare(
    request: Request,
    plugins: Plugins,
    *,
    plugin_files: Sequence[Path],
    results: Path | None,
    resume: bool,
    watcher: Watcher,
) -> PreparedRun:
    """Plan a run, fetch the data files that are missing, and make the results folder.

    Args:
        request: what the user asks for.
        plugins: the backends and tasks.
        plugin_files: the files among the plugins, which workers load, too.
        results: folder for the attempts; ``None`` to store nothing.
        resume: whether to keep the attempts of an earlier run in ``results`` that the same software made here.
        watcher: told of the files that are fetched.

    Raises:
        InvalidRequest: if a run without a folder is to be resumed.
        LSTMBenchError: as ``plan_configurations``.
        DataError: if a data file is damaged, or neither there nor to be fetched.
        StoreError: if results cannot be written to the folder.
    """
    if resume and results is None:
        raise InvalidRequest("resume", "needs a results folder with the earlier attempts; there is none")
    configurations = plan_configurations(plugins, request)
    require_files((plugins.tasks[configuration.task] for configuration in configurations), user_folder(), watcher)
    if results is not None:
        store.prepare_folder(results)
    attempts, problems = store.read_folder(results) if resume and results is not None else ([], [])
    return PreparedRun(
        request=request,
        plugins=plugins,
        plugin_files=tuple(plugin_files),
        configurations=tuple(configurations),
        results=results,
        earlier=reusable(configurations, attempts, describe_machine()),
        problems=tuple(problems),
    )


def run(prepared: PreparedRun, on_progress: OnProgress = lambda progress: None) -> Run:
    """Measure every configuration in a process of its own, and store each attempt as soon as it has ended.

    Args:
        prepared: the run.
        on_progress: told how far the run is.

    Returns:
        Every attempt, however it ended.

    Raises:
        RunInterrupted: at Ctrl-C, with what was measured before.
    """
    ledger = _Ledger(prepared)
    data_dir = user_folder()

    def run_turn(number: int, total: int, turn: Turn, *, times_only: bool) -> Attempt:
        relay = Relay(RunProgress(number, total, turn.configuration, turn.round), on_progress)
        job = MeasureJob(
            configuration=turn.configuration,
            plugin_files=tuple(str(file.resolve()) for file in prepared.plugin_files),
            data_dir=None if data_dir is None else str(data_dir),
            run=ledger.run_id,
            round=turn.round,
            times_only=times_only,
        )
        backend = prepared.plugins.backend(turn.configuration.backend)
        attempt = run_attempt(job, backend, timeout=prepared.request.timeout, on_message=relay.hear)
        relay.end(attempt)
        return attempt

    try:
        campaign.carry_out(
            prepared.configurations, prepared.request.seeds[0], run_turn, prepared.earlier.done, ledger.keep
        )
    except KeyboardInterrupt as interrupt:
        raise RunInterrupted(ledger.close()) from interrupt
    return ledger.close()


class _Ledger:
    """The attempts of a run while it goes on. It writes each new attempt to the results folder."""

    def __init__(self, prepared: PreparedRun) -> None:
        self.run_id = prepared.earlier.run or new_run_id()
        self._prepared = prepared
        self._attempts: list[Attempt] = []
        self._unstored: list[str] = []

    def keep(self, attempt: Attempt) -> None:
        """Keep an attempt, and write it unless it is an earlier one."""
        self._attempts.append(attempt)
        earlier = self._prepared.earlier.done.get((attempt.configuration.fingerprint, attempt.round))
        if self._prepared.results is None or earlier is attempt:
            return
        try:
            store.write_attempt(attempt, self._prepared.results)
        except StoreError as error:  # the caller still gets the attempt, and the other configurations still run
            self._unstored.append(str(error))

    def close(self) -> Run:
        """The run, with its attempts in the order of the plan."""
        places = {configuration.fingerprint: at for at, configuration in enumerate(self._prepared.configurations)}
        attempts = sorted(self._attempts, key=lambda each: (places[each.configuration.fingerprint], each.id))
        return Run(self.run_id, tuple(attempts), tuple(self._unstored), self._prepared.plugins)
