"""Several workers at once, each on a processor of its own, where nothing is timed."""

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
"""Seconds. An interrupt that comes as a thread falls asleep does not wake it, so the one that waits looks up."""


@dataclass(frozen=True)
class Subject:
    """A backend in one precision on one device.

    Attributes:
        backend: the backend with its options.
        precision: what to compute in.
        device: where.
        plugin_files: Python files that are plugins, beside the installed ones.
    """

    backend: ChosenBackend
    precision: Precision
    device: str
    plugin_files: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """As a user would write it: ``keras[engine=jax]``."""
        return self.backend.selector

    @property
    def name(self) -> str:
        """For people: ``keras[engine=jax] (cpu, float32)``."""
        return f"{self.selector} ({self.device}, {self.precision})"


class Pool:
    """Worker processes, at most as many at once as there are processors for them, and all stopped together.

    Args:
        workers: how many at once, not more than there are processors.
        timeout: seconds that each may take.
        on_progress: told how much is done.
    """

    def __init__(self, workers: int, timeout: float, on_progress: Callable[[int], None]) -> None:
        self._timeout = timeout
        self._workers, self._on_progress = workers, on_progress
        self._stopping = threading.Event()
        self._free: SimpleQueue[int] = SimpleQueue()  # two on one processor would only be in each other's way
        for processor in range(workers):
            self._free.put(processor)
        self._done = 0
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether no more work may begin."""
        return self._stopping.is_set()

    def map(self, work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
        """What ``work`` makes of each item, in their order. It is called in several threads at once.

        Whatever gets out of it, or interrupts us, stops every worker before it is raised.
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
            job: what the worker is to do; on which processor is decided here.
            where: what the worker is doing, in words.
            on_message: told what the worker says.
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
        """Something more is done."""
        with self._lock:
            self._done += count
            self._on_progress(self._done)
