"""The parent's side of one attempt: start a worker, listen, and turn whatever happened into an ``Attempt``."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

import lstm_bench
from lstm_bench.host import process
from lstm_bench.host.machine import THREAD_VARIABLES
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.record.attempt import Attempt, Findings, Phase, Status
from lstm_bench.worker import protocol

WORKER = (sys.executable, "-P", "-X", "faulthandler", "-m", "lstm_bench.worker")
"""The command that starts one."""

Listener = Callable[[protocol.Message], None]
"""Told what a worker says, as it says it."""


def run_attempt(
    job: protocol.Job, backend: BackendInfo, *, timeout: float, on_message: Listener = lambda message: None
) -> Attempt:
    """Run one configuration in a fresh worker process.

    Args:
        job: what the worker is to do.
        backend: the job's backend.
        timeout: seconds after which the worker is stopped.
        on_message: told what the worker says.

    Returns:
        The attempt, however it ended. Only ``KeyboardInterrupt`` gets out, and then no worker is left behind.
    """
    begun = datetime.now(UTC)
    hearing = _Hearing(on_message)
    ended = process.supervise(
        WORKER,
        worker_environment(
            backend, job.configuration.backend_options, job.configuration.threads, job.configuration.device
        ),
        protocol.encode(job),
        hearing.line,
        timeout=timeout,
        longest_line=protocol.LONGEST_LINE,
    )
    status, reason = hearing.outcome(ended, timeout)
    return Attempt(
        id=_new_id(begun),
        created=begun.isoformat(timespec="seconds"),
        lstm_bench=lstm_bench.__version__,
        configuration=job.configuration,
        status=status,
        reason=reason,
        phase=hearing.phase,
        output_tail="" if status == "ok" else ended.output_tail,
        findings=hearing.findings,
        run=job.run,
        round=job.round,
        times_only=job.times_only,
    )


def new_run_id() -> str:
    """A name for all attempts of one command: unique, and sorts by time."""
    return _new_id(datetime.now(UTC))


def _new_id(begun: datetime) -> str:
    return f"{begun:%Y%m%dT%H%M%S}-{begun.microsecond:06d}-{secrets.token_hex(4)}"


def worker_environment(backend: BackendInfo, options: Mapping[str, str], threads: int, device: str) -> dict[str, str]:
    """The environment that a worker starts in: ours, but for what decides threads and devices."""
    ours: dict[str, str] = dict.fromkeys(THREAD_VARIABLES, str(threads))
    ours["PYTHONUNBUFFERED"] = "1"  # so that the last words of a worker that dies are not lost
    if device == "cpu":
        ours["CUDA_VISIBLE_DEVICES"] = "-1"  # some frameworks prepare the GPU even when told to use the CPU
    asked: Mapping[str, str] = backend.environ(options, threads, device)
    return {**os.environ, **ours, **asked}


class _Hearing:
    """What a worker has said until now."""

    def __init__(self, on_message: Listener) -> None:
        self.phase: Phase = "start"
        self.findings = Findings()
        self._on_message = on_message
        self._ended: protocol.Ended | None = None
        self._gibberish = ""

    def line(self, line: bytes) -> bool:
        """Take one line; whether to go on listening."""
        try:
            message = protocol.decode_message(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._gibberish = f"the worker's answer cannot be read: {error}"
            return False
        match message:
            case protocol.Entered():
                self.phase = message.phase
            case protocol.Found():
                self.findings = message.findings
            case protocol.Ended():
                self._ended = message
        self._on_message(message)
        return self._ended is None

    def outcome(self, ended: process.Exit, timeout: float) -> tuple[Status, str]:
        """The attempt's status and its reason."""
        if self._ended is not None:
            return self._ended.status, self._ended.reason
        if ended.cause == "told":
            return "invalid-output", self._gibberish
        return how_it_ended(ended, f"in phase {self.phase!r}", timeout)


def how_it_ended(ended: process.Exit, where: str, timeout: float) -> tuple[Status, str]:
    """The status of a worker that went without a last word, and the reason. ``where`` is what it was doing."""
    if ended.cause == "deadline":
        return "timeout", f"not done after {timeout:g} s, stopped {where}"
    if ended.cause == "flood":
        return "crashed", f"stopped {where}: it wrote more output than the {process.MOST_OUTPUT >> 20} MiB allowed"
    if ended.cause == "long line":
        return "crashed", f"stopped {where}: a line of its answer was over {protocol.LONGEST_LINE >> 20} MiB long"
    if ended.returncode == -signal.SIGKILL and ended.starved:
        return "out-of-memory", f"killed {where} by SIGKILL, when the system had run out of memory"
    if ended.returncode == -signal.SIGABRT and "std::bad_alloc" in ended.output_tail:
        return "out-of-memory", f"killed {where} by SIGABRT, after std::bad_alloc"
    if ended.returncode == -signal.SIGKILL:
        return "crashed", f"killed {where} by SIGKILL, which the system also sends when memory runs out"
    if ended.returncode < 0:
        return "crashed", f"killed {where} by {_signal_name(-ended.returncode)}"
    return "crashed", f"left {where} with exit code {ended.returncode} and without an answer"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
