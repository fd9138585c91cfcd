"""Map an exception in the worker to the status of its attempt and a one-line reason."""

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
    "out of memory",  # torch on CUDA; XLA after RESOURCE_EXHAUSTED, which it also uses for registers and shared memory
    "outofmemory",  # torch's exception class
    "out_of_memory",  # CUDA's error name
    "can't allocate memory",  # torch on the host
    "cannot allocate memory",  # the operating system
    "oom when allocating",  # TensorFlow
    "failed to allocate memory",  # TensorFlow
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER
    "allocation_failed",  # cuDNN 9
)
"""Lower-case words in the messages of out-of-memory errors that are not a ``MemoryError``."""


class Mismatch(LSTMBenchError):
    """The backend disagrees with the reference, or uses another precision or kernel than requested."""


class Implausible(LSTMBenchError):
    """A measured time cannot be that of the work."""


class Disturbed(LSTMBenchError):
    """Other load on the machine disturbed the timing. Everything else is correct."""


def carry_out(work: Callable[[], None], session: Session) -> None:
    """Do a job and report how it ended. Never raises an ``Exception``."""
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
    """Return the status that an exception means, and a one-line reason."""
    reason = one_line(str(error))
    match error:
        case Mismatch():
            return "mismatch", reason
        case Implausible():
            return "implausible", reason
        case Diverged():
            return "diverged", reason
        case Disturbed():
            return "disturbed", reason
        case InvalidOutput():
            return "invalid-output", reason
        case LSTMBenchError():  # Unsupported, or an error of the data or a plugin
            return "unsupported", reason
    described = describe(error)
    if isinstance(error, MemoryError) or any(words in described.lower() for words in OUT_OF_MEMORY):
        return "out-of-memory", described
    return "crashed", described
