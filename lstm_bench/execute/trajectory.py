"""The parent's side of ``lstm-bench check --trajectory``: where the loss curves of backends and precisions part."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from lstm_bench.catalog.choosing import ChosenBackend, ChosenTask
from lstm_bench.catalog.loading import Plugins
from lstm_bench.conformance.agreement import REFERENCE, STEPS, TOLERANCES
from lstm_bench.execute.pool import Pool, Subject
from lstm_bench.record.attempt import Status
from lstm_bench.worker import protocol

THRESHOLDS = (1e-6, 1e-4, 1e-2)
"""Differences of two losses by which curves are said to have parted, as a part of the losses' recent mean."""

FLOAT64_TOLERANCE = 1e-6
"""By which a float64 loss may be off the reference in the first ``STEPS`` steps. Rounding is far smaller there."""

RECENT = 100
"""Steps over whose losses the mean is taken that differences are compared with."""

Loss = float | None
"""``None`` where it is not a finite number."""


@dataclass
class Curve:
    """The losses of a backend in one precision on a task.

    Attributes:
        task: what is learnt.
        subject: the backend.
        status: ``ok`` if it was trained to the end.
        reason: why not, otherwise.
        losses: of each step that was trained.
    """

    task: ChosenTask
    subject: Subject
    status: Status = "ok"
    reason: str = ""
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True)
class Departure:
    """A loss that is further off the reference than rounding can bring it so early.

    Attributes:
        curve: whose loss.
        step: of the loss, from 1.
        tolerance: by which it may be off, as a part of the losses' recent mean.
    """

    curve: Curve
    step: int
    tolerance: float


@dataclass(frozen=True)
class Trajectory:
    """A backend on a task, in the precision that is asked about and in float64, beside the reference.

    Attributes:
        task: what was learnt.
        steps: how many were asked for.
        low: in the precision that is asked about.
        double: of the same backend in float64.
        reference: of the reference in float64.
    """

    task: ChosenTask
    steps: int
    low: Curve
    double: Curve
    reference: Curve

    @property
    def departures(self) -> list[Departure]:
        """Where the curves leave the reference among the first steps, in which only an error can make them."""
        # From where the reference is not finite itself, nothing can be said.
        known = list(takewhile(lambda loss: loss is not None, self.reference.losses[:STEPS]))
        found = []
        for curve, tolerance in (
            (self.low, TOLERANCES[self.low.subject.precision]["update"]),
            (self.double, FLOAT64_TOLERANCE),
        ):
            if (step := parting(curve.losses, known, tolerance)) is not None:
                found.append(Departure(curve, step, tolerance))
        return found

    @property
    def verdict(self) -> str:
        """``agrees``, ``disagrees``, or why nothing can be said."""
        if self.departures:
            return "disagrees"
        for curve in (self.low, self.double):
            if curve.status not in ("ok", "unsupported"):
                return curve.status
        if self.reference.status != "ok":
            return "no reference"
        if self.low.status == "unsupported":
            return "unsupported"
        return "diverged" if self._diverged else "agrees"

    @property
    def _diverged(self) -> bool:
        return any(
            ours is None and theirs is not None
            for curve in (self.low, self.double)
            for ours, theirs in zip(curve.losses, self.reference.losses, strict=False)
        )


def parting(ours: Sequence[Loss], theirs: Sequence[Loss], threshold: float) -> int | None:
    """The first step, from 1, at which our loss is off theirs by more than a threshold, or either is not finite.

    Args:
        ours: losses of each step.
        theirs: likewise; what only one of the two has is not compared.
        threshold: the difference allowed, as a part of the mean of their last ``RECENT`` losses. A batch that happens
            to be predicted almost exactly has next to no loss of its own, to which any rounding would be large.

    Returns:
        The step, or ``None`` if they do not part.
    """
    recent: deque[float] = deque(maxlen=RECENT)
    for step, (our, their) in enumerate(zip(ours, theirs, strict=False), 1):
        if our is None or their is None:
            return step
        recent.append(abs(their))
        if abs(our - their) > threshold * (sum(recent) / len(recent)):
            return step
    return None


def plan_trajectories(
    plugins: Plugins, tasks: Sequence[ChosenTask], subjects: Sequence[Subject], steps: int
) -> list[Trajectory]:
    """For each task in turn the trajectories of the subjects in their order, with curves that are still empty.

    A curve that several of them need, as all of a task need the reference's, is the same object in each.

    Args:
        plugins: what there is, the reference among it.
        tasks: what is to be learnt.
        subjects: backends in the precision that is asked about.
        steps: optimizer steps.
    """
    curves: dict[tuple[str, str], Curve] = {}

    def curve(task: ChosenTask, subject: Subject) -> Curve:
        return curves.setdefault((task.selector, subject.name), Curve(task, subject))

    return [
        Trajectory(
            task=task,
            steps=steps,
            reference=curve(task, _reference(plugins, subject)),
            low=curve(task, subject),
            double=curve(task, replace(subject, precision="float64")),
        )
        for task in tasks
        for subject in subjects
    ]


def _reference(plugins: Plugins, subject: Subject) -> Subject:
    """The reference, with the plugin files of a subject: the task may come from one."""
    info = plugins.backend(REFERENCE)
    return Subject(ChosenBackend(info, info.read({})), "float64", "cpu", subject.plugin_files)


def curves_of(trajectories: Iterable[Trajectory]) -> list[Curve]:
    """Each of their curves once, the reference's before those that are held against it."""
    curves = [curve for one in trajectories for curve in (one.reference, one.low, one.double)]
    return list({id(curve): curve for curve in curves}.values())


def trace(
    curves: Sequence[Curve],
    *,
    steps: int,
    seed: int,
    data_dir: str | None,
    timeout: float,
    workers: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Train for every curve, several at once, each on a processor of its own: nothing is timed.

    Args:
        curves: to be filled.
        steps: optimizer steps.
        seed: of weights, order and data.
        data_dir: folder of the user's data files, if any was named.
        timeout: seconds for each curve.
        workers: processes at once, not more than there are processors.
        on_progress: told how many steps of all the curves together are done.
    """
    pool = Pool(workers, timeout, on_progress)

    def one(curve: Curve) -> None:
        subject, task = curve.subject, curve.task
        job = protocol.TrajectoryJob(
            backend=subject.backend.info.name,
            options=dict(subject.backend.options.written),
            precision=subject.precision,
            device=subject.device,
            task=task.info.name,
            task_options=dict(task.options.written),
            recipe=task.recipe,
            steps=steps,
            seed=seed,
            plugin_files=subject.plugin_files,
            data_dir=data_dir,
        )
        _fill(curve, job, pool)

    pool.map(one, curves)


def _fill(curve: Curve, job: protocol.TrajectoryJob, pool: Pool) -> None:
    def take(message: protocol.Message) -> None:
        if isinstance(message, protocol.Losses):
            curve.losses.extend(message.losses)
            pool.tell(len(message.losses))

    ending = pool.converse(curve.subject, job, where=lambda: f"after {len(curve.losses)} steps", on_message=take)
    curve.status, curve.reason = ending.status, ending.reason
