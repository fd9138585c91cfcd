from __future__ import annotations

import numpy as np
import pytest

from lstm_bench import mean_loss
from lstm_bench_numpy._training import LOSSES


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 3)])
def test_the_loss_in_numpy_is_that_of_the_reference(shape):
    generator = np.random.default_rng(0)
    logits = generator.standard_normal(shape) * 30
    for kind, y in (("mse", generator.standard_normal(shape)), ("cross_entropy", generator.integers(0, 3, shape[:-1]))):
        assert mean_loss(kind, logits, y) == pytest.approx(LOSSES[kind](logits, y)[0], rel=1e-12)


def test_certainty_costs_nothing_and_a_sure_error_what_it_says():
    logits = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert mean_loss("cross_entropy", logits, np.array([0, 1])) == 0
    assert mean_loss("cross_entropy", logits, np.array([1, 1])) == 500
