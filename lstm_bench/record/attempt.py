"""What was asked of one worker process and what came of it: immutable, validated, schema-versioned."""

from __future__ import annotations

import statistics as stats
from typing import Annotated, Literal, get_args

import msgspec

from lstm_bench.model.flops import operations
from lstm_bench.model.spec import Precision, Scope
from lstm_bench.record.configuration import Configuration, Positive, Record
from lstm_bench.record.published import Observed, Published

SCHEMA_VERSION = 4
# 1: first.
# 2: learning curves, early stopping, steps and changes of a configuration, the scope "gradient", published times.
# 3: runs and rounds, the kernel that is required and that of training, the ceiling, disturbance, denormal numbers, and
#    the series that forecasts are drawn beside.
# 4: "cell" is called "configuration", batch-norm is true or false, and an observed series has a date for each value.
# lstm_bench/record/migration.py turns older content into this one; tests/fixtures/ has a file of each version.

Status = Literal[
    "ok", "disturbed", "mismatch", "diverged", "unsupported", "timeout", "out-of-memory", "crashed", "invalid-output"
]
STATUSES: tuple[Status, ...] = get_args(Status)
SOUND: tuple[Status, ...] = ("ok", "disturbed")
"""Whose numbers count; those of what was disturbed only if its second try was, too."""

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
    "ceiling",
    "train",
    "evaluate",
]

Stopped = Literal["", "patience", "target"]

Denormals = Literal["kept", "flushed"]
"""``flushed`` where they are taken for zero."""


class Machine(Record, frozen=True):
    """Where it ran. Absolute times from two machines are never pooled.

    Attributes:
        system: operating system and its version.
        processor: the processor's own name.
        cores: logical processors.
        memory_bytes: physical memory.
        python: version of the interpreter.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    python: str


class Threads(Record, frozen=True):
    """Thread counts as read back in the worker, after its first training step.

    Attributes:
        affinity: processors that the worker may run on.
        libraries: threads that each native library says it uses, by its name.
        pools: threads that there are, by the name that a framework gave them, such as ``tf_XLAEigen``.
    """

    affinity: int
    libraries: dict[str, int]
    pools: dict[str, int] = {}


class Agreement(Record, frozen=True):
    """How far a backend lies from the float64 reference on the recipe's first batches.

    Attributes:
        errors: norm-wise relative error ``||ours - reference|| / ||reference||`` by quantity; for gradients and
            parameters the worst parameter's. ``null`` where it is not a finite number.
        tolerances: the largest error allowed, by quantity.
        worst: the parameter with the largest error, by quantity, where there is one.
        extent: how much of a batch was compared, and over how many training steps, where the reference would have taken
            too long for all of it; ``null`` for all. Logits after training are always those of whole batches.
    """

    errors: dict[str, float | None]
    tolerances: dict[str, float]
    worst: dict[str, str]
    extent: Extent | None = None

    @property
    def disagreements(self) -> tuple[str, ...]:
        """The quantities whose error is over its tolerance; one that is not finite always is."""
        return tuple(
            name
            for name, tolerance in self.tolerances.items()
            if (error := self.errors[name]) is None or not error <= tolerance
        )


class CurvePoint(Record, frozen=True):
    """How good the model was at one point of its training.

    Attributes:
        step: optimizer steps taken until then; 0 is before any.
        seconds: wall time of training until then, what was looked at on the way not counted.
        metrics: what the task said; empty where only the validation loss was looked at. ``null`` where not finite.
        validation_loss: mean loss of the sequences held out for validation, if there are any; ``null`` if not finite.
    """

    step: int
    seconds: float
    metrics: dict[str, float | None]
    validation_loss: float | None = None


class Training(Record, frozen=True):
    """The recipe's training run.

    Attributes:
        steps: optimizer steps taken.
        seconds: wall time, compilation included, without what was looked at on the way.
        first_losses: loss of each of the first steps, at most ``KEPT_LOSSES``; ``null`` where not finite.
        epoch_losses: mean loss of each epoch; ``null`` where not finite.
        curve: how good the model was on the way.
        stopped: what ended it before its last step: no gain in so many looks at the validation loss (``patience``), or
            a metric that reached the recipe's ``target``.
        best_step: after which the validation loss was least.
        best_validation_loss: what it was then.
        restored_validation_loss: what it is with the weights of that step put into a new model, which is then the one
            that is judged.
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


class Timing(Record, frozen=True):
    """Every block that was timed for one scope, in order.

    Attributes:
        scope: ``train``, a whole optimizer step; ``gradient``, forward and backward without an update; or ``infer``, a
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
        """Median over the measured blocks."""
        return stats.median(self.block_ns) / self.steps_per_block / 1e9

    @property
    def sequences_per_second(self) -> float:
        """Throughput at the median step."""
        return self.batch_size / self.seconds_per_step


class Memory(Record, frozen=True):
    """Memory of the worker in bytes.

    Attributes:
        after_import: resident size once the framework was imported, before anything was built.
        peak: largest resident size while it was timed, trained or evaluated, without the check, the inspection and the
            ceiling; ``null`` if the system does not tell.
        device_peak: most that the device's allocator held, ``null`` for a device without one: until the timing ended,
            or later, if it then held more than ever while it was trained or evaluated.
    """

    after_import: int
    peak: int | None
    device_peak: int | None


class Ceiling(Record, frozen=True):
    """What this process could at most do, measured beside what it did.

    Attributes:
        size: rows and columns of the square matrices whose product was the fastest; 0 if there was none.
        flops_per_second: floating point operations per second of the fastest product; ``null`` if the backend has no
            product of its own to time.
        floor_seconds: by scope, one step of the smallest model there is, which is all overhead; empty if the backend
            refuses it, or would have to compile it for long.
    """

    size: int
    flops_per_second: float | None
    floor_seconds: dict[Scope, float] = {}


class Disturbance(Record, frozen=True):
    """What else the machine did while blocks were timed. ``null`` where the system does not tell.

    Attributes:
        seconds: that were watched.
        load_before: processes that ran or wanted to, mean over the minute before; earlier workers are among them.
        others: share of all the machine's processors that was used by anything but this worker, 0 to 1.
        crowded: likewise of those processors that this worker was to run on.
        stolen: share of the latter that a hypervisor gave to somebody else, 0 to 1.
        throttled: seconds for which a container's quota of processor time was used up.
        overheated: times that one of the worker's processors was slowed down since it was too hot.
        megahertz: of the fastest of the worker's processors, before and after.
        gpu_processes: other processes on the GPUs that this worker was on.
    """

    seconds: float
    load_before: float | None = None
    others: float | None = None
    crowded: float | None = None
    stolen: float | None = None
    throttled: float | None = None
    overheated: int | None = None
    megahertz: tuple[float | None, float | None] = (None, None)
    gpu_processes: int | None = None


class Judgement(Record, frozen=True):
    """What the task said of the trained model.

    Attributes:
        metric: name of the metric that the table shows.
        unit: its unit.
        better: ``lower`` or ``higher``.
        metrics: every metric; ``null`` where not finite.
        series: named sequences worth drawing.
        baselines: the metrics that need no model, by the baseline's name.
    """

    metric: str
    unit: str
    better: Literal["lower", "higher"]
    metrics: dict[str, float | None]
    series: dict[str, tuple[float | None, ...]]
    baselines: dict[str, dict[str, float | None]]


class Findings(Record, frozen=True):
    """What a worker found out, phase by phase; a worker that fails leaves the later fields empty.

    Attributes:
        machine: where it ran.
        versions: the framework's version first, then those of the libraries under it.
        device_name: the device's own name, or ``""``.
        threads: as read back.
        native_parameter_count: parameters as the framework counts them, where that differs.
        seconds: wall time of each phase by name.
        observed_precision: what the matrix products of ``infer`` were seen to be computed in, the coarsest of them;
            ``null`` if it could not be told.
        observed_denormals: whether ``infer`` was seen to keep denormal numbers or to take them for zero (``flushed``);
            ``null`` if it could not be told.
        published: times that others have published for what the recipe computes.
        observed: what the task's forecasts are drawn beside; ``null`` where nothing is forecast.
        agreement: with the reference.
        training: the recipe's training run.
        judgement: the task's verdict on the trained model.
        timings: by scope.
        batch_shape: B, T and I of the batches that were timed; empty before schema version 3.
        memory: of the worker.
        compile_seconds: how much of the first step went into compiling; ``null`` if the framework does not tell.
        kernel_path: what really computed the inference, where the backend can tell.
        training_kernel_path: likewise a training step.
        ceiling: what could at most be reached.
        disturbance: of the timing.
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
        id: unique, and sorts by the time of its start.
        created: start in UTC, ISO 8601.
        lstm_bench: version of the harness.
        configuration: what was asked.
        status: how it ended.
        reason: why, in one line, for every status but ``ok``.
        phase: the phase in which it ended.
        output_tail: the last of what the worker wrote to stdout and stderr, where it did not end ``ok``.
        findings: what was found out until then.
        run: what all attempts of one command have in common; ``""`` before schema version 3.
        round: of the run, from 0.
        times_only: whether it was timed and nothing else, since another attempt of the run is checked and trained.
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
        """What those attempts of one run have in common that are a row of a table: they differ in seed and round."""
        return self.findings.machine, self.configuration.seedless

    def operations(self, scope: Scope) -> int | None:
        """Floating point operations of one step of a scope; ``None`` where the batch's shape is not known."""
        if not self.findings.batch_shape:
            return None
        batch, time, *_ = self.findings.batch_shape
        return operations(self.configuration.recipe.model, scope, batch=batch, time=time)


class Extent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a recipe's batches that is compared with the reference.

    Attributes:
        steps: optimizer steps.
        sequences: of each batch, its first ones.
        time: steps of each sequence, its first ones.
    """

    steps: int
    sequences: int
    time: int
