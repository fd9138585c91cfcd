from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from lstm_bench.agreement import InvalidOutput
from lstm_bench.errors import LSTMBenchError
from lstm_bench.result import KEPT_LOSSES
from lstm_bench.training import Diverged, epoch_orders, finite, train_epochs


class Scripted:
    """A model whose losses count upwards from 0, but for those that are scripted."""

    def __init__(self, script=None, extra=0):
        self.script, self.extra, self.steps, self.seen = script or {}, extra, 0, []

    def put(self, array):
        return array

    def get(self, native):
        return native

    def train(self, x, y, order):
        self.seen.append(order)
        losses = [self.script.get(self.steps + n, float(self.steps + n)) for n in range(len(order) + self.extra)]
        self.steps += len(order)
        return np.array(losses)


def train(model, epochs=3, count=4, on_epoch=lambda done: None):
    return train_epochs(model, None, None, epoch_orders(count, 1, shuffle=False, seed=0), epochs, on_epoch)


def test_sequences_come_in_the_tasks_order_unless_shuffled():
    orders = islice(epoch_orders(6, 2, shuffle=False, seed=0), 2)
    for order in orders:
        assert order.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_what_fills_no_batch_is_left_out_of_the_epoch():
    assert next(epoch_orders(7, 2, shuffle=False, seed=0)).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_shuffled_epochs_differ_from_each_other_and_are_the_same_for_the_same_seed():
    first, second = islice(epoch_orders(50, 5, shuffle=True, seed=3), 2)
    again = next(epoch_orders(50, 5, shuffle=True, seed=3))
    other = next(epoch_orders(50, 5, shuffle=True, seed=4))
    assert sorted(first.ravel()) == list(range(50))
    assert first.tolist() == again.tolist()
    assert first.tolist() != second.tolist()
    assert first.tolist() != other.tolist()


def test_too_few_sequences_for_a_batch_are_refused():
    with pytest.raises(LSTMBenchError, match="a batch takes 8 sequences, but there are only 7"):
        next(epoch_orders(7, 8, shuffle=False, seed=0))


def test_the_loss_curve_is_kept_by_step_and_by_epoch():
    done = []
    model = Scripted()
    training = train(model, on_epoch=done.append)
    assert training.steps == 12
    assert training.first_losses == tuple(range(12))
    assert training.epoch_losses == (1.5, 5.5, 9.5)
    assert done == [1, 2, 3]
    assert [order.shape for order in model.seen] == [(4, 1)] * 3


def test_only_the_first_losses_are_kept_one_by_one():
    training = train(Scripted(), epochs=2, count=KEPT_LOSSES - 10)
    assert training.first_losses == tuple(range(KEPT_LOSSES))


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_curve():
    model = Scripted(script={5: np.nan, 6: 1.0})
    with pytest.raises(Diverged, match="the training loss is nan at step 6") as caught:
        train(model)
    assert len(model.seen) == 2
    assert caught.value.training.epoch_losses == (1.5, None)
    assert caught.value.training.first_losses == (0, 1, 2, 3, 4, None, 1, 7)


def test_losses_of_a_wrong_shape_are_named():
    with pytest.raises(InvalidOutput, match=r"training losses must have shape \(4,\); the backend returned \(5,\)"):
        train(Scripted(extra=1))


@pytest.mark.parametrize(("value", "kept"), [(1.5, 1.5), (float("nan"), None), (float("inf"), None)])
def test_what_json_does_not_have_becomes_none(value, kept):
    assert finite(value) == kept


def test_a_numpy_number_becomes_a_plain_one():
    assert type(finite(np.float64(1.5))) is float
