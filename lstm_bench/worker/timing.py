"""Timing in blocks: many steps, one wait, one reading of the clock, the same for every framework."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.model.spec import Scope
from lstm_bench.record.attempt import Timing
from lstm_bench.record.configuration import Effort

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

LONG_STEP, FEWEST_STEPS = 4.0, 2
"""Seconds of a step beyond which a block has so few of them. Not one: what a call costs once, XLA's fetching of memory
above all, was seen to be a tenth of a step of a second."""

VERY_LONG_STEP = 20.0
"""Seconds of a step beyond which a block is one of them: to that, what a call costs once is nothing."""

LONG_WARMUP, FEWEST_WARMUPS = 5.0, 1
"""Seconds after which warming up may end with so few blocks; one more, in which is what compiles, came before them."""

LONG_TIMING, FEWEST_BLOCKS = 60.0, 3
"""Seconds after which timing a scope ends with fewer blocks than the effort has, but with so many."""

Block = Callable[[], None]
"""Does a fixed number of steps and waits for the device."""


def time_scope(
    scope: Scope,
    model: Model[Any],
    x: Any,
    y: Any,
    epoch: NDArray[np.intp],
    batches: list[tuple[Any, Any]],
    effort: Effort,
) -> Timing:
    """The blocks of one scope: training goes over the data of an epoch, everything else over some batches.

    Args:
        scope: what is timed.
        model: does it.
        x: native sequences of the whole epoch.
        y: their native targets.
        epoch: indices `(steps, B)`.
        batches: native sequences and their targets, each `(B, T, I)` and as in ``Model.train``.
        effort: how long.

    Raises:
        Unsupported: for a gradient, if the model has no ``differentiate``; the message is the reason.
    """
    batch_size = epoch.shape[1]
    match scope:
        case "train":
            return time_training(model, x, y, epoch, effort)
        case "gradient":
            return time_gradient(model, batches, batch_size, effort)
        case "infer":
            return time_inference(model, [x for x, _ in batches], batch_size, effort)


def time_training(model: Model[Any], x: Any, y: Any, epoch: NDArray[np.intp], effort: Effort) -> Timing:
    """Time whole optimizer steps that go round and round one epoch's batches.

    Args:
        model: is trained on; what it learns is of no interest.
        x: native sequences.
        y: native targets.
        epoch: indices `(steps, B)`.
        effort: how long.
    """

    def prepare(steps: int) -> Block:
        order = model.put(np.resize(epoch, (steps, epoch.shape[1])))

        def block() -> None:
            model.train(x, y, order)
            model.synchronize()

        return block

    return _time("train", epoch.shape[1], prepare, effort)


def time_inference(model: Model[Any], batches: list[Any], batch_size: int, effort: Effort) -> Timing:
    """Time forward passes in evaluation mode that go round and round some batches.

    Args:
        model: infers.
        batches: native sequences, each `(B, T, I)`.
        batch_size: B.
        effort: how long.
    """

    def prepare(steps: int) -> Block:
        rounds = [batches[step % len(batches)] for step in range(steps)]

        def block() -> None:
            for x in rounds:
                model.infer(x)
            model.synchronize()

        return block

    return _time("infer", batch_size, prepare, effort)


def time_gradient(model: Model[Any], batches: list[tuple[Any, Any]], batch_size: int, effort: Effort) -> Timing:
    """Time forward and backward passes in training mode, without an update, that go round and round some batches.

    Args:
        model: is differentiated.
        batches: native sequences and their targets, each `(B, T, I)` and as in ``Model.train``.
        batch_size: B.
        effort: how long.

    Raises:
        Unsupported: if the model has no ``differentiate``; the message is the reason.
    """

    def prepare(steps: int) -> Block:
        rounds = [batches[step % len(batches)] for step in range(steps)]

        def block() -> None:
            for x, y in rounds:
                model.differentiate(x, y)
            model.synchronize()

        return block

    return _time("gradient", batch_size, prepare, effort)


def _time(scope: Scope, batch_size: int, prepare: Callable[[int], Block], effort: Effort) -> Timing:
    steps, block, nanoseconds = _calibrate(prepare, effort)
    gc.collect()  # so that the garbage of earlier phases is not collected in a timed block
    warmup = [nanoseconds]
    while not _warm(warmup, effort):
        warmup.append(elapsed_ns(block))
    timed: list[int] = []
    while len(timed) < effort.blocks and not (len(timed) >= FEWEST_BLOCKS and sum(timed) > LONG_TIMING * 1e9):
        timed.append(elapsed_ns(block))
    return Timing(
        scope=scope, batch_size=batch_size, steps_per_block=steps, warmup_ns=tuple(warmup), block_ns=tuple(timed)
    )


def _warm(blocks: list[int], effort: Effort) -> bool:
    """Whether the warm-up blocks, of so many nanoseconds, are enough."""
    seconds = sum(blocks) / 1e9
    if len(blocks) >= FEWEST_WARMUPS and seconds >= LONG_WARMUP:
        return True
    return len(blocks) >= effort.warmup_blocks and seconds >= effort.warmup_seconds


def _calibrate(prepare: Callable[[int], Block], effort: Effort) -> tuple[int, Block, int]:
    """The number of steps that fill a block, the block, and the nanoseconds of its second run."""
    # A backend may compile anew for each number of steps, so it meets few, each once before its duration counts.
    steps, settled = effort.block_steps, False
    while True:
        block = prepare(steps)
        first = elapsed_ns(block) / 1e9
        if not settled and steps > 1 and first / steps > VERY_LONG_STEP:  # or it has compiled: one step will tell
            steps = 1
            continue
        nanoseconds = elapsed_ns(block)
        seconds = nanoseconds / 1e9
        if not settled:
            settled = True
            fewest = _fewest_steps(seconds / steps, effort)
            if fewest != steps:
                steps = fewest
                continue
        if seconds >= effort.block_seconds:
            return steps, block, nanoseconds
        # A tenth more than should do, so that the next try seldom falls short; at most a hundredfold, since the clock
        # of a single short step is not to be trusted.
        steps = math.ceil(steps * min(1.1 * effort.block_seconds / max(seconds, 1e-9), 100))


def _fewest_steps(step: float, effort: Effort) -> int:
    """How many steps a block has at least, where one takes so many seconds."""
    if step > VERY_LONG_STEP:
        return 1
    return min(FEWEST_STEPS, effort.block_steps) if step > LONG_STEP else effort.block_steps


def elapsed_ns(call: Callable[[], None]) -> int:
    """Nanoseconds that one call takes."""
    begin = perf_counter_ns()
    call()
    return perf_counter_ns() - begin
