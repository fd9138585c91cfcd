"""Show the progress of a run on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from lstm_bench.catalog.fetching import Watcher
from lstm_bench.execute.estimate import in_words
from lstm_bench.execute.progress import OnProgress, RunProgress
from lstm_bench.plugin.task import DataFile
from lstm_bench.text import brief, one_line

SELDOM = 10.0
"""Seconds between two progress lines of a phase, where lines cannot be overwritten."""

SHOWN_PHASES = ("check", "train", "time")
"""The phases that have a line of their own off a terminal."""


@contextmanager
def display(*, quiet: bool = False, verbose: bool = False) -> Iterator[OnProgress]:
    """Yield the display that suits stderr: live on a terminal, plain lines elsewhere.

    Args:
        quiet: whether to show nothing.
        verbose: whether to show a line for every phase, also on a terminal.
    """
    console = Console(stderr=True, emoji=False)
    if quiet:
        yield lambda progress: None
        return
    if verbose or not console.is_terminal:
        yield _Lines(console, every_phase=verbose)
        return
    # No automatic refresh: the parent must sleep while a worker is timed.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[what]}"),
        TextColumn("{task.fields[clock]}", style="dim"),
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


class _Lines:
    def __init__(self, console: Console, *, every_phase: bool = False) -> None:
        self._console, self._every_phase = console, every_phase
        self._due = 0.0

    def __call__(self, progress: RunProgress) -> None:
        if progress.attempt is None and progress.of is not None:  # steps of a phase
            if monotonic() >= self._due:
                self._print(progress)
                self._due = monotonic() + SELDOM
        elif progress.attempt is None and (self._every_phase or progress.phase in SHOWN_PHASES):
            self._print(progress)
            self._due = monotonic() + SELDOM
        elif progress.attempt is not None or progress.phase == "start":
            self._print(progress)

    def _print(self, progress: RunProgress) -> None:
        self._console.print(str(progress), markup=False, highlight=False, soft_wrap=True)


class _Live:
    def __init__(self, console: Console, progress: Progress) -> None:
        self._console, self._progress = console, progress
        self._begun = monotonic()
        self._task = progress.add_task("", total=None, what="", clock="")

    def __call__(self, progress: RunProgress) -> None:
        if progress.attempt is not None:
            self._console.print(str(progress), markup=False, highlight=False, soft_wrap=True)
        elif progress.of is None:
            self._enter(progress)
        else:
            far = f"{progress.phase} {progress.done:,}/{progress.of:,}  {brief(progress.note)}".rstrip()
            self._progress.update(
                self._task, completed=progress.done, total=progress.of, what=escape(far), clock=self._clock(progress)
            )
            self._progress.refresh()

    def _enter(self, progress: RunProgress) -> None:
        what = {"start": "starting", "time": "timing (display paused)"}.get(progress.phase, progress.phase)
        self._progress.remove_task(self._task)  # rich can reset a task, but not to a total that is unknown
        self._task = self._progress.add_task(escape(progress.name), total=None, what=what, clock=self._clock(progress))
        self._progress.refresh()

    def _clock(self, progress: RunProgress) -> str:
        """``2 min, about 4 min left``: time since the run began, and the time left if all turns take equally long."""
        elapsed, ended = monotonic() - self._begun, progress.number - 1
        left = f", about {in_words(elapsed / ended * (progress.total - ended))} left" if ended else ""
        return f"{in_words(elapsed)}{left}"


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
