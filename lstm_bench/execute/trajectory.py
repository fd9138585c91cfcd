"""The parent's side of ``lstm-bench check --trajectory``: find the steps at which loss curves part."""

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
"""Curves have parted if two losses differ by more than this fraction of the losses' recent mean."""

FLOAT64_TOLERANCE = 1e-6
"""The largest error of a float64 loss in the first ``STEPS`` steps, as a fraction. Rounding is far smaller there."""

RECENT = 100
"""The number of steps whose losses make the recent mean."""

Loss = float | None
"""A loss; ``None`` if it is not finite."""


@dataclass
class Curve:
    """The losses of a backend in one precision on a task.

    Attributes:
        task: the task that is trained.
        subject: the backend.
        status: ``ok`` if it was trained to the end.
        reason: why not, for every other status.
        losses: the loss of each step.
    """

    task: ChosenTask
    subject: Subject
    status: Status = "ok"
    reason: str = ""
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True)
class Departure:
    """A loss whose error is larger than rounding can explain so early.

    Attributes:
        curve: the curve of the loss.
        step: the step of the loss, from 1.
        tolerance: the largest error allowed, as a fraction of the losses' recent mean.
    """

    curve: Curve
    step: int
    tolerance: float


@dataclass(frozen=True)
class Trajectory:
    """The loss curves of a backend on a task, in the precision under test and in float64, and of the reference.

    Attributes:
        task: the task that is trained.
        steps: the number of optimizer steps.
        low: the curve in the precision under test.
        double: the curve of the same backend in float64.
        reference: the curve of the reference in float64.
    """

    task: ChosenTask
    steps: int
    low: Curve
    double: Curve
    reference: Curve

    @property
    def departures(self) -> list[Departure]:
        """The departures from the reference in the first steps. So early, only an error can cause them."""
        # After the first loss of the reference that is not finite, there is nothing to compare with.
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
    """Find the first step at which two losses differ by more than a threshold, or one is not finite.

    Args:
        ours: the loss of each step.
        theirs: the loss of each step. Steps that only one of the two has are not compared.
        threshold: the difference allowed, as a fraction of the mean of their last ``RECENT`` losses. The loss of the
            step itself may be close to 0 by chance, and then any rounding would look large.

    Returns:
        The step, from 1, or ``None`` if they do not part.
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
    """Plan a trajectory of each subject on each task, with empty curves.

    Trajectories that need the same curve share the object: all trajectories of a task share the reference's curve.

    Args:
        plugins: the backends and tasks, the reference among them.
        tasks: the tasks to train.
        subjects: the backends in the precision under test.
        steps: the number of optimizer steps.

    Returns:
        The trajectories of the first task, in the order of the subjects; then those of the next task.
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
    """The reference as a subject. It gets the plugin files of a subject, since the task may come from one."""
    info = plugins.backend(REFERENCE)
    return Subject(ChosenBackend(info, info.read({})), "float64", "cpu", subject.plugin_files)


def curves_of(trajectories: Iterable[Trajectory]) -> list[Curve]:
    """List each curve once, the reference's before those that are compared with it."""
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
    """Fill every curve by training, several at once, each on a processor of its own.

    Args:
        curves: the curves to fill.
        steps: the number of optimizer steps.
        seed: the seed of weights, order and data.
        data_dir: folder of the user's data files, if the user named one.
        timeout: seconds for each curve.
        workers: processes at once, not more than there are processors.
        on_progress: called with the number of steps that are done, all curves together.
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
