"""Progress of a run: what a caller is told while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lstm_bench.record.attempt import Attempt, Phase
from lstm_bench.record.configuration import Configuration
from lstm_bench.text import brief
from lstm_bench.worker import protocol


@dataclass(frozen=True)
class RunProgress:
    """How far a run is. ``str`` of it is one line for people, so ``on_progress=print`` works.

    A caller gets one when a worker starts, when it enters a phase, now and then within a phase, and when it has ended.
    While a worker is timed, nothing is told.

    Attributes:
        number: of the turn, from 1. A turn is one configuration in one round, in one worker process.
        total: number of turns.
        configuration: what the worker runs.
        round: of the turn, from 0.
        phase: what the worker is doing; ``"start"`` before it has said anything.
        done: steps of the phase that are done.
        of: steps of the phase; ``None`` when the worker has just entered it.
        note: how well it goes, such as the loss.
        attempt: how the turn ended; ``None`` before that.
    """

    number: int
    total: int
    configuration: Configuration
    round: int = 0
    phase: Phase = "start"
    done: int = 0
    of: int | None = None
    note: str = ""
    attempt: Attempt | None = None

    @property
    def name(self) -> str:
        """``[1/2] torch on flights:tutorial (cpu, float32)``, with its round if there are several."""
        rounds = self.configuration.effort.rounds
        round_of = f" round {self.round + 1} of {rounds}" if rounds > 1 else ""
        return f"[{self.number}/{self.total}] {brief(self.configuration.name)}{round_of}"

    def __str__(self) -> str:
        if self.attempt is not None:
            return f"{self.name}: {_outcome(self.attempt)}"
        if self.of is not None:
            return f"{self.name}: {self.done:,}/{self.of:,}  {brief(self.note)}".rstrip()
        return self.name if self.phase == "start" else f"{self.name}: {self.phase}"


OnProgress = Callable[[RunProgress], None]
"""A caller's function that is told the progress of a run."""


class Relay:
    """Turns the messages of one worker into progress.

    Args:
        begun: the progress at the start of the turn.
        on_progress: told at once, and again at each message that is progress.
    """

    def __init__(self, begun: RunProgress, on_progress: OnProgress) -> None:
        self._now, self._on_progress = begun, on_progress
        on_progress(begun)

    def hear(self, message: protocol.Message) -> None:
        """Pass on that the worker entered a phase, or how far it is."""
        match message:
            case protocol.Entered(phase):
                self._tell(replace(self._now, phase=phase, done=0, of=None, note=""))
            case protocol.Progress(done, total, note):
                self._tell(replace(self._now, done=done, of=total, note=note))

    def end(self, attempt: Attempt) -> None:
        """Pass on how the turn ended."""
        self._tell(replace(self._now, attempt=attempt))

    def _tell(self, progress: RunProgress) -> None:
        self._now = progress
        self._on_progress(progress)


def _outcome(attempt: Attempt) -> str:
    """``ok`` and how long it took, or the status and its reason."""
    if attempt.status == "ok":
        return f"ok in {sum(attempt.findings.seconds.values()):.1f} s"
    return f"{attempt.status}: {brief(attempt.reason)}"
