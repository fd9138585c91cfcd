"""What a worker does to measure one configuration, phase by phase: each takes the values of those before it.

What is timed is timed before the recipe is trained, so that every round of a run finds the same process.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lstm_bench.catalog import required_kernel
from lstm_bench.host.disturbance import Watch, is_judged, verdict
from lstm_bench.host.machine import read_back_threads
from lstm_bench.plugin.backend import if_supported
from lstm_bench.record.attempt import Findings, Memory, Timing
from lstm_bench.worker import ceiling
from lstm_bench.worker.ending import Disturbed, Mismatch
from lstm_bench.worker.learning import train_recipe
from lstm_bench.worker.prepare import prepare
from lstm_bench.worker.timing import time_scope
from lstm_bench.worker.verifying import verify, verify_trained

if TYPE_CHECKING:
    from lstm_bench.model.spec import Scope
    from lstm_bench.plugin.backend import Model
    from lstm_bench.record.attempt import Agreement, Disturbance
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.protocol import MeasureJob
    from lstm_bench.worker.session import Session

TIMED_BATCHES = 8
"""Different batches that are gone round where no parameter changes."""


def measure(job: MeasureJob, session: Session) -> None:
    """Carry out the job.

    Raises:
        Unsupported: if the backend cannot do it.
        InvalidOutput: if it returns what cannot be compared.
        Mismatch: if it disagrees with the reference, computes in another precision or with another kernel.
        Diverged: if a training loss was not finite.
        Disturbed: after all the rest, if what else the machine did forbids to trust the timing.
    """
    prepared = prepare(job, session)
    first = take_first_step(prepared, session)
    agreement = None if job.times_only else verify(prepared, first.native, session)
    disturbance = time_and_inspect(prepared, first, session)
    if agreement is not None:
        with session.phase("ceiling"):
            session.found(Findings(ceiling=ceiling.measure(prepared, first.seconds)))
        train_and_judge(prepared, first, agreement, session)
    if is_judged() and (reason := verdict(disturbance)):
        raise Disturbed(reason)


@dataclass(frozen=True)
class FirstStep:
    """What the first step leaves behind.

    Attributes:
        native: sequences and targets of the first epoch, as the backend has them.
        seconds: of the first step, including JIT compilation.
    """

    native: tuple[Any, Any]
    seconds: float


def take_first_step(prepared: Prepared, session: Session) -> FirstStep:
    """Build a model, bring the data to it, and train it for one step, or infer once: this compiles what compiles."""
    with session.phase("build"):
        model = prepared.build()
    count = if_supported(model.native_parameter_count)
    session.found(Findings(native_parameter_count=None if count is None else int(count)))

    with session.phase("put"):
        native = model.put(prepared.x), model.put(prepared.y)
        model.synchronize()

    with session.phase("first step"):
        begin = perf_counter()
        if prepared.trains:
            model.train(*native, model.put(prepared.order[:1]))
        else:
            model.infer(model.put(prepared.x[prepared.order[0]]))
        model.synchronize()
        seconds = perf_counter() - begin
    session.found(Findings(threads=read_back_threads(), compile_seconds=if_supported(prepared.backend.compile_seconds)))
    return FirstStep(native, seconds)


def time_and_inspect(prepared: Prepared, first: FirstStep, session: Session) -> Disturbance:
    """Time the blocks of every scope with a model that has learnt nothing yet, and see what really ran.

    Inspected after timing, since a profiler may leave traces; and before training, which is long.

    Returns:
        What else the machine did while blocks were timed.

    Raises:
        Mismatch: if a kernel is required and another one ran.
    """
    with prepared.peak.counted():
        model, order = prepared.build(), prepared.order
        watch = Watch(prepared.configuration.device)
        with session.phase("time"):
            batches = [(model.put(prepared.x[rows]), model.put(prepared.y[rows])) for rows in order[:TIMED_BATCHES]]
            session.found(Findings(batch_shape=(order.shape[1], *prepared.x.shape[1:])))
            timings: dict[Scope, Timing] = {}
            for scope in prepared.scopes:
                timings[scope] = time_scope(scope, model, *first.native, order, batches, prepared.configuration.effort)
                session.found(Findings(timings=dict(timings)))
        disturbance = watch.ended()
    session.found(Findings(disturbance=disturbance))
    with session.phase("inspect"):
        inspect(prepared, model, batches[0][0], first.native, session)
    return disturbance


def inspect(prepared: Prepared, model: Model[Any], x: Any, native: tuple[Any, Any], session: Session) -> None:
    """See which kernels computed inference and training.

    Raises:
        Mismatch: if another kernel is required.
    """
    order = model.put(prepared.order[:1])
    paths = {"infer": if_supported(lambda: model.kernel_path(x)) or ""}
    if prepared.trains:
        paths["train"] = if_supported(lambda: model.training_kernel_path(*native, order)) or ""
    session.found(Findings(kernel_path=paths["infer"], training_kernel_path=paths.get("train", "")))
    if (shortfall := required_kernel.shortfall(paths, prepared.configuration.require_kernel)) is not None:
        raise Mismatch(shortfall)


def train_and_judge(prepared: Prepared, first: FirstStep, agreement: Agreement, session: Session) -> None:
    """Train the recipe, say how good the model has become, and compare it with the reference once more.

    A backend that only infers is compared alone: an untrained model's metric says nothing.

    Raises:
        Diverged: if a training loss was not finite.
        Mismatch: if the trained model disagrees with the reference.
    """
    peak = prepared.peak
    with peak.counted(), session.phase("train"):
        trains = prepared.trains and prepared.configuration.epochs > 0
        model = train_recipe(prepared, first.native, session) if trains else prepared.build()
    with session.phase("evaluate"):
        with peak.counted():  # the reference's memory is not the backend's
            judgement = prepared.judge.judgement(model) if prepared.trains else None
        memory = Memory(after_import=prepared.after_import, peak=peak.resident, device_peak=peak.device)
        session.found(Findings(judgement=judgement, memory=memory))
        verify_trained(prepared, model, agreement, session)
