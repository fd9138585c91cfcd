"""What a parent and a worker say to each other: one job down, then one JSON line up for each thing worth knowing."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from lstm_bench.model.spec import Precision, Recipe
from lstm_bench.record.attempt import Findings, Phase, Status
from lstm_bench.record.checked import Compared
from lstm_bench.record.configuration import Configuration

LONGEST_LINE = 16 * 2**20
"""Bytes. A worker that says more in one line is not answering, it is flooding."""


class MeasureJob(msgspec.Struct, frozen=True, kw_only=True, tag="measure"):
    """Run one configuration.

    Attributes:
        configuration: what to compute and how to measure it.
        plugin_files: Python files that are plugins, beside the installed ones.
        data_dir: folder of the user's data files, if the user named one.
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
    def options(self) -> dict[str, str]:
        """Every option of the backend, as users write it."""
        return self.configuration.backend_options

    @property
    def device(self) -> str:
        """Where to compute."""
        return self.configuration.device

    @property
    def threads(self) -> int:
        """Processor threads for the worker."""
        return self.configuration.threads

    @property
    def first_processor(self) -> int:
        """The first processor that the worker uses, of those that it may use."""
        return 0


class _OneBackend(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs that time nothing have in common.

    Attributes:
        backend: its name.
        options: every option of the backend, as users write it.
        precision: what to compute in.
        device: where to compute.
        threads: processor threads for the worker.
        first_processor: the first processor that the worker uses, of those that it may use; others may work beside it.
        seed: of everything that is drawn.
        plugin_files: Python files that are plugins, beside the installed ones.
    """

    backend: str
    options: dict[str, str]
    precision: Precision
    device: str
    threads: int = 1
    first_processor: int = 0
    seed: int
    plugin_files: tuple[str, ...] = ()


class CheckJob(_OneBackend, frozen=True, kw_only=True, tag="check"):
    """Hold a backend against the reference.

    Attributes:
        cases: numbers of the cases to draw.
        case: one case in JSON in their place.
    """

    cases: tuple[int, ...]
    case: str | None = None


class TrajectoryJob(_OneBackend, frozen=True, kw_only=True, tag="trajectory"):
    """Train a backend and tell every loss.

    Attributes:
        task: the task's name.
        task_options: every option of the task, as users write it.
        recipe: what is trained; without its dropout.
        steps: how many optimizer steps, over as many epochs as they take.
        data_dir: folder of the user's data files, if the user named one.
    """

    task: str
    task_options: dict[str, str]
    recipe: Recipe
    steps: int
    data_dir: str | None = None


Job: TypeAlias = MeasureJob | CheckJob | TrajectoryJob


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


Message: TypeAlias = Entered | Progress | Found | Comparing | Compared | Diagnosed | Shrunk | Losses | Ended

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_message = msgspec.json.Decoder(Message).decode
