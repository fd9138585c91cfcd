"""Time blocks of many steps, with one wait for the device per block. The code is the same for every framework."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from lstm_bench.record.attempt import Timing
from lstm_bench.worker.ending import Implausible

if TYPE_CHECKING:
    from lstm_bench.record.configuration import Effort
    from lstm_bench.worker.blocks import Block, Workload

LONG_STEP, FEWEST_STEPS = 4.0, 2
"""If a step takes more seconds, a block has only this many steps. One step would be too few: the fixed cost of a call,
mainly XLA's memory allocation, was seen to be a tenth of a step of one second."""

VERY_LONG_STEP = 20.0
"""If a step takes more seconds, a block is a single step, because the fixed cost of a call is negligible beside it."""

LONG_WARMUP, FEWEST_WARMUPS = 5.0, 1
"""After this many seconds, warm-up may end with this few blocks. The block with JIT compilation is not counted."""

LONG_TIMING, FEWEST_BLOCKS = 60.0, 3
"""After this many seconds, timing of a scope ends early, but with at least this many blocks."""

LONGEST_PUT, GROWS = 4.0, 1.1
"""Blocks stop growing when putting the order of a block that is ``GROWS`` times as long would take this many times as
long as a block should. A backend that trains when orders are put would else be given more and more steps."""

RENEWING = 0.15
"""Replacing the timed model by new ones may take this share of the time of all blocks."""

NO_TIME = 1e-7
"""Seconds. No step of any framework is shorter: a call of an empty Python function takes a third of it."""


def time_work(
    work: Workload, effort: Effort, counted: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Timing:
    """Time blocks of one scope.

    The workload keeps the result of each timed block. If it can, it replaces the model before the first timed block,
    and again as often as little time allows: the shorter a model's life, the more of it can be computed again.

    Args:
        work: the scope's steps. It holds the model.
        effort: number and length of blocks.
        counted: marks the periods whose memory is the backend's. Replacing a model is none of them.

    Raises:
        Implausible: if steps take no time.
        Unsupported: for ``gradient``, if the model has no ``differentiate``; the message is the reason.
    """
    with counted():
        steps, nanoseconds = _calibrate(work, effort)
        gc.collect()  # so that no timed block collects the garbage of earlier phases
        warmup, seconds = [nanoseconds], nanoseconds / 1e9
        while not _warm(len(warmup), seconds, effort):
            block = work.block(steps)
            warmup.append(run_block(block)[0])
            seconds += warmup[-1] / 1e9 + block.put_seconds
    every = _blocks_for_each_model(work, effort)
    timed: list[int] = []
    while not _timed(timed, effort):
        if timed:
            work.renew()
        with counted():
            until = len(timed) + every
            while len(timed) < until and not _timed(timed, effort):
                block = work.block(steps)
                nanoseconds, result = run_block(block)
                work.keep(block, result)
                timed.append(max(nanoseconds, 1))
    return Timing(
        scope=work.scope,
        batch_size=work.batch_size,
        steps_per_block=steps,
        warmup_ns=tuple(warmup),
        block_ns=tuple(timed),
    )


def _timed(blocks: list[int], effort: Effort) -> bool:
    """Whether these timed blocks, in nanoseconds, are enough."""
    return len(blocks) >= effort.blocks or (len(blocks) >= FEWEST_BLOCKS and sum(blocks) > LONG_TIMING * 1e9)


def _blocks_for_each_model(work: Workload, effort: Effort) -> int:
    """Replace the model for the first time. Return the number of blocks after which to do it again."""
    begin = perf_counter_ns()
    if not work.renew():
        return effort.blocks
    seconds = (perf_counter_ns() - begin) / 1e9
    models = RENEWING * effort.blocks * effort.block_seconds / max(seconds, 1e-9)
    return math.ceil(effort.blocks / min(max(1, int(models)), effort.blocks))


def _warm(blocks: int, seconds: float, effort: Effort) -> bool:
    """Whether so many warm-up blocks, which took so long in all, are enough."""
    if blocks >= FEWEST_WARMUPS and seconds >= LONG_WARMUP:
        return True
    return blocks >= effort.warmup_blocks and seconds >= effort.warmup_seconds


def _calibrate(work: Workload, effort: Effort) -> tuple[int, int]:
    """Find the number of steps that fills a block. Return it, and the nanoseconds of the second such block."""
    # A backend may compile for every new number of steps, so only few are tried, and only the second run counts.
    steps, settled = effort.block_steps, False
    while True:
        first = run_block(work.block(steps))[0] / 1e9
        if not settled and steps > 1 and first / steps > VERY_LONG_STEP:  # or it has compiled: try one step
            steps = 1
            continue
        block = work.block(steps)
        nanoseconds = run_block(block)[0]
        seconds = nanoseconds / 1e9
        if not settled:
            settled = True
            fewest = _fewest_steps(seconds / steps, effort)
            if fewest != steps:
                steps = fewest
                continue
        puttable = LONGEST_PUT * effort.block_seconds / max(block.put_seconds, 1e-9)
        if seconds >= effort.block_seconds or puttable < GROWS:
            return steps, nanoseconds
        if steps >= work.most_steps:
            if seconds / steps < NO_TIME:
                raise Implausible(f"{steps:,} steps of {work.scope} take {seconds:.1g} s: no work takes so little time")
            return steps, nanoseconds
        # Ten percent extra, so that the next try seldom falls short. At most a factor of 100, because the measured time
        # of a single short step is inaccurate.
        wanted = math.ceil(steps * min(1.1 * effort.block_seconds / max(seconds, 1e-9), 100, puttable))
        steps = max(steps, min(wanted, work.most_steps))


def _fewest_steps(step: float, effort: Effort) -> int:
    """Return the minimum number of steps in a block, from the seconds of a step."""
    if step > VERY_LONG_STEP:
        return 1
    return min(FEWEST_STEPS, effort.block_steps) if step > LONG_STEP else effort.block_steps


def run_block(block: Block) -> tuple[int, Any]:
    """Run a block. Return its nanoseconds and the result that it keeps."""
    begin = perf_counter_ns()
    result = block.run()
    return perf_counter_ns() - begin, result


def elapsed_ns(call: Callable[[], None]) -> int:
    """Return the duration of one call in nanoseconds."""
    begin = perf_counter_ns()
    call()
    return perf_counter_ns() - begin
