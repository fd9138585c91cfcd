"""Show the progress of a run on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from lstm_bench.catalog.fetching import Watcher
from lstm_bench.execute.rounds import Turn
from lstm_bench.plugin.task import DataFile
from lstm_bench.record.attempt import Attempt
from lstm_bench.text import brief, one_line
from lstm_bench.worker import protocol

SELDOM = 10.0
"""Seconds between two progress lines of a phase, where lines cannot be overwritten."""


class Display(Protocol):
    """Shows the progress of a run."""

    def begin(self, number: int, total: int, turn: Turn) -> None:
        """The worker of this turn is about to start."""

    def hear(self, message: protocol.Message) -> None:
        """The worker has sent a message."""

    def end(self, attempt: Attempt) -> None:
        """The worker has ended, and its attempt is stored."""


@contextmanager
def display() -> Iterator[Display]:
    """Yield the display that suits stderr: live on a terminal, plain lines elsewhere."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield _Lines(console)
        return
    # No automatic refresh: the parent must sleep while a worker is timed.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[what]}"),
        console=console,
        auto_refresh=False,
        transient=True,
    ) as progress:
        yield _Live(console, progress)


@contextmanager
def counting(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of finished items. It shows a bar, on a terminal only."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield lambda done: None
        return
    with Progress(
        BarColumn(bar_width=24), TextColumn("{task.completed}/{task.total}"), console=console, transient=True
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def fetching() -> Iterator[Watcher]:
    """Yield a watcher that shows the fetching of files, and nothing if no file is fetched."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield _FetchedLines(console)
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    try:
        yield _FetchedBar(console, progress)
    finally:
        progress.stop()


def name_of(number: int, total: int, turn: Turn) -> str:
    """Name a turn as in ``[1/2] torch on flights:tutorial (cpu, float32)``, with its round if there are several."""
    rounds = turn.configuration.effort.rounds
    round_of = f" round {turn.round + 1} of {rounds}" if rounds > 1 else ""
    return f"[{number}/{total}] {brief(turn.configuration.name)}{round_of}"


def outcome_of(attempt: Attempt) -> str:
    """Write ``ok`` and how long the attempt took, or its status and the reason."""
    if attempt.status == "ok":
        return f"ok in {sum(attempt.findings.seconds.values()):.1f} s"
    return f"{attempt.status}: {brief(attempt.reason)}"


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._name = ""
        self._due = 0.0

    def begin(self, number: int, total: int, turn: Turn) -> None:
        self._name = name_of(number, total, turn)
        self._print(self._name)

    def hear(self, message: protocol.Message) -> None:
        match message:
            case protocol.Entered(("check" | "train" | "time") as phase):
                self._print(f"{self._name}: {phase}")
                self._due = monotonic() + SELDOM
            case protocol.Progress(done, total, note) if monotonic() >= self._due:
                self._print(f"{self._name}: {done:,}/{total:,}  {brief(note)}".rstrip())
                self._due = monotonic() + SELDOM

    def end(self, attempt: Attempt) -> None:
        self._print(f"{self._name}: {outcome_of(attempt)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Live:
    def __init__(self, console: Console, progress: Progress) -> None:
        self._console, self._progress = console, progress
        self._task = progress.add_task("", total=None, what="")
        self._name = self._phase = ""

    def begin(self, number: int, total: int, turn: Turn) -> None:
        self._name = name_of(number, total, turn)
        self._enter("starting")

    def hear(self, message: protocol.Message) -> None:
        match message:
            case protocol.Entered():
                self._enter("time (nothing moves meanwhile)" if message.phase == "time" else message.phase)
            case protocol.Progress():
                what = escape(f"{self._phase} {message.done:,}/{message.total:,}  {brief(message.note)}".rstrip())
                self._progress.update(self._task, completed=message.done, total=message.total, what=what)
                self._progress.refresh()

    def end(self, attempt: Attempt) -> None:
        self._console.print(f"{self._name}: {outcome_of(attempt)}", markup=False, highlight=False, soft_wrap=True)

    def _enter(self, phase: str) -> None:
        self._progress.remove_task(self._task)  # rich can reset a task, but not to a total that is unknown
        self._phase = phase
        self._task = self._progress.add_task(escape(self._name), total=None, what=phase)
        self._progress.refresh()


class _FetchedLines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, file: DataFile, url: str) -> None:
        self.say(f"fetching {file.folder}/{file.name} from {url}")

    def progress(self, done: int, total: int | None) -> None:
        pass

    def end(self, file: DataFile, path: Path) -> None:
        self.say(f"fetched {path}")

    def say(self, line: str) -> None:
        self._console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


class _FetchedBar(_FetchedLines):
    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(console)
        self._progress = progress
        self._task = progress.add_task("", total=None, visible=False)

    def begin(self, file: DataFile, url: str) -> None:
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(f"{file.folder}/{file.name}"), total=None)
        self._progress.start()

    def progress(self, done: int, total: int | None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def end(self, file: DataFile, path: Path) -> None:
        self._progress.update(self._task, visible=False)
        super().end(file, path)
