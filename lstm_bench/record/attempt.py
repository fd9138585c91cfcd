"""The record of one worker process: its configuration and its findings. Immutable, validated, schema-versioned."""

from __future__ import annotations

import statistics as stats
from typing import Annotated, Literal

import msgspec

from lstm_bench.model.flops import operations
from lstm_bench.model.spec import Precision, Scope
from lstm_bench.record.configuration import Configuration, Positive, Record
from lstm_bench.record.published import Observed, Published

SCHEMA_VERSION = 5
# 1: first.
# 2: learning curves, early stopping, steps and changes of a configuration, the scope "gradient", published times.
# 3: runs and rounds, the required kernel, the kernel of training, the ceiling, disturbance, denormal numbers, and the
#    observed series that forecasts are drawn beside.
# 4: "cell" is called "configuration", batch-norm is true or false, and an observed series has a date for each value.
# 5: the phase "verify", the status "implausible", the errors of timed results, and the processors that a worker used.
# lstm_bench/record/migration.py upgrades older content; tests/fixtures/ has a file of each version.

Status = Literal[
    "ok",
    "disturbed",
    "mismatch",
    "implausible",
    "diverged",
    "unsupported",
    "timeout",
    "out-of-memory",
    "crashed",
    "invalid-output",
]
SOUND: tuple[Status, ...] = ("ok", "disturbed")
"""Statuses whose numbers count. A disturbed attempt counts only if its second try was disturbed, too."""

WRONG: tuple[Status, ...] = ("mismatch", "implausible", "invalid-output")
"""Statuses of a backend whose results or times are wrong. If one round of a row has one, no round of it counts."""

Phase = Literal[
    "start",
    "import",
    "data",
    "build",
    "put",
    "first step",
    "precision",
    "check",
    "time",
    "inspect",
    "verify",
    "ceiling",
    "train",
    "evaluate",
]

Stopped = Literal["", "patience", "target"]

Denormals = Literal["kept", "flushed"]
"""``flushed`` means that denormal numbers are treated as zero."""


class Machine(Record, frozen=True):
    """The machine that a worker ran on. Absolute times from two machines are never pooled.

    Attributes:
        system: operating system and its version.
        processor: the model name of the processor.
        cores: number of logical processors.
        memory_bytes: physical memory.
        python: version of the interpreter.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    python: str


class Threads(Record, frozen=True):
    """Thread counts, read back in the worker after its timing; before that, after its first training step.

    Attributes:
        affinity: number of processors that the worker may run on.
        libraries: number of threads that each native library reports, by the library's name.
        pools: number of threads by the name that a framework gave them, such as ``tf_XLAEigen``.
    """

    affinity: int
    libraries: dict[str, int]
    pools: dict[str, int] = {}


class Extent(Record, frozen=True):
    """The part of a recipe's batches that is compared with the reference.

    Attributes:
        steps: number of optimizer steps.
        sequences: number of sequences of each batch, counted from its first.
        time: number of time steps of each sequence, counted from its first.
    """

    steps: int
    sequences: int
    time: int


class Agreement(Record, frozen=True):
    """The errors of a backend against the float64 reference, on the recipe's first batches.

    Attributes:
        errors: norm-wise relative error ``||ours - reference|| / ||reference||`` by quantity. For gradients and
            parameters it is that of the worst parameter. ``null`` where it is not a finite number.
        tolerances: the largest allowed error, by quantity.
        worst: the parameter with the largest error, by quantity; only for quantities that consist of parameters.
        extent: the part of the batches that was compared, if the reference would have taken too long for all of them;
            ``null`` for all. Logits after training are always those of whole batches.
    """

    errors: dict[str, float | None]
    tolerances: dict[str, float]
    worst: dict[str, str]
    extent: Extent | None = None

    @property
    def disagreements(self) -> tuple[str, ...]:
        """The quantities whose error exceeds its tolerance or is not finite."""
        return tuple(
            name
            for name, tolerance in self.tolerances.items()
            if (error := self.errors[name]) is None or not error <= tolerance
        )

    def shown_error(self, name: str) -> str:
        """Return the error of a quantity as text."""
        error = self.errors[name]
        return "not a number" if error is None else f"{error:.1e}"


class CurvePoint(Record, frozen=True):
    """An evaluation of the model at one point of its training.

    Attributes:
        step: optimizer steps taken before the evaluation; 0 for an untrained model.
        seconds: wall time of training until then, without evaluations.
        metrics: the task's metrics; empty if only the validation loss was evaluated. ``null`` where not finite.
        validation_loss: mean loss of the sequences held out for validation; ``null`` if there are none or it is not
            finite.
    """

    step: int
    seconds: float
    metrics: dict[str, float | None]
    validation_loss: float | None = None


class Training(Record, frozen=True):
    """The recipe's training run.

    Attributes:
        steps: optimizer steps taken.
        seconds: wall time with compilation, without evaluations.
        first_losses: the loss of each of the first ``KEPT_LOSSES`` steps; ``null`` where not finite.
        epoch_losses: the mean loss of each epoch; ``null`` where not finite.
        curve: the evaluations of the model during training.
        stopped: the reason why training stopped early: ``patience``, no gain in the validation loss for too long, or
            ``target``, the metric reached the recipe's target. Empty if training went to its end.
        best_step: the step after which the validation loss was smallest.
        best_validation_loss: the validation loss after that step.
        restored_validation_loss: the validation loss of a new model with the weights of that step. This model is
            judged.
    """

    steps: int
    seconds: float
    first_losses: tuple[float | None, ...]
    epoch_losses: tuple[float | None, ...]
    curve: tuple[CurvePoint, ...] = ()
    stopped: Stopped = ""
    best_step: int | None = None
    best_validation_loss: float | None = None
    restored_validation_loss: float | None = None


KEPT_LOSSES = 200
"""Most losses that ``Training.first_losses`` holds."""


class Timing(Record, frozen=True):
    """The blocks that were timed for one scope, in order.

    Attributes:
        scope: ``train`` is a whole optimizer step, ``gradient`` forward and backward without an update, and ``infer`` a
            forward pass in evaluation mode.
        batch_size: sequences per step.
        steps_per_block: steps in each block.
        warmup_ns: duration of each warm-up block in nanoseconds.
        block_ns: duration of each measured block in nanoseconds.
    """

    scope: Scope
    batch_size: Positive
    steps_per_block: Positive
    warmup_ns: tuple[int, ...]
    block_ns: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]

    @property
    def seconds_per_step(self) -> float:
        """The median over the measured blocks."""
        return stats.median(self.block_ns) / self.steps_per_block / 1e9

    @property
    def sequences_per_second(self) -> float:
        """The throughput at the median step."""
        return self.batch_size / self.seconds_per_step


class Memory(Record, frozen=True):
    """The memory of the worker in bytes.

    Attributes:
        after_import: resident size after the framework was imported, before a model was built.
        peak: largest resident size during timing, training and evaluation, without the check, the inspection and the
            ceiling; ``null`` if the system does not report it.
        device_peak: the most that the device's allocator held before the timing ended, or during training and
            evaluation if that was more; ``null`` for a device without an allocator.
    """

    after_import: int
    peak: int | None
    device_peak: int | None


class Ceiling(Record, frozen=True):
    """The fastest that this process could be, measured in the same process.

    Attributes:
        size: rows and columns of the square matrices with the fastest matrix product; 0 if none was timed.
        flops_per_second: floating point operations per second of the fastest matrix product; ``null`` if the backend
            offers none to time.
        floor_seconds: by scope, the time of one step of the smallest possible model, which is all overhead. Empty if
            the backend refuses that model or would compile it for too long.
    """

    size: int
    flops_per_second: float | None
    floor_seconds: dict[Scope, float] = {}


class Disturbance(Record, frozen=True):
    """The other activity of the machine while blocks were timed. ``null`` where the system does not report it.

    Attributes:
        seconds: length of the time that was watched.
        used: number of processors that this worker used on average.
        load_before: mean number of running and runnable processes in the minute before, earlier workers included.
        others: share of all the machine's processors that other processes than this worker used, 0 to 1.
        crowded: share of this worker's processors that other processes used, 0 to 1.
        stolen: share of this worker's processors that a hypervisor gave to another guest, 0 to 1.
        throttled: seconds for which a container's quota of processor time was used up.
        overheated: number of times that a processor of this worker was slowed down because it was too hot.
        megahertz: clock of the fastest of this worker's processors, before and after.
        gpu_processes: number of other processes on this worker's GPUs.
    """

    seconds: float
    used: float | None = None
    load_before: float | None = None
    others: float | None = None
    crowded: float | None = None
    stolen: float | None = None
    throttled: float | None = None
    overheated: int | None = None
    megahertz: tuple[float | None, float | None] = (None, None)
    gpu_processes: int | None = None


class Judgement(Record, frozen=True):
    """The task's evaluation of the trained model.

    Attributes:
        metric: name of the metric that the table shows.
        unit: unit of this metric.
        better: whether a ``lower`` or a ``higher`` value of this metric is better.
        metrics: every metric; ``null`` where not finite.
        series: named sequences to draw, such as forecasts.
        baselines: metrics of predictions that need no model, by the baseline's name.
    """

    metric: str
    unit: str
    better: Literal["lower", "higher"]
    metrics: dict[str, float | None]
    series: dict[str, tuple[float | None, ...]]
    baselines: dict[str, dict[str, float | None]]


class Findings(Record, frozen=True):
    """The measurements of a worker, phase by phase. A worker that fails leaves the later fields empty.

    Attributes:
        machine: the machine that the worker ran on.
        versions: versions of the framework, which comes first, and of the libraries under it.
        device_name: model name of the device; empty if it is unknown.
        threads: thread counts as read back.
        native_parameter_count: number of parameters as the framework counts them, if it differs from the canonical one.
        seconds: wall time of each phase by name.
        observed_precision: the coarsest precision that was observed in the matrix products of ``infer``; ``null`` if it
            could not be determined.
        observed_denormals: whether ``infer`` kept denormal numbers or treated them as zero (``flushed``); ``null`` if
            it could not be determined.
        published: times that others have published for the recipe's computation.
        observed: the true series that the task's forecasts are drawn beside; ``null`` if the task does not forecast.
        agreement: the errors against the reference.
        timed_agreement: the errors of results of timed calls.
        training: the recipe's training run.
        judgement: the task's evaluation of the trained model.
        timings: the timed blocks by scope.
        batch_shape: batch size, time steps and features of the timed batches; empty before schema version 3.
        memory: the memory of the worker.
        compile_seconds: compile time within the first step; ``null`` if the framework does not report it.
        kernel_path: the kernel that computed the inference; empty if the backend cannot tell.
        training_kernel_path: the kernel that computed a training step; empty if the backend cannot tell.
        ceiling: the fastest that this process could be.
        disturbance: the other activity of the machine during timing.
    """

    machine: Machine | None = None
    versions: dict[str, str] = {}
    device_name: str = ""
    threads: Threads | None = None
    native_parameter_count: int | None = None
    seconds: dict[str, float] = {}
    observed_precision: Precision | None = None
    observed_denormals: Denormals | None = None
    published: tuple[Published, ...] = ()
    observed: Observed | None = None
    agreement: Agreement | None = None
    timed_agreement: Agreement | None = None
    training: Training | None = None
    judgement: Judgement | None = None
    timings: dict[Scope, Timing] = {}
    batch_shape: tuple[int, ...] = ()
    memory: Memory | None = None
    compile_seconds: float | None = None
    kernel_path: str = ""
    training_kernel_path: str = ""
    ceiling: Ceiling | None = None
    disturbance: Disturbance | None = None


class Attempt(Record, frozen=True):
    """One worker process from start to end.

    Attributes:
        id: unique; ids sort by start time.
        created: start time in UTC, ISO 8601.
        lstm_bench: version of lstm-bench.
        configuration: the configuration that was measured.
        status: the outcome.
        reason: the reason for every status but ``ok``, in one line.
        phase: the phase in which the worker ended.
        output_tail: the end of the worker's stdout and stderr, unless its status is ``ok``.
        findings: the measurements made before the worker ended.
        run: an id that all attempts of one command share; empty before schema version 3.
        round: number of the round within the run, from 0.
        times_only: whether the worker only timed. Another attempt of the run is then checked and trained.
    """

    id: str
    created: str
    lstm_bench: str
    configuration: Configuration
    status: Status
    reason: str
    phase: Phase
    output_tail: str
    findings: Findings
    run: str = ""
    round: int = 0
    times_only: bool = False

    @property
    def row(self) -> tuple[Machine | None, str]:
        """The key of the table row that this attempt belongs to. Attempts of a row differ only in seed and round."""
        return self.findings.machine, self.configuration.seedless

    def operations(self, scope: Scope) -> int | None:
        """Count the floating point operations of one step of a scope; ``None`` if the batch's shape is unknown."""
        if not self.findings.batch_shape:
            return None
        batch, time, *_ = self.findings.batch_shape
        return operations(self.configuration.recipe.model, scope, batch=batch, time=time)
