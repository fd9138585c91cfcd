"""Run several workers at once, each on a processor of its own. Nothing is timed here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

import msgspec

from lstm_bench.catalog.choosing import ChosenBackend
from lstm_bench.execute.conversation import Ending, Listener, converse
from lstm_bench.model.spec import Precision
from lstm_bench.worker import protocol

Item = TypeVar("Item")
Made = TypeVar("Made")


WAKING = 0.5
"""Seconds. Ctrl-C may come just as the waiting thread falls asleep and not wake it, so it wakes by itself."""


@dataclass(frozen=True)
class Subject:
    """A backend in one precision on one device.

    Attributes:
        backend: the backend with its options.
        precision: the precision to compute in.
        device: the device to compute on.
        plugin_files: Python files that are plugins, beside the installed ones.
    """

    backend: ChosenBackend
    precision: Precision
    device: str
    plugin_files: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """The backend as a user would write it: ``keras[engine=jax]``."""
        return self.backend.selector

    @property
    def name(self) -> str:
        """A name for people: ``keras[engine=jax] (cpu, float32)``."""
        return f"{self.selector} ({self.device}, {self.precision})"


class Pool:
    """Worker processes, several at once, that are stopped together.

    Args:
        workers: the most workers at once, not more than there are processors.
        timeout: seconds after which a worker is stopped.
        on_progress: called with the amount of work that is done.
    """

    def __init__(self, workers: int, timeout: float, on_progress: Callable[[int], None]) -> None:
        self._timeout = timeout
        self._workers, self._on_progress = workers, on_progress
        self._stopping = threading.Event()
        self._free: SimpleQueue[int] = SimpleQueue()  # two workers on one processor would slow each other down
        for processor in range(workers):
            self._free.put(processor)
        self._done = 0
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether the pool stops, so that no more work may begin."""
        return self._stopping.is_set()

    def map(self, work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
        """Call ``work`` on each item, in several threads at once. Returns the results in the order of the items.

        An exception in ``work``, or Ctrl-C, stops every worker and is then raised.
        """
        with ThreadPoolExecutor(self._workers) as threads:
            try:
                futures = [threads.submit(work, item) for item in items]
                while wait(futures, timeout=WAKING).not_done:
                    pass
                return [future.result() for future in futures]
            except BaseException:
                self._stopping.set()
                threads.shutdown(cancel_futures=True)
                raise

    def converse(
        self,
        subject: Subject,
        job: protocol.CheckJob | protocol.TrajectoryJob,
        *,
        where: Callable[[], str],
        on_message: Listener,
    ) -> Ending:
        """Give a fresh worker a job, and listen to it as ``conversation.converse`` does.

        Args:
            subject: the job's backend.
            job: the worker's job. The pool decides on which processor it runs.
            where: tells what the worker is doing.
            on_message: called with each message of the worker.
        """
        processor = self._free.get()
        try:
            return converse(
                msgspec.structs.replace(job, first_processor=processor),
                subject.backend.info,
                timeout=self._timeout,
                where=where,
                on_message=on_message,
                stopping=self._stopping.is_set,
            )
        finally:
            self._free.put(processor)

    def tell(self, count: int = 1) -> None:
        """Add to the amount of work that is done, and report it."""
        with self._lock:
            self._done += count
            self._on_progress(self._done)
