"""The child process, started as ``python -m lstm_bench.worker FD``: from its job to its last word.

It reads its job as one line from standard input, which the parent keeps open: when that ends, the parent is gone, and
so is the worker. It answers on the pipe ``FD``, so that chatter on stdout spoils nothing.
"""

from __future__ import annotations

import os
import signal
import sys

from lstm_bench.host import machine, process
from lstm_bench.worker import protocol
from lstm_bench.worker.session import Session


def main() -> None:
    """Entry point of the process."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    session = Session(pipe)
    job = protocol.decode_job(sys.stdin.buffer.readline())
    _die_with_parent()
    machine.restrict_to(job.threads, job.first_processor)
    _do(job, session)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # everything has been said: no framework's teardown can hang or crash any more


def _do(job: protocol.Job, session: Session) -> None:
    """Carry out the job."""
    # Imported only now: NumPy's BLAS starts its threads when it is imported, and they stay on the processors that they
    # begin on.
    from lstm_bench.worker import check, ending, measure, trajectory

    match job:
        case protocol.CheckJob():
            ending.carry_out(lambda: check.check(job, session), session)
        case protocol.TrajectoryJob():
            ending.carry_out(lambda: trajectory.trace(job, session), session)
        case protocol.MeasureJob():
            ending.carry_out(lambda: measure.measure(job, session), session)


def _die_with_parent() -> None:
    """Leave a process behind that waits for the end of our input, and then ends us and all that we have started.

    A process, since a thread would have to wait for a backend that never lets go of the interpreter.
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
