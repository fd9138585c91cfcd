"""One attempt: run a configuration in a worker process, and record how it ended."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from lstm_bench.execute.conversation import Listener, converse
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.record.attempt import SOUND, Attempt, Findings, Phase, Status
from lstm_bench.version import __version__
from lstm_bench.worker import protocol


def run_attempt(
    job: protocol.MeasureJob, backend: BackendInfo, *, timeout: float, on_message: Listener = lambda message: None
) -> Attempt:
    """Run one configuration in a fresh worker process.

    Args:
        job: the configuration, and which part of it to run.
        backend: the job's backend.
        timeout: seconds after which the worker is stopped.
        on_message: called with each message of the worker.

    Returns:
        The attempt, however it ended.

    Raises:
        KeyboardInterrupt: at Ctrl-C. No worker is left behind. What ``on_message`` raises gets out in the same way.
    """
    begun = datetime.now(UTC)
    heard = _AttemptSoFar(on_message)
    ending = converse(job, backend, timeout=timeout, where=lambda: f"in phase {heard.phase!r}", on_message=heard.take)
    status, reason = _consistent(ending.status, ending.reason, heard.findings)
    return Attempt(
        id=_new_id(begun),
        created=begun.isoformat(timespec="seconds"),
        lstm_bench=__version__,
        configuration=job.configuration,
        status=status,
        reason=reason,
        phase=heard.phase,
        output_tail="" if status == "ok" else ending.output_tail,
        findings=heard.findings,
        run=job.run,
        round=job.round,
        times_only=job.times_only,
    )


def _consistent(status: Status, reason: str, findings: Findings) -> tuple[Status, str]:
    """Return the status, or ``mismatch`` if the worker says that all is well and its findings say that it is not."""
    for found in (findings.agreement, findings.timed_agreement):
        if status in SOUND and found is not None and found.disagreements:
            return (
                "mismatch",
                f"the worker ended {status}, but {', '.join(found.disagreements)} disagree with the reference",
            )
    return status, reason


class _AttemptSoFar:
    """What a worker has said until now."""

    def __init__(self, on_message: Listener) -> None:
        self.phase: Phase = "start"
        self.findings = Findings()
        self._on_message = on_message

    def take(self, message: protocol.Message) -> None:
        match message:
            case protocol.Entered():
                self.phase = message.phase
            case protocol.Found():
                self.findings = message.findings
        self._on_message(message)


def new_run_id() -> str:
    """Make a name for the attempts of one run. Names are unique and sort by time."""
    return _new_id(datetime.now(UTC))


def _new_id(begun: datetime) -> str:
    return f"{begun:%Y%m%dT%H%M%S}-{begun.microsecond:06d}-{secrets.token_hex(4)}"
