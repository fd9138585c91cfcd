"""Measure one configuration in the worker process, phase by phase.

Timing comes before training, so that the process is in the same state in every round of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lstm_bench.catalog import required_kernel
from lstm_bench.host.disturbance import Watch, is_judged, verdict
from lstm_bench.host.machine import read_back_threads
from lstm_bench.plugin.backend import if_supported
from lstm_bench.record.attempt import Findings, Memory
from lstm_bench.worker import ceiling
from lstm_bench.worker.ending import Disturbed, Mismatch
from lstm_bench.worker.learning import train_recipe
from lstm_bench.worker.plausibility import require_granted_processors, require_possible_speed
from lstm_bench.worker.prepare import prepare
from lstm_bench.worker.timed import time_scopes
from lstm_bench.worker.verifying import verify, verify_recipe_losses, verify_trained
from lstm_bench.worker.verifying_timed import require_finished, verify_timed

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model
    from lstm_bench.record.attempt import Agreement, Disturbance
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.protocol import MeasureJob
    from lstm_bench.worker.session import Session


def measure(job: MeasureJob, session: Session) -> None:
    """Verify, time, train and evaluate the job's configuration.

    Raises:
        Unsupported: if the backend refuses the configuration.
        InvalidOutput: if the backend returns something that cannot be compared.
        Mismatch: if the backend disagrees with the reference, or uses another precision or kernel than requested.
        Diverged: if a training loss was not finite.
        Implausible: if the measured times cannot be those of the work.
        Disturbed: after all phases, if other load on the machine makes the timing untrustworthy.
    """
    prepared = prepare(job, session)
    first = take_first_step(prepared, session)
    agreement = None if job.times_only else verify(prepared, first.native, session)
    disturbance = time_and_inspect(prepared, first, session, first_round=agreement is not None)
    if agreement is not None:
        with session.phase("ceiling"):
            session.found(Findings(ceiling=ceiling.measure(prepared, first.seconds)))
        train_and_judge(prepared, first, agreement, session)
    if is_judged() and (reason := verdict(disturbance)):
        raise Disturbed(reason)


@dataclass(frozen=True)
class FirstStep:
    """The result of the first step.

    Attributes:
        native: native sequences and targets of the first epoch.
        seconds: duration of the first step, including JIT compilation.
    """

    native: tuple[Any, Any]
    seconds: float


def take_first_step(prepared: Prepared, session: Session) -> FirstStep:
    """Build a model, put the data, and train for one step, or infer once. This includes JIT compilation."""
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


def time_and_inspect(prepared: Prepared, first: FirstStep, session: Session, *, first_round: bool) -> Disturbance:
    """Time the blocks of every scope, inspect which kernels ran, and verify the timed calls.

    Inspection comes after timing, because a profiler may slow down later calls, and before training, which takes long.

    Returns:
        Other load on the machine while blocks were timed.

    Raises:
        Mismatch: if a kernel is required and another one ran, or the timed calls did not do the specified work.
        Implausible: if the measured times cannot be those of the work.
    """
    configuration = prepared.configuration
    watch = Watch(configuration.device)
    timed = time_scopes(prepared, first.native, session)
    disturbance = watch.ended()
    session.found(Findings(disturbance=disturbance, threads=read_back_threads()))
    with session.phase("inspect"):
        assert timed.model is not None
        inspect(prepared, timed.model, first.native, session)
    with session.phase("verify"):
        shape = (prepared.order.shape[1], *prepared.x.shape[1:])
        require_finished(timed)
        require_granted_processors(configuration, disturbance)
        timed.release()
        verify_timed(prepared, timed, first.native, session, first_round=first_round)
        require_possible_speed(prepared.recipe.model, configuration, shape, timed.timings.values())
    return disturbance


def inspect(prepared: Prepared, model: Model[Any], native: tuple[Any, Any], session: Session) -> None:
    """Find which kernels computed inference and training.

    Raises:
        Mismatch: if a kernel is required and another one ran.
    """
    order, x = model.put(prepared.order[:1]), model.put(prepared.x[prepared.order[0]])
    paths = {"infer": if_supported(lambda: model.kernel_path(x)) or ""}
    if prepared.trains:
        paths["train"] = if_supported(lambda: model.training_kernel_path(*native, order)) or ""
    session.found(Findings(kernel_path=paths["infer"], training_kernel_path=paths.get("train", "")))
    if (shortfall := required_kernel.shortfall(paths, prepared.configuration.require_kernel)) is not None:
        raise Mismatch(shortfall)


def train_and_judge(prepared: Prepared, first: FirstStep, agreement: Agreement, session: Session) -> None:
    """Train by the recipe, evaluate the model, and compare it with the reference again.

    A model of a backend that only infers is compared but not evaluated, because it is untrained.

    Raises:
        Diverged: if a training loss was not finite.
        Mismatch: if the trained model disagrees with the reference.
    """
    peak = prepared.peak
    with peak.counted(), session.phase("train"):
        trains = prepared.trains and prepared.configuration.epochs > 0
        model = train_recipe(prepared, first.native, session) if trains else prepared.build()
    with session.phase("evaluate"):
        if trains:
            assert session.findings.training is not None
            agreement = verify_recipe_losses(prepared, session.findings.training, agreement, session)
        with peak.counted():  # leaves out the memory of the reference
            judgement = prepared.judge.judgement(model) if prepared.trains else None
        memory = Memory(after_import=prepared.after_import, peak=peak.resident, device_peak=peak.device)
        session.found(Findings(judgement=judgement, memory=memory))
        verify_trained(prepared, model, agreement, session)
