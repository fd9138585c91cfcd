"""What an exception in a worker means: the status of its attempt, and the reason in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lstm_bench.conformance.agreement import InvalidOutput
from lstm_bench.errors import LSTMBenchError, print_error
from lstm_bench.record.attempt import Findings, Status
from lstm_bench.text import describe, one_line
from lstm_bench.worker.training import Diverged

if TYPE_CHECKING:
    from lstm_bench.worker.session import Session

OUT_OF_MEMORY = (
    "out of memory",  # torch on CUDA; XLA after RESOURCE_EXHAUSTED, which it also says of registers and shared memory
    "outofmemory",  # torch's class of error
    "out_of_memory",  # CUDA's own name for it
    "can't allocate memory",  # torch on the host
    "cannot allocate memory",  # the system's own words
    "oom when allocating",  # TensorFlow
    "failed to allocate memory",  # likewise
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER
    "allocation_failed",  # cuDNN 9
)
"""What errors say, in small letters, when memory has run out and they are no ``MemoryError``."""


class Mismatch(LSTMBenchError):
    """The backend disagrees with the reference, or has another precision or another kernel than it was asked for."""


class Disturbed(LSTMBenchError):
    """Everything is right but the timing: something else was at work on the machine meanwhile."""


def carry_out(work: Callable[[], None], session: Session) -> None:
    """Do a job, and tell how it ended, whatever it raises."""
    try:
        work()
    except Exception as error:
        if isinstance(error, Diverged):
            session.found(Findings(training=error.training))
        if not isinstance(error, LSTMBenchError):
            print_error(error)
        session.ended(*outcome_of(error))
    else:
        session.ended("ok", "")


def outcome_of(error: BaseException) -> tuple[Status, str]:
    """The status that an exception means, and the reason in one line."""
    reason = one_line(str(error))
    match error:
        case Mismatch():
            return "mismatch", reason
        case Diverged():
            return "diverged", reason
        case Disturbed():
            return "disturbed", reason
        case InvalidOutput():
            return "invalid-output", reason
        case LSTMBenchError():  # Unsupported, or something that the data or a plugin does not allow
            return "unsupported", reason
    described = describe(error)
    if isinstance(error, MemoryError) or any(words in described.lower() for words in OUT_OF_MEMORY):
        return "out-of-memory", described
    return "crashed", described
