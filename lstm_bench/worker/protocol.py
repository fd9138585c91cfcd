"""The messages between parent and worker: one job to the worker, then one JSON line for each message to the parent."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from lstm_bench.model.spec import Precision, Recipe
from lstm_bench.record.attempt import Findings, Phase, Status
from lstm_bench.record.checked import Compared
from lstm_bench.record.configuration import Configuration

LONGEST_LINE = 16 * 2**20
"""Bytes. If a worker sends a longer line, the parent stops reading."""


class MeasureJob(msgspec.Struct, frozen=True, kw_only=True, tag="measure"):
    """Measure one configuration.

    Attributes:
        configuration: what to compute and how to measure it.
        plugin_files: Python files to load as plugins, beside the installed ones.
        data_dir: folder of the user's data files, if the user named one.
        run: identifier that all attempts of one command share.
        round: number of the round in the run, from 0.
        times_only: whether to time only, without checks, training and evaluation.
    """

    configuration: Configuration
    plugin_files: tuple[str, ...] = ()
    data_dir: str | None = None
    run: str = ""
    round: int = 0
    times_only: bool = False

    @property
    def options(self) -> dict[str, str]:
        """All options of the backend, as users write them."""
        return self.configuration.backend_options

    @property
    def device(self) -> str:
        """Device to compute on."""
        return self.configuration.device

    @property
    def threads(self) -> int:
        """Number of processor threads."""
        return self.configuration.threads

    @property
    def first_processor(self) -> int:
        """Index of the worker's first processor among the usable ones."""
        return 0


class _OneBackend(msgspec.Struct, frozen=True, kw_only=True):
    """Common fields of the jobs that time nothing.

    Attributes:
        backend: name of the backend.
        options: all options of the backend, as users write them.
        precision: precision to compute in.
        device: device to compute on.
        threads: number of processor threads.
        first_processor: index of the worker's first processor among the usable ones. Other workers may use the others.
        seed: of all random numbers.
        plugin_files: Python files to load as plugins, beside the installed ones.
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
    """Compare a backend with the reference.

    Attributes:
        cases: numbers of the cases to draw.
        case: a case in JSON to compare instead.
    """

    cases: tuple[int, ...]
    case: str | None = None


class TrajectoryJob(_OneBackend, frozen=True, kw_only=True, tag="trajectory"):
    """Train a model and report every loss.

    Attributes:
        task: name of the task.
        task_options: all options of the task, as users write them.
        recipe: the recipe to train by. Its dropout is ignored.
        steps: number of optimizer steps, over as many epochs as they take.
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
    """The explanations of the disagreements, one sentence each; none if no known confusion explains them."""

    texts: tuple[str, ...]


class Shrunk(msgspec.Struct, frozen=True, tag="shrunk"):
    """The smallest case, in JSON, that fails in the same way as this case number; ``null`` without hypothesis."""

    number: int
    case: str | None


class Losses(msgspec.Struct, frozen=True, tag="losses"):
    """The losses of the next training steps; ``null`` if not finite."""

    losses: tuple[float | None, ...]


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The progress of the current phase, with a note such as the loss. Never sent while a block is timed."""

    done: int
    total: int
    note: str = ""


class Found(msgspec.Struct, frozen=True, tag="found"):
    """All findings so far. Replaces the findings of earlier messages."""

    findings: Findings


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The last message: how the job ended."""

    status: Status
    reason: str


Message: TypeAlias = Entered | Progress | Found | Comparing | Compared | Diagnosed | Shrunk | Losses | Ended

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_message = msgspec.json.Decoder(Message).decode
