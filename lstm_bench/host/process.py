"""Running one child process so that nothing it does can hurt: deadlines, floods, crashes, grandchildren."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from lstm_bench.host import machine

GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL."""

PATIENCE_SECONDS = 10.0
"""After SIGKILL. A process that a driver or a freezer holds does not die of it, and is left."""

KEPT_OUTPUT = 8192
"""Bytes of stdout and stderr that are kept, from the end."""

MOST_OUTPUT = 64 * 2**20
"""Bytes of stdout and stderr after which a child is stopped."""

LONGEST_WAIT = 3600.0
"""Seconds for which one call may wait: the system's own limit for one is about 24 days."""

MARK = "LSTM_BENCH_WORKER"
"""The environment variable that a child leaves to all that it starts, so that they are known for its own."""

Cause = Literal["ended", "deadline", "flood", "long line", "told"]


@dataclass(frozen=True)
class Exit:
    """How a child ended.

    Attributes:
        cause: ``ended`` by itself, or stopped at its ``deadline``, for a ``flood`` of output, for a ``long line``, or
            because ``on_line`` said so (``told``).
        returncode: as in ``subprocess``, negative for a signal; of the signal that stopped it, if it was stopped.
        output_tail: the last of its stdout and stderr.
        starved: whether the system meanwhile ended a process for want of memory, as far as it tells.
    """

    cause: Cause
    returncode: int
    output_tail: str
    starved: bool = False


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    first_line: bytes,
    on_line: Callable[[bytes], bool],
    *,
    timeout: float,
    longest_line: int,
) -> Exit:
    """Run a child to its end, and leave nothing of what it has started, whatever happens, KeyboardInterrupt included.

    The caller sleeps until the child says something, ends or is late; it never polls, so it does not disturb what the
    child measures.

    Args:
        command: to which the number of a file descriptor is appended, on which the child is to write lines.
        environment: of the child, which also gets ``MARK``.
        first_line: what the child reads from its standard input, which then stays open until the end.
        on_line: called with each line that the child writes; says whether to go on.
        timeout: seconds that the child may take.
        longest_line: bytes that a line may have.
    """
    deadline = monotonic() + timeout
    mark = secrets.token_hex(16)
    oom_kills = machine.oom_kills()
    lines_in, lines_out = os.pipe()
    ended_in, ended_out = os.pipe()
    try:
        child = subprocess.Popen(
            [*command, str(lines_out)],
            env={**environment, MARK: mark},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[lines_out],
            start_new_session=True,
        )
    except BaseException:
        for descriptor in (lines_in, lines_out, ended_in, ended_out):
            os.close(descriptor)
        raise

    gone = threading.Event()

    def await_end() -> None:
        _sleep_until_ended(child)
        os.close(ended_out)
        gone.set()

    # A thread sleeps until the child ends: the end of the pipes tells nothing, since grandchildren may hold them open.
    thread = threading.Thread(target=await_end, daemon=True)
    try:
        os.close(lines_out)
        thread.start()
        cause, tail = _listen(child, first_line, lines_in, ended_in, on_line, deadline, longest_line)
    finally:
        try:
            _terminate(child, gone)
        finally:  # even if we are interrupted once more while the child takes its time to end
            returncode = _kill(child, gone, mark)
        for stream in (child.stdin, child.stdout):
            assert stream is not None
            stream.close()
        for descriptor in (lines_in, ended_in):
            os.close(descriptor)
    starved = (machine.oom_kills() or 0) > (oom_kills or 0)
    return Exit(cause, returncode, tail.decode(errors="replace"), starved)


def _listen(
    child: subprocess.Popen[bytes],
    first_line: bytes,
    lines: int,
    ended: int,
    on_line: Callable[[bytes], bool],
    deadline: float,
    longest_line: int,
) -> tuple[Cause, bytes]:
    """Why listening stopped, and the tail of the output."""
    assert child.stdin is not None
    assert child.stdout is not None
    output = _Output(child.stdout.fileno())
    told, untold = child.stdin.fileno(), memoryview(first_line + b"\n")
    pending = b""
    with selectors.DefaultSelector() as selector:
        for descriptor in (lines, output.descriptor, told):
            os.set_blocking(descriptor, False)
        for descriptor in (lines, output.descriptor, ended):
            selector.register(descriptor, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_WRITE)
        over = False
        while True:
            remaining = deadline - monotonic()
            if remaining <= 0:
                return "deadline", output.tail
            # Once the child is gone, what it had written is read to the end, but nothing is waited for.
            ready = {key.fd for key, _ in selector.select(0 if over else min(remaining, LONGEST_WAIT))}
            if over and ready == {ended}:
                return "ended", output.tail
            over = ended in ready
            if told in ready:
                untold = _write(told, untold)
                if not untold:
                    selector.unregister(told)
            if output.descriptor in ready:
                if not output.read():
                    selector.unregister(output.descriptor)
                if output.heard > MOST_OUTPUT:
                    return "flood", output.tail
            if lines in ready:
                data = os.read(lines, 65536)
                if not data:
                    selector.unregister(lines)
                *whole, pending = (pending + data).split(b"\n")
                for line in whole:
                    if not on_line(line):
                        output.drain()
                        return "told", output.tail
                if len(pending) > longest_line:
                    return "long line", output.tail


class _Output:
    """A child's stdout and stderr, of which only the tail is kept."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.tail, self.heard = descriptor, b"", 0

    def read(self) -> bool:
        """Read what is there; false at the end."""
        data = os.read(self.descriptor, 65536)
        self.tail = (self.tail + data)[-KEPT_OUTPUT:]
        self.heard += len(data)
        return bool(data)

    def drain(self) -> None:
        """Read what the child wrote before its last line: the two pipes are not in step."""
        with suppress(BlockingIOError):
            while self.read() and self.heard <= MOST_OUTPUT:
                pass


def _write(descriptor: int, data: memoryview) -> memoryview:
    """Write as much as there is room for; what is left, which is nothing if nobody is going to read it."""
    try:
        return data[os.write(descriptor, data) :]
    except BrokenPipeError:
        return data[:0]


def _sleep_until_ended(child: subprocess.Popen[bytes]) -> None:
    """Return when the child has ended. It stays a zombie, so that nothing else can get its number while we use that."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    else:  # macOS, before Python 3.13
        child.wait()


def _terminate(child: subprocess.Popen[bytes], gone: threading.Event) -> None:
    """Ask the child's process group to end, if the child still runs, and give it some time."""
    if not gone.is_set():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        gone.wait(GRACE_SECONDS)


def _kill(child: subprocess.Popen[bytes], gone: threading.Event, mark: str) -> int:
    """End the child's process group and whatever else it has started; the child's return code."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    end_marked(mark)
    if gone.wait(PATIENCE_SECONDS):
        return child.wait()
    child.returncode = -signal.SIGKILL  # as it will be, if it ever is
    return child.returncode


def end_marked(mark: str) -> None:
    """Kill every other process that has this ``MARK`` in its environment, where the system shows that (Linux).

    A process that has left its group and its parent is found by nothing else. What is started while we look is found
    when we look again.
    """
    killed: set[int] = set()
    while found := set(_marked(mark)) - killed:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found


def _marked(mark: str) -> Iterator[int]:
    """The other processes with this mark that we may look at."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is another user's, or has ended
            if wanted in (folder / "environ").read_bytes().split(b"\0") and (pid := int(folder.name)) != os.getpid():
                yield pid
