"""Entry point of the child process, ``python -m lstm_bench.worker FD``.

The worker reads its job as one line from standard input. The parent keeps standard input open, so its end means that
the parent is gone, and the worker ends, too. Messages go to the pipe ``FD``, so output of frameworks on stdout cannot
corrupt them.
"""

from __future__ import annotations

import os
import signal
import sys

from lstm_bench.host import machine, process
from lstm_bench.worker import protocol
from lstm_bench.worker.session import Session


def main() -> None:
    """Read the job, do it, and exit."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    session = Session(pipe)
    job = protocol.decode_job(sys.stdin.buffer.readline())
    _die_with_parent()
    machine.restrict_to(job.threads, job.first_processor)
    _do(job, session)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all messages are sent, so skip the frameworks' teardown, which may hang or crash


def _do(job: protocol.Job, session: Session) -> None:
    """Do the job, and import only what it needs."""
    # Import NumPy only after restrict_to: its BLAS starts threads on import, and they stay on their first processors.
    from lstm_bench.worker.ending import carry_out

    match job:
        case protocol.CheckJob():
            from lstm_bench.worker.check import check

            carry_out(lambda: check(job, session), session)
        case protocol.TrajectoryJob():
            from lstm_bench.worker.trajectory import trace

            carry_out(lambda: trace(job, session), session)
        case protocol.MeasureJob():
            from lstm_bench.worker.measure import measure

            carry_out(lambda: measure(job, session), session)


def _die_with_parent() -> None:
    """Fork a process that waits until standard input ends, and then kills the worker and everything that it started.

    A thread would not do, because a backend may hold the interpreter lock for ever.
    """
    if os.fork():
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    process.end_marked(os.environ.get(process.MARK, ""))
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
