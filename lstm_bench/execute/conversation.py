"""The parent's end of the conversation: start a worker, give it a job, listen, and tell how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from lstm_bench.host import environment, process
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.record.attempt import Status
from lstm_bench.worker import protocol

WORKER = (sys.executable, "-P", "-X", "faulthandler", "-m", "lstm_bench.worker")
"""The command that starts a worker."""

Listener = Callable[[protocol.Message], None]
"""Called with each message of a worker, as soon as it comes."""


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    Attributes:
        status: how its job ended.
        reason: why, in one line; empty for ``ok``.
        output_tail: the end of what it wrote to stdout and stderr.
        said: whether the status comes from the worker's messages, or from one that could not be read. If not, the
            worker died or was stopped.
    """

    status: Status
    reason: str
    output_tail: str
    said: bool


def converse(
    job: protocol.Job,
    backend: BackendInfo,
    *,
    timeout: float,
    where: Callable[[], str],
    on_message: Listener,
    stopping: Callable[[], bool] = lambda: False,
) -> Ending:
    """Give a fresh worker a job, and listen until its last message or its end.

    Args:
        job: the worker's job.
        backend: the job's backend.
        timeout: seconds after which the worker is stopped.
        where: tells what the worker is doing, such as "in phase 'train'", if it ends without a last message.
        on_message: called with each message of the worker.
        stopping: asked after each message whether to stop the worker.

    Returns:
        The ending, whatever happened.

    Raises:
        KeyboardInterrupt: at Ctrl-C. No worker is left behind. What ``on_message`` raises gets out in the same way.
    """
    last: list[protocol.Ended] = []

    def hear(line: bytes) -> bool:
        try:
            message = protocol.decode_message(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            last.append(protocol.Ended("invalid-output", f"the worker's answer cannot be read: {error}"))
            return False
        if isinstance(message, protocol.Ended):
            last.append(message)
        on_message(message)
        return not last and not stopping()

    exited = process.supervise(
        WORKER,
        _worker_environment(backend, job),
        protocol.encode(job),
        hear,
        timeout=timeout,
        longest_line=protocol.LONGEST_LINE,
    )
    if last:
        return Ending(last[0].status, last[0].reason, exited.output_tail, said=True)
    return Ending(*_without_a_word(exited, where(), timeout), exited.output_tail, said=False)


def _worker_environment(backend: BackendInfo, job: protocol.Job) -> dict[str, str]:
    """The environment of a worker: ours, with the variables that decide threads and devices replaced."""
    asked = backend.environ(backend.read(job.options), job.threads, job.device)
    return {**os.environ, **environment.of_worker(job.threads, job.device), **asked}


def _without_a_word(exited: process.Exit, where: str, timeout: float) -> tuple[Status, str]:
    """The status and the reason of a worker that sent no last message. ``where`` is what it was doing."""
    if exited.cause == "deadline":
        return "timeout", f"not done after {timeout:g} s, stopped {where}"
    if exited.cause == "flood":
        return "crashed", f"stopped {where}: it wrote more output than the {process.MOST_OUTPUT >> 20} MiB allowed"
    if exited.cause == "long line":
        return "crashed", f"stopped {where}: a line of its answer was over {protocol.LONGEST_LINE >> 20} MiB long"
    if exited.returncode == -signal.SIGKILL and exited.starved:
        return "out-of-memory", f"killed {where} by SIGKILL, when the system had run out of memory"
    if exited.returncode == -signal.SIGABRT and "std::bad_alloc" in exited.output_tail:
        return "out-of-memory", f"killed {where} by SIGABRT, after std::bad_alloc"
    if exited.returncode == -signal.SIGKILL:
        return "crashed", f"killed {where} by SIGKILL, which the system also sends when memory runs out"
    if exited.returncode < 0:
        return "crashed", f"killed {where} by {_signal_name(-exited.returncode)}"
    return "crashed", f"left {where} with exit code {exited.returncode} and without an answer"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
