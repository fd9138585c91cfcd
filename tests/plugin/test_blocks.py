from __future__ import annotations

import numpy as np
import pytest

from lstm_bench.plugin import blocks
from lstm_bench.plugin.blocks import padded_blocks


@pytest.mark.parametrize(("steps", "lengths"), [(1, [1]), (3, [3]), (4, [4]), (5, [4, 1]), (11, [4, 4, 3])])
def test_rows_are_cut_into_blocks_of_one_shape(monkeypatch, steps, lengths):
    monkeypatch.setattr(blocks, "LONGEST_BLOCK", 4)
    order = np.arange(1, 2 * steps + 1).reshape(steps, 2)
    found = list(padded_blocks(order, np.pad))
    assert [length for _, length in found] == lengths
    assert {block.shape for block, _ in found} == {(4, 2)}
    np.testing.assert_array_equal(np.concatenate([block[:length] for block, length in found]), order)
    assert not any(block[length:].any() for block, length in found)
