"""The parent's side of ``lstm-bench check``: every backend against the reference, in worker processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

import msgspec

from lstm_bench import process, protocol
from lstm_bench.backend import BackendInfo
from lstm_bench.result import Compared, Quantity, Status, write_options
from lstm_bench.runner import WORKER, how_it_ended, worker_environment
from lstm_bench.spec import Precision

MOST_DEATHS = 5
"""A worker that has died in this many cases is not started again."""


@dataclass(frozen=True)
class Subject:
    """A backend with its options, in one precision on one device.

    Attributes:
        info: the backend.
        options: all of them, resolved.
        precision: what to compute in.
        device: where.
        plugin_files: Python files that are plugins, beside the installed ones.
    """

    info: BackendInfo
    options: dict[str, str]
    precision: Precision
    device: str
    plugin_files: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """As a user would write it: ``keras[engine=jax]``."""
        return self.info.name + write_options(self.options, {n: o.default for n, o in self.info.options.items()})

    @property
    def name(self) -> str:
        """For people: ``keras[engine=jax] (cpu, float32)``."""
        return f"{self.selector} ({self.device}, {self.precision})"


@dataclass
class Outcome:
    """What became of a subject.

    Attributes:
        subject: which.
        status: ``ok`` if every case was gone through.
        reason: why not, otherwise.
        cases: what became of each case.
        diagnosis: what would explain the disagreements; ``None`` if nobody asked.
        smallest: the smallest case that disagrees, in JSON, if one was looked for.
    """

    subject: Subject
    status: Status = "ok"
    reason: str = ""
    cases: list[Compared] = field(default_factory=list)
    diagnosis: tuple[str, ...] | None = None
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
    stopping = threading.Event()
    free: SimpleQueue[int] = SimpleQueue()  # processors: two workers on the same one would only be in each other's way
    for processor in range(workers):
        free.put(processor)
    done = 0
    lock = threading.Lock()

    def tell() -> None:
        nonlocal done
        with lock:
            done += 1
            on_progress(done)

    def one(subject: Subject) -> Outcome:
        job = protocol.CheckJob(
            backend=subject.info.name, options=subject.options, precision=subject.precision, device=subject.device,
            threads=1, first_processor=free.get(), seed=seed, cases=tuple(numbers), case=case,
            plugin_files=subject.plugin_files,
        )  # fmt: skip
        try:
            return _check_one(subject, job, timeout, stopping, tell)
        finally:
            free.put(job.first_processor)

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(one, subject) for subject in subjects]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            raise


def _check_one(
    subject: Subject, job: protocol.CheckJob, timeout: float, stopping: threading.Event, tell: Callable[[], None]
) -> Outcome:
    outcome = Outcome(subject)
    left = job.cases
    deaths = 0
    while left:
        hearing = _Hearing(outcome, stopping, tell)
        ended = process.supervise(
            WORKER,
            worker_environment(subject.info, subject.options, job.threads, subject.device),
            protocol.encode(msgspec.structs.replace(job, cases=left)),
            hearing.line,
            timeout=timeout,
            longest_line=protocol.LONGEST_LINE,
        )
        if hearing.ended is not None:
            outcome.status, outcome.reason = hearing.ended.status, hearing.ended.reason
            return outcome
        where = "between the cases" if hearing.at is None else f"in case {hearing.at}"
        status, reason = how_it_ended(ended, where, timeout)
        deaths += 1
        if hearing.at is None or status == "timeout" or stopping.is_set() or deaths > MOST_DEATHS:
            outcome.status, outcome.reason = status, reason
            return outcome
        # The case that it died of is a failure of its own, and the others still run.
        outcome.cases.append(Compared(number=hearing.at, faults=(reason,)))
        tell()
        left = left[left.index(hearing.at) + 1 :]
    return outcome


class _Hearing:
    """What a worker has said until now."""

    def __init__(self, outcome: Outcome, stopping: threading.Event, tell: Callable[[], None]) -> None:
        self.at: int | None = None
        self.ended: protocol.Ended | None = None
        self._outcome, self._stopping, self._tell = outcome, stopping, tell

    def line(self, line: bytes) -> bool:
        """Take one line; whether to go on listening."""
        try:
            message = protocol.decode_message(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.ended = protocol.Ended("invalid-output", f"the worker's answer cannot be read: {error}")
            return False
        match message:
            case protocol.Comparing(number):
                self.at = number
            case Compared() as compared:
                self._outcome.cases.append(compared)
                self.at = None
                self._tell()
            case protocol.Diagnosed(texts):
                self._outcome.diagnosis = texts
            case protocol.Shrunk(case):
                self._outcome.smallest = case
            case protocol.Ended() as ended:
                self.ended = ended
        return self.ended is None and not self._stopping.is_set()
