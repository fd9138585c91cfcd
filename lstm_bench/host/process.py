"""Run one child process safely: its deadline, floods of output, crashes, and the processes that it starts."""

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
"""Seconds between SIGTERM and SIGKILL."""

PATIENCE_SECONDS = 10.0
"""Seconds to wait after SIGKILL. A process that a driver or a freezer holds survives it, and is left behind."""

KEPT_OUTPUT = 8192
"""The last bytes of stdout and stderr that are kept."""

MOST_OUTPUT = 64 * 2**20
"""Bytes of stdout and stderr after which a child is stopped."""

LONGEST_WAIT = 3600.0
"""Seconds for which one system call may wait. The system's own limit is about 24 days."""

MARK = "LSTM_BENCH_WORKER"
"""An environment variable that all descendants of a child inherit. It identifies them."""

Cause = Literal["ended", "deadline", "flood", "long line", "told"]


@dataclass(frozen=True)
class Exit:
    """How a child ended.

    Attributes:
        cause: ``ended`` if the child ended by itself. Otherwise the reason why it was stopped: its ``deadline``, a
            ``flood`` of output, a ``long line``, or because ``on_line`` returned false (``told``).
        returncode: as in ``subprocess``: negative for a signal, also for the signal that stopped the child.
        output_tail: the end of its stdout and stderr.
        starved: whether the system killed a process for lack of memory meanwhile, where the system reports that.
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
    """Run a child to its end, and then end all processes that it has started, even after a KeyboardInterrupt.

    The caller sleeps until the child writes something, ends or is late. It never polls, so it does not disturb the
    measurements of the child.

    Args:
        command: the command line. The number of a file descriptor is appended; the child writes its lines there.
        environment: the environment of the child, which also gets ``MARK``.
        first_line: the line that the child reads from its standard input, which then stays open until the end.
        on_line: called with each line that the child writes; returns whether to go on.
        timeout: seconds that the child may take.
        longest_line: bytes that a line may have.
    """
    deadline = monotonic() + timeout
    mark = secrets.token_hex(16)
    oom_kills = machine.oom_kills()
    lines_in, lines_out = os.pipe()
    ended_in, ended_out = os.pipe()
    try:
        child = _start(command, {**environment, MARK: mark}, lines_out)
    except BaseException:
        for descriptor in (lines_in, lines_out, ended_in, ended_out):
            os.close(descriptor)
        raise

    gone = threading.Event()
    thread = threading.Thread(target=_await_end, args=(child, ended_out, gone), daemon=True)
    try:
        os.close(lines_out)
        thread.start()
        cause, tail = _listen(child, first_line, lines_in, ended_in, on_line, deadline, longest_line)
    finally:
        try:
            _terminate(child, gone)
        finally:  # even if another interrupt comes while the child takes its time to end
            returncode = _kill(child, gone, mark)
        for stream in (child.stdin, child.stdout):
            assert stream is not None
            stream.close()
        for descriptor in (lines_in, ended_in):
            os.close(descriptor)
    starved = (machine.oom_kills() or 0) > (oom_kills or 0)
    return Exit(cause, returncode, tail.decode(errors="replace"), starved)


def _start(command: Sequence[str], environment: Mapping[str, str], lines: int) -> subprocess.Popen[bytes]:
    """Start the child in a session of its own, with the descriptor ``lines`` open and its number appended."""
    return subprocess.Popen(
        [*command, str(lines)],
        env=environment,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lines],
        start_new_session=True,
    )


def _await_end(child: subprocess.Popen[bytes], ended: int, gone: threading.Event) -> None:
    """Sleep until the child ends, then close ``ended`` and set ``gone``. Runs in a thread of its own.

    A closed pipe would not tell that the child has ended, since grandchildren may hold the pipes open.
    """
    _sleep_until_ended(child)
    os.close(ended)
    gone.set()


def _listen(
    child: subprocess.Popen[bytes],
    first_line: bytes,
    lines: int,
    ended: int,
    on_line: Callable[[bytes], bool],
    deadline: float,
    longest_line: int,
) -> tuple[Cause, bytes]:
    """Pass lines on until there is a reason to stop; return the reason and the tail of the output."""
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
            # After the child has ended, read what it had written, but wait for nothing more.
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
    """The stdout and stderr of a child. Only the tail is kept."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.tail, self.heard = descriptor, b"", 0

    def read(self) -> bool:
        """Read the bytes that are there. False at the end of the stream."""
        data = os.read(self.descriptor, 65536)
        self.tail = (self.tail + data)[-KEPT_OUTPUT:]
        self.heard += len(data)
        return bool(data)

    def drain(self) -> None:
        """Read everything that the child printed before its last line, since the two pipes are not in step."""
        with suppress(BlockingIOError):
            while self.read() and self.heard <= MOST_OUTPUT:
                pass


def _write(descriptor: int, data: memoryview) -> memoryview:
    """Write as much as there is room for and return the rest; nothing if the reader is gone."""
    try:
        return data[os.write(descriptor, data) :]
    except BrokenPipeError:
        return data[:0]


def _sleep_until_ended(child: subprocess.Popen[bytes]) -> None:
    """Return when the child has ended. The child stays a zombie, so that its process id is not given to another."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    else:  # macOS, before Python 3.13
        child.wait()


def _terminate(child: subprocess.Popen[bytes], gone: threading.Event) -> None:
    """Send SIGTERM to the process group of a child that still runs, and wait for up to ``GRACE_SECONDS``."""
    if not gone.is_set():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        gone.wait(GRACE_SECONDS)


def _kill(child: subprocess.Popen[bytes], gone: threading.Event, mark: str) -> int:
    """Kill the child's process group and all else that it has started; return the child's return code."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    end_marked(mark)
    if gone.wait(PATIENCE_SECONDS):
        return child.wait()
    child.returncode = -signal.SIGKILL  # the code that it will have if it ever ends
    return child.returncode


def end_marked(mark: str) -> None:
    """Kill every other process that has this ``MARK`` in its environment, where the system shows it (Linux).

    There is no other way to find a process that has left its group and its parent. The search is repeated until it
    finds no further process, since a process may start another one during the search.
    """
    killed: set[int] = set()
    while found := set(_marked(mark)) - killed:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found


def _marked(mark: str) -> Iterator[int]:
    """The ids of other processes with this mark, as far as we may read their environment."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process is another user's, or has ended
            if wanted in (folder / "environ").read_bytes().split(b"\0") and (pid := int(folder.name)) != os.getpid():
                yield pid
