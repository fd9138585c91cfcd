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
"""A worker that has died in this many cases is not started again."""


@dataclass
class Outcome:
    """What became of a subject.

    Attributes:
        subject: which.
        status: ``ok`` if every case was gone through.
        reason: why not, otherwise.
        cases: what became of each case.
        diagnosis: what would explain the disagreements; ``None`` if nobody asked.
        shrunk: the number of the failing case for which a smaller one was asked.
        smallest: the smallest case that fails as that one does, in JSON, if one was looked for.
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
        """Cases that were compared."""
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
        """By kind of quantity, the case that is worst by its tolerance."""
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
    """Compare all subjects, several at once, each on a processor of its own: nothing is timed.

    Args:
        subjects: what to compare.
        seed: of the cases.
        numbers: of the cases.
        case: one case in JSON in their place.
        timeout: seconds for each subject.
        workers: processes at once, not more than there are processors.
        on_progress: told how many cases are done.
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
        # The case that it died of is a failure of its own, and the others still run.
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
