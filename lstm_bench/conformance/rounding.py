"""Numbers with few bits of significand, and numbers beside them, which rounding takes to be the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.model.spec import Precision

SIGNIFICANDS: dict[Precision, int] = {"bfloat16": 8, "tf32": 11, "float32": 24}
"""Bits of the significand, coarsest format first. A product with more than 24 bits counts as float64."""

UNSEEN, SEEN = 0.375, 8.0
"""Distances to move weights by, in steps of a format: one that rounding to the format undoes, and one that it keeps."""


def rounded(array: NDArray[Any], bits: int) -> NDArray[np.float64]:
    """Round to the nearest numbers with ``bits`` bits of significand, ties to even."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    nearest: NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(significand, bits)), exponent - bits)
    return nearest


def moved(array: NDArray[Any], bits: int, steps: float) -> NDArray[np.float64]:
    """Move each number away from zero by ``steps`` times the spacing of numbers with ``bits`` bits of significand."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    further: NDArray[np.float64] = np.ldexp(significand + np.sign(significand) * np.ldexp(steps, -bits), exponent)
    return further


def bitwise_equal(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> bool:
    """Whether all arrays are bitwise equal."""
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
