"""Look for work that a timed call puts off, remembers or does beforehand.

A look times two kinds of blocks in one process. It counts if the shortest of six blocks of the slow kind takes longer
than the middle of six blocks of the fast kind, by a factor. A finding needs three such looks of at most four. Of two
equal kinds that other load delays half of the time, one look in a hundred would count.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.worker.blocks import MOST_KEPT_BYTES
from lstm_bench.worker.reading import copied

if TYPE_CHECKING:
    from lstm_bench.worker.blocks import Passes, Segment
    from lstm_bench.worker.reading import ReadingTime

PAIRS, LOOKS = 6, 3
"""Pairs of blocks in a look, and looks that must show the same."""

CLEAR = 1.1
"""A look that shows less than this ends the search."""

FACTOR = 1.3
"""Inputs that a backend has not seen may take this much longer, because the processor's caches do not hold them."""

LOOK_SECONDS = 0.01
"""About the time of each block of a look."""

MOST_BYTES, MOST_INPUTS = 32 * 2**20, 256
"""Limits on the new inputs of a block."""

LATE = 0.25
"""Share of its time that a step may leave to the reading of its result."""

JITTER = 0.5
"""Share of its usual time by which reading may take longer."""

READING_SECONDS = 5e-3
"""By this much the first reading of all parameters may take longer, whatever a block takes."""

CLOCK_SECONDS = 2e-5
"""Differences of time below this are not looked at."""

COLD_SECONDS = 1e-4
"""The same for the first reading after a block. JAX's takes 20 to 35 us longer than that of an array that was put."""


def late_results(readings: Sequence[ReadingTime], seconds: float) -> bool:
    """Whether results of timed calls were computed when they were read.

    Args:
        readings: of a result of each timed block.
        seconds: time of the computation.
    """
    further = [(r.further, r.usual_further) for r in readings if r.further is not None and r.usual_further is not None]
    return _late([(reading.seconds, reading.usual) for reading in readings], seconds, COLD_SECONDS) or (
        bool(further) and _late(further, seconds, CLOCK_SECONDS)
    )


def _late(times: Sequence[tuple[float, float]], seconds: float, clear: float) -> bool:
    """Whether reading takes longer than usual, by more than ``clear`` and a part of a step; from pairs of times."""
    least = _lower_quartile([reading - usual for reading, usual in times])
    jitter = JITTER * _lower_quartile([usual for _, usual in times])
    return least > max(clear, jitter, LATE * (seconds + least))


def late_parameters(segments: Sequence[Segment], seconds: float) -> bool:
    """Whether training is finished when the parameters are read: the first reading takes much longer than the second.

    Args:
        segments: the lives of all timed models.
        seconds: duration of a block.
    """
    late = min(first - second for first, second in (segment.reading_seconds for segment in segments))
    return late > max(READING_SECONDS, LATE * (seconds + late))


def orders_worked_ahead(segments: Sequence[Segment], seconds: float) -> bool:
    """Whether putting an order takes as long as a part of the steps themselves.

    Args:
        segments: the lives of all timed models.
        seconds: duration of a block.
    """
    least = _lower_quartile([second for segment in segments for second in segment.put_seconds[1:]])
    return least > LATE * (seconds + least)


def _lower_quartile(seconds: Sequence[float]) -> float:
    """Return a time that a quarter of all times does not exceed: other load makes times longer, never shorter."""
    return sorted(seconds)[(len(seconds) - 1) // 4]


@dataclass(frozen=True)
class NewInputs:
    """What calls on inputs show that the backend has never seen.

    Attributes:
        slower: how many times as long they take as the timed calls, if every look showed that; else ``None``. Their
            results are all held until the end of the block.
        put_ahead: whether putting sequences takes as long as a part of the computation, in every look.
        kept: sequences `(B, T, I)` and targets of one call of each block, and the arrays that it returned. Of large
            arrays only one is kept in each look.
    """

    slower: float | None
    put_ahead: bool
    kept: list[tuple[NDArray[Any], NDArray[Any], list[NDArray[Any]]]]


def try_new_inputs(
    work: Passes, draw: Callable[[], tuple[NDArray[Any], NDArray[Any]]], step_seconds: float
) -> NewInputs:
    """Time calls on new inputs beside calls on the timed inputs.

    Args:
        work: the calls.
        draw: returns new sequences `(B, T, I)` and targets.
        step_seconds: duration of a timed step.
    """
    x, _ = draw()
    most = max(2, min(MOST_INPUTS, MOST_BYTES // (PAIRS * x.nbytes)))
    steps = max(1, min(most, round(LOOK_SECONDS / step_seconds)))
    found: list[_Look] = []
    while not (_ended(slower := [look.ratio for look in found]) and _ended(ahead := _ahead(found, step_seconds))):
        found.append(_look(work, draw, steps))
    return NewInputs(
        slower=min(ratio for ratio in slower if ratio > FACTOR) if _shown(slower) else None,
        put_ahead=_shown(ahead),
        kept=[kept for look in found for kept in look.kept],
    )


def _ended(ratios: Sequence[float]) -> bool:
    """Whether no more looks are needed: enough show a finding, one clearly shows none, or a second one shows none."""
    negative = [ratio for ratio in ratios if ratio <= FACTOR]
    return _shown(ratios) or len(negative) > 1 or any(ratio < CLEAR for ratio in negative)


def _shown(ratios: Sequence[float]) -> bool:
    return sum(ratio > FACTOR for ratio in ratios) >= LOOKS and all(ratio >= CLEAR for ratio in ratios)


def _ahead(looks: Sequence[_Look], step_seconds: float) -> list[float]:
    """How many times as long steps would take with the time of putting their sequences."""
    return [1 + look.put_ahead / step_seconds for look in looks]


@dataclass(frozen=True)
class _Look:
    """One look.

    Attributes:
        ratio: shortest time of a block of new inputs divided by the median time of a block of timed inputs.
        put_ahead: seconds that putting sequences takes beyond putting as many numbers in one row.
        kept: as in ``NewInputs``.
    """

    ratio: float
    put_ahead: float
    kept: list[tuple[NDArray[Any], NDArray[Any], list[NDArray[Any]]]]


def _look(work: Passes, draw: Callable[[], tuple[NDArray[Any], NDArray[Any]]], steps: int) -> _Look:
    model = work.model
    fresh = [[draw() for _ in range(steps)] for _ in range(PAIRS)]
    flat = [x.reshape(-1) for batches in fresh for x, _ in batches]
    in_one_row = _seconds(lambda: [model.put(x) for x in flat])
    sequences: list[list[Any]] = []
    as_sequences = _seconds(lambda: sequences.extend([[model.put(x) for x, _ in batches] for batches in fresh]))
    natives = [
        [(x, model.put(y)) for x, (_, y) in zip(put, batches, strict=True)]
        for put, batches in zip(sequences, fresh, strict=True)
    ]
    model.synchronize()
    seen: list[float] = []
    unseen: list[float] = []
    kept: list[tuple[NDArray[Any], NDArray[Any], list[NDArray[Any]]]] = []
    for number, batches in enumerate(natives):
        pair = [(seen, work.block(steps)), (unseen, work.held(batches))]
        for times, block in pair if np.random.default_rng().integers(2) else reversed(pair):
            begin = perf_counter()
            result = block.run()
            times.append(perf_counter() - begin)
            if times is unseen:
                assert isinstance(block.rows, tuple)
                arrays = copied(work.fetch(result[0]))
                if not kept or PAIRS * sum(array.nbytes for array in arrays) <= MOST_KEPT_BYTES:
                    kept.append((*fresh[number][block.rows[0]], arrays))
    return _Look(min(unseen) / statistics.median(seen), (as_sequences - in_one_row) / (PAIRS * steps), kept)


def _seconds(call: Callable[[], Any]) -> float:
    begin = perf_counter()
    call()
    return perf_counter() - begin
