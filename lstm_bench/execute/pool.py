"""Several workers at once, each on a processor of its own, where nothing is timed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

import msgspec

from lstm_bench.execute.attempt import WORKER, worker_environment
from lstm_bench.host import process
from lstm_bench.model.spec import Precision
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.record.configuration import write_options
from lstm_bench.worker import protocol

Item = TypeVar("Item")
Made = TypeVar("Made")


WAKING = 0.5
"""Seconds. An interrupt that comes as a thread falls asleep does not wake it, so the one that waits looks up."""


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


class Pool:
    """Worker processes, at most as many at once as there are processors for them, and all stopped together.

    Args:
        workers: how many at once, not more than there are processors.
        timeout: seconds that each may take.
        on_progress: told how much is done.
    """

    def __init__(self, workers: int, timeout: float, on_progress: Callable[[int], None]) -> None:
        self.timeout = timeout
        self._workers, self._on_progress = workers, on_progress
        self._stopping = threading.Event()
        self._free: SimpleQueue[int] = SimpleQueue()  # two on one processor would only be in each other's way
        for processor in range(workers):
            self._free.put(processor)
        self._done = 0
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether nothing is to be begun any more."""
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
        on_message: Callable[[protocol.Message], None],
    ) -> protocol.Ended | process.Exit:
        """Give a fresh worker a job, and listen to it until it has said its last word or went without one.

        Args:
            subject: the job's backend.
            job: what the worker is to do; on which processor is decided here.
            on_message: told what the worker says, but for its last word.
        """
        ended: protocol.Ended | None = None

        def hear(line: bytes) -> bool:
            nonlocal ended
            try:
                message = protocol.decode_message(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                message = protocol.Ended("invalid-output", f"the worker's answer cannot be read: {error}")
            if isinstance(message, protocol.Ended):
                ended = message
            else:
                on_message(message)
            return ended is None and not self.stopping

        processor = self._free.get()
        try:
            how = process.supervise(
                WORKER,
                worker_environment(subject.info, subject.options, job.threads, subject.device),
                protocol.encode(msgspec.structs.replace(job, first_processor=processor)),
                hear,
                timeout=self.timeout,
                longest_line=protocol.LONGEST_LINE,
            )
        finally:
            self._free.put(processor)
        return how if ended is None else ended

    def tell(self, count: int = 1) -> None:
        """Something more is done."""
        with self._lock:
            self._done += count
            self._on_progress(self._done)
