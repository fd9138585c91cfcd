"""Time blocks of many steps, with one wait for the device per block. The code is the same for every framework."""

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
"""If a step takes more seconds, a block has only this many steps. One step would be too few: the fixed cost of a call,
mainly XLA's memory allocation, was seen to be a tenth of a step of one second."""

VERY_LONG_STEP = 20.0
"""If a step takes more seconds, a block is a single step, because the fixed cost of a call is negligible beside it."""

LONG_WARMUP, FEWEST_WARMUPS = 5.0, 1
"""After this many seconds, warm-up may end with this few blocks. The block with JIT compilation is not counted."""

LONG_TIMING, FEWEST_BLOCKS = 60.0, 3
"""After this many seconds, timing of a scope ends early, but with at least this many blocks."""

Block = Callable[[], None]
"""A call that does a fixed number of steps and waits for the device."""


def time_scope(
    scope: Scope,
    model: Model[Any],
    x: Any,
    y: Any,
    epoch: NDArray[np.intp],
    batches: list[tuple[Any, Any]],
    effort: Effort,
) -> Timing:
    """Time one scope. Training cycles through an epoch, all other scopes through a few batches.

    Args:
        scope: ``train``, ``gradient`` or ``infer``.
        model: the model to time.
        x: native sequences of an epoch, `(N, T, I)`.
        y: their native targets.
        epoch: the epoch's batches as indices into ``x`` and ``y``, `(steps, B)`.
        batches: native sequences `(B, T, I)` and native targets, as in ``Model.train``.
        effort: number and length of blocks.

    Raises:
        Unsupported: for ``gradient``, if the model has no ``differentiate``; the message is the reason.
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
    """Time optimizer steps that cycle through the batches of one epoch.

    Args:
        model: the model to time. It is trained on, and its new weights are not used.
        x: native sequences `(N, T, I)`.
        y: native targets.
        epoch: the batches as indices into ``x`` and ``y``, `(steps, B)`.
        effort: number and length of blocks.
    """

    def prepare(steps: int) -> Block:
        order = model.put(np.resize(epoch, (steps, epoch.shape[1])))

        def block() -> None:
            model.train(x, y, order)
            model.synchronize()

        return block

    return _time("train", epoch.shape[1], prepare, effort)


def time_inference(model: Model[Any], batches: list[Any], batch_size: int, effort: Effort) -> Timing:
    """Time forward passes in evaluation mode that cycle through some batches.

    Args:
        model: the model to time.
        batches: native sequences, each `(B, T, I)`.
        batch_size: B.
        effort: number and length of blocks.
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
    """Time forward and backward passes in training mode, without an update, that cycle through some batches.

    Args:
        model: the model to time.
        batches: native sequences `(B, T, I)` and native targets, as in ``Model.train``.
        batch_size: B.
        effort: number and length of blocks.

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
    gc.collect()  # so that no timed block collects the garbage of earlier phases
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
    """Whether these warm-up blocks, in nanoseconds, are enough."""
    seconds = sum(blocks) / 1e9
    if len(blocks) >= FEWEST_WARMUPS and seconds >= LONG_WARMUP:
        return True
    return len(blocks) >= effort.warmup_blocks and seconds >= effort.warmup_seconds


def _calibrate(prepare: Callable[[int], Block], effort: Effort) -> tuple[int, Block, int]:
    """Find the number of steps that fills a block. Return it, the block, and the nanoseconds of its second run."""
    # A backend may compile for every new number of steps, so only few are tried, and only the second run counts.
    steps, settled = effort.block_steps, False
    while True:
        block = prepare(steps)
        first = elapsed_ns(block) / 1e9
        if not settled and steps > 1 and first / steps > VERY_LONG_STEP:  # or it has compiled: try one step
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
        # Ten percent extra, so that the next try seldom falls short. At most a factor of 100, because the measured time
        # of a single short step is inaccurate.
        steps = math.ceil(steps * min(1.1 * effort.block_seconds / max(seconds, 1e-9), 100))


def _fewest_steps(step: float, effort: Effort) -> int:
    """Return the minimum number of steps in a block, from the seconds of a step."""
    if step > VERY_LONG_STEP:
        return 1
    return min(FEWEST_STEPS, effort.block_steps) if step > LONG_STEP else effort.block_steps


def elapsed_ns(call: Callable[[], None]) -> int:
    """Return the duration of one call in nanoseconds."""
    begin = perf_counter_ns()
    call()
    return perf_counter_ns() - begin
