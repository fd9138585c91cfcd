"""The worker's end of the conversation: it collects findings and sends messages to the parent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter

import msgspec

from lstm_bench.record.attempt import Findings, Phase, Status
from lstm_bench.worker import protocol

PROGRESS_SECONDS = 0.25
"""Minimum time between two progress messages."""

_NOTHING = Findings()


class Session:
    """Sends messages to the parent.

    Args:
        pipe: file descriptor to write to.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = os.fdopen(pipe, "wb", buffering=0)
        self._findings = _NOTHING
        self._progress_due = 0.0

    @property
    def findings(self) -> Findings:
        """All findings so far."""
        return self._findings

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Announce a phase and add its duration to what is recorded of it."""
        self.say(protocol.Entered(name))
        begin = perf_counter()
        yield
        seconds = self._findings.seconds
        self.found(Findings(seconds=seconds | {name: seconds.get(name, 0.0) + perf_counter() - begin}))

    def found(self, news: Findings) -> None:
        """Add the fields that are set, and send all findings at once, so that a later crash does not lose them."""
        fields = {
            name: value
            for name in Findings.__struct_fields__
            if (value := getattr(news, name)) != getattr(_NOTHING, name)
        }
        self._findings = msgspec.structs.replace(self._findings, **fields)
        self.say(protocol.Found(self._findings))

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report the progress of the phase, at most a few times a second."""
        if monotonic() >= self._progress_due or done == total:
            self._progress_due = monotonic() + PROGRESS_SECONDS
            self.say(protocol.Progress(done, total, note))

    def ended(self, status: Status, reason: str) -> None:
        """Send the last message."""
        self.say(protocol.Ended(status, reason))

    def say(self, message: protocol.Message) -> None:
        """Send a message."""
        self._pipe.write(protocol.encode(message) + b"\n")
