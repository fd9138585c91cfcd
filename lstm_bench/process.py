"""Running one child process so that nothing it does can hurt: deadlines, floods, crashes, grandchildren."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Literal

GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL."""

KEPT_OUTPUT = 8192
"""Bytes of stdout and stderr that are kept, from the end."""

MOST_OUTPUT = 64 * 2**20
"""Bytes of stdout and stderr after which a child is stopped."""

LONGEST_WAIT = 3600.0
"""Seconds for which one call may wait: the system's own limit for one is about 24 days."""

Cause = Literal["ended", "deadline", "flood", "long line", "told"]


@dataclass(frozen=True)
class Exit:
    """How a child ended.

    Attributes:
        cause: ``ended`` by itself, or stopped at its ``deadline``, for a ``flood`` of output, for a ``long line``, or
            because ``on_line`` said so (``told``).
        returncode: as in ``subprocess``, negative for a signal; of the signal that stopped it, if it was stopped.
        output_tail: the last of its stdout and stderr.
    """

    cause: Cause
    returncode: int
    output_tail: str


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    first_line: bytes,
    on_line: Callable[[bytes], bool],
    *,
    timeout: float,
    longest_line: int,
) -> Exit:
    """Run a child to its end, and leave no process of its group behind, whatever happens, KeyboardInterrupt included.

    The caller sleeps until the child says something, ends or is late; it never polls, so it does not disturb what the
    child measures.

    Args:
        command: to which the number of a file descriptor is appended, on which the child is to write lines.
        environment: of the child.
        first_line: what the child reads from its standard input, which then stays open until the end.
        on_line: called with each line that the child writes; says whether to go on.
        timeout: seconds that the child may take.
        longest_line: bytes that a line may have.
    """
    deadline = monotonic() + timeout
    lines_in, lines_out = os.pipe()
    ended_in, ended_out = os.pipe()
    try:
        child = subprocess.Popen(
            [*command, str(lines_out)],
            env=dict(environment),
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

    def await_end() -> None:
        child.wait()
        os.write(ended_out, b"!")

    def write_first_line() -> None:
        with suppress(BrokenPipeError):
            assert child.stdin is not None
            child.stdin.write(first_line + b"\n")
            child.stdin.flush()

    # One thread sleeps in waitpid: the end of the pipes tells nothing, since grandchildren may hold them open. Another
    # writes, since a child that does not read would keep us from watching its deadline.
    threads = [threading.Thread(target=target, daemon=True) for target in (await_end, write_first_line)]
    try:
        os.close(lines_out)
        for thread in threads:
            thread.start()
        cause, tail = _listen(child, lines_in, ended_in, on_line, deadline, longest_line)
    finally:
        try:
            _terminate(child)
        finally:  # even if we are interrupted once more while the child takes its time to end
            _kill(child)
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        for stream in (child.stdin, child.stdout):
            with suppress(BrokenPipeError):
                assert stream is not None
                stream.close()
        for descriptor in (lines_in, ended_in, ended_out):
            os.close(descriptor)
    return Exit(cause, child.returncode, tail.decode(errors="replace"))


def _listen(
    child: subprocess.Popen[bytes],
    lines: int,
    ended: int,
    on_line: Callable[[bytes], bool],
    deadline: float,
    longest_line: int,
) -> tuple[Cause, bytes]:
    """Why listening stopped, and the tail of the output."""
    assert child.stdout is not None
    output = _Output(child.stdout.fileno())
    pending = b""
    with selectors.DefaultSelector() as selector:
        for descriptor in (lines, output.descriptor):
            os.set_blocking(descriptor, False)
        for descriptor in (lines, output.descriptor, ended):
            selector.register(descriptor, selectors.EVENT_READ)
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


def _terminate(child: subprocess.Popen[bytes]) -> None:
    """Ask the child's process group to end, if the child still runs, and give it some time."""
    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the child's process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
