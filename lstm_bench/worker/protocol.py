"""What the parent and a worker say to each other: one job down, then one JSON line up for each thing worth knowing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter

import msgspec

from lstm_bench.model.spec import Precision, Recipe
from lstm_bench.record.attempt import Findings, Phase, Status
from lstm_bench.record.checked import Compared
from lstm_bench.record.configuration import Configuration

LONGEST_LINE = 16 * 2**20
"""Bytes. A worker that says more in one line is not answering, it is flooding."""


class Job(msgspec.Struct, frozen=True, kw_only=True, tag="measure"):
    """Everything that a worker needs to know to run one configuration.

    Attributes:
        configuration: what to compute and how to measure it.
        plugin_files: Python files that are plugins, beside the installed ones.
        data_dir: folder of the user's data files, if any was named.
        run: what all attempts of one command have in common.
        round: of the run, from 0.
        times_only: whether to time and do nothing else.
    """

    configuration: Configuration
    plugin_files: tuple[str, ...] = ()
    data_dir: str | None = None
    run: str = ""
    round: int = 0
    times_only: bool = False

    @property
    def threads(self) -> int:
        """Processor threads for the worker."""
        return self.configuration.threads

    @property
    def first_processor(self) -> int:
        """Which of those that may be used is the worker's first."""
        return 0


class CheckJob(msgspec.Struct, frozen=True, kw_only=True, tag="check"):
    """Everything that a worker needs to know to hold a backend against the reference.

    Attributes:
        backend: its name.
        options: all of them, resolved.
        precision: what to compute in.
        device: where.
        threads: processor threads for the worker.
        first_processor: which of those that may be used is the worker's first; beside it others may be at work.
        seed: of the cases.
        cases: their numbers.
        case: one case in JSON, in place of those that the numbers stand for.
        plugin_files: Python files that are plugins, beside the installed ones.
    """

    backend: str
    options: dict[str, str]
    precision: Precision
    device: str
    threads: int
    first_processor: int = 0
    seed: int
    cases: tuple[int, ...]
    case: str | None = None
    plugin_files: tuple[str, ...] = ()


class TrajectoryJob(msgspec.Struct, frozen=True, kw_only=True, tag="trajectory"):
    """Everything that a worker needs to know to train a backend and tell every loss.

    Attributes:
        backend: its name.
        options: all of them, resolved.
        precision: what to compute in.
        device: where.
        threads: processor threads for the worker.
        first_processor: which of those that may be used is the worker's first; beside it others may be at work.
        task: the task's name.
        task_options: all of them, resolved.
        recipe: what is trained; without its dropout.
        steps: how many optimizer steps, over as many epochs as they take.
        seed: of weights, order and data.
        plugin_files: Python files that are plugins, beside the installed ones.
        data_dir: folder of the user's data files, if any was named.
    """

    backend: str
    options: dict[str, str]
    precision: Precision
    device: str
    threads: int
    first_processor: int = 0
    task: str
    task_options: dict[str, str]
    recipe: Recipe
    steps: int
    seed: int
    plugin_files: tuple[str, ...] = ()
    data_dir: str | None = None


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """The worker has begun a phase."""

    phase: Phase


class Comparing(msgspec.Struct, frozen=True, tag="comparing"):
    """The worker has begun a case."""

    number: int


class Diagnosed(msgspec.Struct, frozen=True, tag="diagnosed"):
    """What would explain the disagreements: what follows "it matches if"."""

    texts: tuple[str, ...]


class Shrunk(msgspec.Struct, frozen=True, tag="shrunk"):
    """The smallest case, in JSON, that fails as the one of this number does; none without hypothesis."""

    number: int
    case: str | None


class Losses(msgspec.Struct, frozen=True, tag="losses"):
    """The losses of the next training steps; ``null`` where not finite."""

    losses: tuple[float | None, ...]


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far the present phase is, and how well it goes. Sent only while nothing is being timed."""

    done: int
    total: int
    note: str = ""


class Found(msgspec.Struct, frozen=True, tag="found"):
    """All that is known by now; replaces what was said before."""

    findings: Findings


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The last line."""

    status: Status
    reason: str


Message = Entered | Progress | Found | Comparing | Compared | Diagnosed | Shrunk | Losses | Ended

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job | CheckJob | TrajectoryJob).decode
decode_message = msgspec.json.Decoder(Message).decode


class Session:
    """The worker's side of the conversation: what it has found so far, and the pipe on which it says so."""

    def __init__(self, pipe: int) -> None:
        self._pipe = os.fdopen(pipe, "wb", buffering=0)
        self._findings = Findings()
        self._progress_due = 0.0

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Announce a phase, and record how long it took."""
        self.say(Entered(name))
        begin = perf_counter()
        yield
        self.found(seconds=self._findings.seconds | {name: perf_counter() - begin})

    def found(self, **fields: object) -> None:
        """Add to the findings, and tell the parent, so that a later crash does not take them along."""
        self._findings = msgspec.structs.replace(self._findings, **fields)
        self.say(Found(self._findings))

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell how far the phase is, a few times a second at most."""
        if monotonic() >= self._progress_due or done == total:
            self._progress_due = monotonic() + 0.25
            self.say(Progress(done, total, note))

    def ended(self, status: Status, reason: str) -> None:
        """Say the last word."""
        self.say(Ended(status, reason))

    def say(self, message: Message) -> None:
        """Send a message."""
        self._pipe.write(encode(message) + b"\n")
