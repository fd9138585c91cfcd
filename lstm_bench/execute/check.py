"""The parent's side of ``lstm-bench check``: every backend against the reference, in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lstm_bench.execute.pool import Pool, Subject
from lstm_bench.record.attempt import Status
from lstm_bench.record.checked import Compared, Quantity
from lstm_bench.worker import protocol

MOST_DEATHS = 5
"""After this many deaths a worker is not started again."""


@dataclass
class Outcome:
    """The result of checking one subject.

    Attributes:
        subject: the backend that was checked.
        status: ``ok`` if every case ran.
        reason: why not, for every other status.
        cases: the result of each case.
        diagnosis: what would explain the disagreements; ``None`` if no diagnosis was made.
        shrunk: the number of the failing case that was made smaller.
        smallest: the smallest case that fails in the same way, in JSON, if one was searched for.
    """

    subject: Subject
    status: Status = "ok"
    reason: str = ""
    cases: list[Compared] = field(default_factory=list)
    diagnosis: tuple[str, ...] | None = None
    shrunk: int | None = None
    smallest: str | None = None

    @property
    def failing(self) -> list[Compared]:
        """The cases in which something disagrees or misbehaves."""
        return [case for case in self.cases if not case.agrees]

    @property
    def compared(self) -> int:
        """The number of cases that were compared."""
        return sum(not case.skipped for case in self.cases)

    @property
    def verdict(self) -> str:
        """``agrees``, ``disagrees``, or why nothing can be said."""
        if self.failing:
            return "disagrees"
        if self.status != "ok":
            return self.status
        return "agrees" if self.compared else "unsupported"

    def worst(self) -> dict[str, tuple[Compared, Quantity]]:
        """For each kind of quantity, the case with the largest error relative to its tolerance."""
        found: dict[str, tuple[Compared, Quantity]] = {}
        for case in self.cases:
            for kind, quantity in case.quantities.items():
                if kind not in found or _badness(quantity) > _badness(found[kind][1]):
                    found[kind] = case, quantity
        return found


def _badness(quantity: Quantity) -> float:
    return float("inf") if quantity.error is None else quantity.error / quantity.tolerance


def check(
    subjects: Sequence[Subject],
    *,
    seed: int,
    numbers: Sequence[int],
    case: str | None,
    timeout: float,
    workers: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Outcome]:
    """Compare all subjects with the reference, several at once, each on a processor of its own.

    Args:
        subjects: the backends to compare.
        seed: the seed that cases are drawn from.
        numbers: the numbers of the cases.
        case: a single case in JSON that replaces them.
        timeout: seconds for each subject.
        workers: processes at once, not more than there are processors.
        on_progress: called with the number of cases that are done.

    Returns:
        The outcome of each subject, in order.
    """
    pool = Pool(workers, timeout, on_progress)

    def one(subject: Subject) -> Outcome:
        job = protocol.CheckJob(
            backend=subject.backend.info.name,
            options=dict(subject.backend.options.written),
            precision=subject.precision,
            device=subject.device,
            seed=seed,
            cases=tuple(numbers),
            case=case,
            plugin_files=subject.plugin_files,
        )
        return _check_one(subject, job, pool)

    return pool.map(one, subjects)


def _check_one(subject: Subject, job: protocol.CheckJob, pool: Pool) -> Outcome:
    outcome = Outcome(subject)
    left = job.cases
    deaths = 0
    while left:
        heard = _CasesSoFar(outcome, pool.tell)
        ending = pool.converse(
            subject, msgspec.structs.replace(job, cases=left), where=heard.where, on_message=heard.take
        )
        deaths += 1
        last = heard.at is None or ending.status == "timeout" or pool.stopping or deaths > MOST_DEATHS
        if ending.said or last:
            outcome.status, outcome.reason = ending.status, ending.reason
            return outcome
        # The case in which the worker died counts as a failure. The other cases still run.
        assert heard.at is not None
        outcome.cases.append(Compared(number=heard.at, faults=(ending.reason,)))
        pool.tell()
        left = left[left.index(heard.at) + 1 :]
    return outcome


class _CasesSoFar:
    """What a worker has said until now."""

    def __init__(self, outcome: Outcome, tell: Callable[[], None]) -> None:
        self.at: int | None = None
        self._outcome, self._tell = outcome, tell

    def where(self) -> str:
        """What the worker is doing."""
        return "between the cases" if self.at is None else f"in case {self.at}"

    def take(self, message: protocol.Message) -> None:
        match message:
            case protocol.Comparing(number):
                self.at = number
            case Compared() as compared:
                self._outcome.cases.append(compared)
                self.at = None
                self._tell()
            case protocol.Diagnosed(texts):
                self._outcome.diagnosis = texts
            case protocol.Shrunk(number, case):
                self._outcome.shrunk, self._outcome.smallest = number, case
