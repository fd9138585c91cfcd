"""Copy results of timed calls to NumPy, and time how long that takes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

COOLING_BYTES = 32 * 2**20
"""Bytes that are read to replace what the processor's caches hold."""

_COOLING = np.ones(COOLING_BYTES // 8, np.int64)  # zeros would all be read from one page


@dataclass(frozen=True)
class ReadingTime:
    """How long it took to copy results to NumPy.

    Attributes:
        seconds: of the first result, right after its block.
        usual: seconds for arrays of the same size that were put.
        further: median seconds of the other results, which are read by code that has just run; ``None`` without others.
        usual_further: the same for arrays that were put.
    """

    seconds: float
    usual: float
    further: float | None = None
    usual_further: float | None = None


def copied(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Copy arrays, since later calls may overwrite what ``Model.get`` returned. What is no array stays as it is."""
    return [array.copy() if isinstance(array, np.ndarray) else array for array in arrays]


def fetch(
    model: Model[Any],
    copy: Callable[[Any], list[NDArray[Any]]],
    results: Callable[[list[list[NDArray[Any]]]], Iterable[Any]],
) -> tuple[list[list[NDArray[Any]]], ReadingTime]:
    """Copy native results to NumPy, right after their block.

    Args:
        model: the model that was timed.
        copy: copies the arrays of a result.
        results: what calls returned. It may depend on the arrays that were found so far.

    The first reading starts with cold caches, of results and of arrays that were put: the first call of a function
    after many others was seen to take 80 us longer.
    """
    found: list[list[NDArray[Any]]] = []
    seconds: list[float] = []
    for native in results(found):
        begin = perf_counter()
        arrays = copy(native)
        seconds.append(perf_counter() - begin)
        found.append(copied(arrays))
    ready = [[model.put(np.asarray(array)) for array in arrays] for arrays in found]
    model.synchronize()
    _COOLING.sum()
    usual: list[float] = []
    for natives in ready:
        begin = perf_counter()
        for native in natives:
            model.get(native)
        usual.append(perf_counter() - begin)
    if len(found) == 1:
        return found, ReadingTime(seconds[0], usual[0])
    return found, ReadingTime(seconds[0], usual[0], statistics.median(seconds[1:]), statistics.median(usual[1:]))
