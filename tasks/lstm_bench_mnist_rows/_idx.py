"""IDX, the format of MNIST: zero, zero, type, number of dimensions, each dimension as four bytes, then the numbers."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from lstm_bench import DataError

UNSIGNED_BYTE = 0x08
"""The only type of numbers in MNIST's files."""


def read_idx(content: bytes, name: str, dimensions: int) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes; read-only, without a copy of the bytes.

    Source: Y. LeCun, C. Cortes & C. J. C. Burges, The MNIST database of handwritten digits.

    Args:
        content: of the file.
        name: of the file, for messages.
        dimensions: how many the array must have.

    Raises:
        DataError: if the content is no such file, or has another length than its head says.
    """
    head = 4 + 4 * dimensions
    if content[:2] != b"\0\0" or len(content) < 4:
        raise DataError(f"{name} is not an IDX file: it begins with {content[:4].hex(' ') or 'nothing'}")
    if content[2] != UNSIGNED_BYTE:
        raise DataError(f"{name} holds numbers of type 0x{content[2]:02x}, not unsigned bytes (0x{UNSIGNED_BYTE:02x})")
    if content[3] != dimensions:
        raise DataError(f"{name} has {content[3]} dimensions, not {dimensions}")
    if len(content) < head:
        raise DataError(f"{name} ends after {len(content)} bytes, within its head of {head}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) != head + prod(shape):
        described = " x ".join(map(str, shape))
        raise DataError(f"{name} has {len(content) - head:,} numbers, where its head tells of {described}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
