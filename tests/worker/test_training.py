from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from builders import a_recipe, a_training
from lstm_bench.conformance.agreement import InvalidOutput
from lstm_bench.errors import LSTMBenchError
from lstm_bench.plugin.task import Dataset, Split
from lstm_bench.record.attempt import KEPT_LOSSES
from lstm_bench.worker.training import Course, Diverged, Feed, epoch_orders, finite, train


class Scripted:
    """A model whose losses count upwards from 0, but for those that are scripted."""

    def __init__(self, script=None, extra=0):
        self.script, self.extra, self.steps, self.seen, self.puts = script or {}, extra, 0, [], []

    def put(self, array):
        self.puts.append(array)
        return array

    def get(self, native):
        return native

    def train(self, x, y, order):
        self.seen.append(x[order])
        losses = [self.script.get(self.steps + n, float(self.steps + n)) for n in range(len(order) + self.extra)]
        self.steps += len(order)
        return np.array(losses)

    def parameters(self):
        return {"steps": np.array(self.steps)}


class Numbers:
    """A task whose sequences are their own numbers; with fresh data, larger by 100 in each epoch."""

    def __init__(self, fresh=False):
        self.fresh = fresh

    def epoch(self, dataset, number):
        more = 100 * number if self.fresh else 0
        return Split(x=dataset.train.x + more, y=dataset.train.y) if self.fresh else dataset.train


def feed_of(count, *, fresh=False, **recipe):
    numbers = np.arange(count)
    recipe = a_recipe(train=a_training(batch_size=1), **recipe)
    return Feed(Numbers(fresh), Dataset(train=Split(x=numbers, y=-numbers)), recipe, seed=0)


def run(model, count=4, on_progress=lambda done, total, note: None, feed=None, **course):
    return train(model, feed or feed_of(count), Course(**{"epochs": 3} | course), on_progress)


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
    told = []
    model = Scripted()
    training = run(model, on_progress=lambda *how: told.append(how)).training
    assert training.steps == 12
    assert training.first_losses == tuple(range(12))
    assert training.epoch_losses == (1.5, 5.5, 9.5)
    assert told == [(4, 12, "training loss 1.5"), (8, 12, "training loss 5.5"), (12, 12, "training loss 9.5")]
    assert [rows.tolist() for rows in model.seen] == [[[0], [1], [2], [3]]] * 3


def test_only_the_first_losses_are_kept_one_by_one():
    training = run(Scripted(), epochs=2, count=KEPT_LOSSES - 10).training
    assert training.first_losses == tuple(range(KEPT_LOSSES))


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_curve():
    model = Scripted(script={5: np.nan, 6: 1.0})
    with pytest.raises(Diverged, match="the training loss is nan at step 6") as caught:
        run(model)
    assert len(model.seen) == 2
    assert caught.value.training.epoch_losses == (1.5, None)
    assert caught.value.training.first_losses == (0, 1, 2, 3, 4, None, 1, 7)


def test_losses_of_a_wrong_shape_are_named():
    with pytest.raises(InvalidOutput, match=r"training losses must have shape \(4,\); the backend returned \(5,\)"):
        run(Scripted(extra=1))


def test_data_that_stay_the_same_are_put_once_and_fresh_data_in_each_epoch():
    same, fresh = Scripted(), Scripted()
    run(same)
    run(fresh, feed=feed_of(4, fresh=True))
    assert [rows.ravel().tolist() for rows in fresh.seen] == [[n + e for n in range(4)] for e in (0, 100, 200)]
    assert sum(array.dtype == int and array.ndim == 1 for array in same.puts) == 2
    assert sum(array.dtype == int and array.ndim == 1 for array in fresh.puts) == 6


@pytest.mark.parametrize("fresh", [False, True])
def test_what_has_been_put_already_is_not_put_again(fresh):
    model, feed = Scripted(), feed_of(4, fresh=fresh)
    train(model, feed, Course(epochs=3), native=(feed.first.x, feed.first.y))
    assert sum(array.dtype == int and array.ndim == 1 for array in model.puts) == (4 if fresh else 0)
    assert [int(rows[0, 0]) for rows in model.seen] == ([0, 100, 200] if fresh else [0, 0, 0])


def test_what_is_held_out_is_the_end_and_is_never_learnt_from():
    feed = feed_of(10, validation=0.25)  # of 10 sequences, 2 (to even)
    model = Scripted()
    run(model, feed=feed)
    assert feed.validation.x.tolist() == [8, 9]
    assert feed.validation.y.tolist() == [-8, -9]
    assert {int(n) for rows in model.seen for n in rows.ravel()} == set(range(8))


@pytest.mark.parametrize("part", [0.01, 0.99])
def test_a_part_of_nothing_or_of_all_cannot_be_held_out(part):
    with pytest.raises(LSTMBenchError, match=f"{part} of 10 sequences cannot be held out for validation"):
        feed_of(10, validation=part)


@pytest.mark.parametrize(
    ("steps", "every", "calls", "looks"),
    [
        (None, None, [4, 4, 4], []),
        (6, None, [4, 2], []),
        (None, 4, [4, 4, 4], [0, 4, 8, 12]),
        (None, 3, [3, 1, 2, 2, 1, 3], [0, 3, 6, 9, 12]),
        (None, 100, [4, 4, 4], [0, 12]),
        (5, 4, [4, 1], [0, 4, 5]),
    ],
)
def test_steps_and_looks_fall_where_they_are_due(steps, every, calls, looks):
    model = Scripted()
    metrics = None if every is None else lambda: {"steps": model.steps}
    training = run(model, steps=steps, every=every, metrics=metrics).training
    assert [len(rows) for rows in model.seen] == calls
    assert [point.step for point in training.curve] == looks
    assert [point.metrics["steps"] for point in training.curve] == looks
    assert [point.seconds for point in training.curve] == sorted(point.seconds for point in training.curve)


def with_validation(losses, **course):
    """Train for as many epochs as there are losses of what is held out."""
    model, left = Scripted(), iter(losses)
    return run(model, epochs=len(losses), validation_loss=lambda: next(left), **course)


def test_the_validation_loss_is_looked_at_after_each_epoch_and_the_best_is_known():
    training = with_validation([3.0, 1.0, 2.0]).training
    assert [(point.step, point.validation_loss) for point in training.curve] == [(4, 3.0), (8, 1.0), (12, 2.0)]
    assert (training.best_step, training.best_validation_loss, training.stopped) == (8, 1.0, "")


@pytest.mark.parametrize(
    ("losses", "gain", "best", "steps"),
    [
        ([3, 2, 2.5, 2.5, 1], 0, 8, 16),
        ([3, 2, 2.5, 1, 1, 1, 0], 0, 16, 24),
        ([3, 2, 1.9, 1.8, 0], 0.3, 8, 16),
        ([3, float("nan"), float("nan"), 0], 0, 4, 12),
        ([3, 2, 1], 0, 12, 12),
    ],
    ids=["two without a gain", "a gain between", "too small gains", "NaN is none", "to the end"],
)
def test_training_ends_when_patience_does_with_the_best_weights_at_hand(losses, gain, best, steps):
    trained = with_validation(losses, patience=2, minimum_gain=gain)
    assert (trained.training.best_step, trained.training.steps) == (best, steps)
    assert trained.training.stopped == ("" if steps == 4 * len(losses) else "patience")
    assert trained.best["steps"] == best


def test_without_patience_no_weights_are_kept():
    assert with_validation([3.0, 1.0, 2.0]).best is None


def test_training_ends_when_the_target_is_reached():
    model = Scripted()
    training = run(
        model, every=2, metrics=lambda: {"steps": model.steps}, reached=lambda metrics: metrics["steps"] >= 6
    ).training
    assert (training.steps, training.stopped) == (6, "target")
    assert training.epoch_losses == (1.5, 4.5)


@pytest.mark.parametrize(("value", "kept"), [(1.5, 1.5), (float("nan"), None), (float("inf"), None)])
def test_what_json_does_not_have_becomes_none(value, kept):
    assert finite(value) == kept


def test_a_numpy_number_becomes_a_plain_one():
    assert type(finite(np.float64(1.5))) is float
