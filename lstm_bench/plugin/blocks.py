"""Compile one training program for any number of steps: for every backend that compiles a loop over steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Native = TypeVar("Native")

LONGEST_BLOCK = 1024
"""Most steps of one call of a compiled training program. The program takes any smaller number, too."""


def padded_blocks(order: Native, pad: Callable[[Native, Any], Native]) -> Iterator[tuple[Native, int]]:
    """Cut rows of batches into blocks of ``LONGEST_BLOCK``. A shape that never changes is compiled only once.

    Args:
        order: indices of a native integer array, `(steps, B)`.
        pad: the framework's own ``pad``, which takes an array and the widths to add on both sides of each axis.

    Yields:
        A block `(LONGEST_BLOCK, B)`, and how many of its rows are steps; the other rows are zeros and lie behind them.
    """
    rows: Any = order
    for begin in range(0, len(rows), LONGEST_BLOCK):
        block = rows[begin : begin + LONGEST_BLOCK]
        yield pad(block, ((0, LONGEST_BLOCK - len(block)), (0, 0))), len(block)
