"""Judge whether measured times are possible at all on the processors that the worker was given."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from lstm_bench.host.disturbance import SHORTEST
from lstm_bench.host.machine import processors_of_all_threads
from lstm_bench.model.flops import operations
from lstm_bench.worker.ending import Implausible

if TYPE_CHECKING:
    from lstm_bench.model.spec import ModelSpec
    from lstm_bench.record.attempt import Disturbance, Timing
    from lstm_bench.record.configuration import Configuration

MOST_PROCESSORS = 1.1
"""A worker may use this multiple of its processors. The system counts in ticks of 10 ms."""

UNSUSPICIOUS = 10e9
"""Floating point operations per second and thread that are not compared with the ceiling, to save the time of it."""

BEYOND = 3.0
"""A model may be this many times as fast as the machine's matrix product. The product is a sample of what a machine can
do, not a limit: nn.LSTM was seen at 1.5 times PyTorch's own product, because it uses another library."""

COARSE = 16.0
"""Operations in bfloat16 for each operation in float32, at most. Matrix units of processors do this many."""

SIZE, TRIES = 1024, 5
"""Rows and columns of the machine's product, and number of tries. The fastest one counts."""


def require_granted_processors(configuration: Configuration, disturbance: Disturbance) -> None:
    """Require that the worker computed on the processors that it was given, and on no others.

    Raises:
        Implausible: if its processes used more processor time, or a thread may run elsewhere.
    """
    granted = configuration.threads
    used = disturbance.used
    if used is not None and disturbance.seconds >= SHORTEST and used > MOST_PROCESSORS * granted:
        raise Implausible(f"the worker used {used:.1f} processors while it was timed; it was given {granted}")
    if (others := processors_of_all_threads()) is not None and len(others) > granted:
        raise Implausible(f"threads of the worker may run on {len(others)} processors; it was given {granted}")


def require_possible_speed(
    spec: ModelSpec, configuration: Configuration, shape: tuple[int, ...], timings: Iterable[Timing]
) -> None:
    """Require that no scope is far faster than the matrix product of NumPy on the worker's processors.

    NumPy's product is the ceiling here, since a backend does not compute it. GPUs have a ceiling of their own.

    Args:
        spec: the model.
        configuration: precision, device and threads.
        shape: `(B, T, I)` of a batch.
        timings: the measured times.

    Raises:
        Implausible: naming the scope, its speed and the ceiling.
    """
    if configuration.device != "cpu":
        return
    batch, time, _ = shape
    for timing in timings:
        speed = operations(spec, timing.scope, batch=batch, time=time) / timing.seconds_per_step
        if speed > UNSUSPICIOUS * configuration.threads:
            ceiling = product_of_machine("float64" if configuration.precision == "float64" else "float32")
            require_below(timing.scope, speed, ceiling * (COARSE if configuration.precision == "bfloat16" else 1.0))


def require_below(scope: str, speed: float, ceiling: float) -> None:
    """Require that a speed is not far above a ceiling, both in floating point operations per second.

    Raises:
        Implausible: naming both.
    """
    if speed > BEYOND * ceiling:
        raise Implausible(
            f"{scope} does {speed / 1e9:,.0f} GFLOP/s; a matrix multiply on these processors does {ceiling / 1e9:,.0f}"
        )


def product_of_machine(dtype: str) -> float:
    """Measure NumPy's product of two square matrices, in floating point operations per second."""
    a = np.full((SIZE, SIZE), 0.5, dtype)
    seconds = []
    for _ in range(TRIES):
        begin = perf_counter()
        a @ a
        seconds.append(perf_counter() - begin)
    return 2 * SIZE**3 / min(seconds)
