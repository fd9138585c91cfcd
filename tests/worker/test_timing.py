from __future__ import annotations

from contextlib import contextmanager

import msgspec
import numpy as np
import pytest

from lstm_bench import Unsupported
from lstm_bench.plugin.backend import Model
from lstm_bench.record.configuration import Effort
from lstm_bench.worker import blocks, timing
from lstm_bench.worker.ending import Implausible

EFFORT = Effort(name="test", blocks=4, block_seconds=0.1, warmup_blocks=3, warmup_seconds=0.5, epoch_fraction=1.0)


class Clocked:
    """A model that takes a known time on a clock of its own, which the timing code reads instead of the real one."""

    def __init__(self, monkeypatch, step_ns, first_ns=0):
        self.now, self.step_ns, self.first_ns = 0, step_ns, first_ns
        self.orders, self.inferred, self.differentiated, self.waits = [], [], [], 0
        monkeypatch.setattr(timing, "perf_counter_ns", lambda: self.now)

    def put(self, array):
        return array

    def get(self, native):
        return native

    def train(self, x, y, order):
        if len(order) not in {len(seen) for seen in self.orders}:
            self.now += self.first_ns  # compiles for each new shape
        self.orders.append(order)
        self.now += self.step_ns * len(order)

    def infer(self, x):
        self.inferred.append(x)
        self.now += self.step_ns
        return np.zeros(1)

    def differentiate(self, x, y):
        self.differentiated.append((x, y))
        self.now += self.step_ns
        return np.zeros(()), {}

    def synchronize(self):
        self.waits += 1


def time_training(model, epoch, effort):
    return timing.time_work(blocks.TrainingWork(model, None, (None, None), epoch), effort)


def test_memory_counts_while_steps_are_taken_and_not_while_models_are_replaced(monkeypatch):
    model, inside, periods = Clocked(monkeypatch, step_ns=1_000_000), [False], []

    @contextmanager
    def counted():
        inside[0] = True
        periods.append(len(model.orders))
        yield
        inside[0] = False

    class Replaced(blocks.TrainingWork):
        def block(self, steps):
            assert inside[0]
            return super().block(steps)

        def renew(self):
            assert not inside[0]
            return True

    timing.time_work(Replaced(model, None, (None, None), np.arange(6).reshape(3, 2)), EFFORT, counted)
    assert not inside[0]
    assert len(periods) == 1 + EFFORT.blocks  # replacing takes no time here, so it is done for each block


def test_a_block_lasts_at_least_as_long_as_it_should(monkeypatch):
    model = Clocked(monkeypatch, step_ns=1_000_000)
    found = time_training(model, np.arange(6).reshape(3, 2), EFFORT)
    assert 100 <= found.steps_per_block <= 120
    assert found.block_ns == (found.steps_per_block * 1_000_000,) * 4
    assert found.seconds_per_step == pytest.approx(1e-3)
    assert found.sequences_per_second == pytest.approx(2000)


def test_long_steps_are_blocks_of_one(monkeypatch):
    model = Clocked(monkeypatch, step_ns=300_000_000)
    assert time_training(model, np.zeros((1, 1), int), EFFORT).steps_per_block == 1


def test_a_block_has_its_fewest_steps_however_long_they_are(monkeypatch):
    model = Clocked(monkeypatch, step_ns=300_000_000)
    effort = msgspec.structs.replace(EFFORT, block_steps=4)
    found = time_training(model, np.zeros((1, 1), int), effort)
    assert found.steps_per_block == 4
    assert found.seconds_per_step == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("step", "steps", "warmups", "blocks"), [(1.0, 4, 2, 10), (3.0, 4, 1, 6), (15.0, 2, 1, 3), (40.0, 1, 1, 3)]
)
def test_steps_of_seconds_are_timed_in_fewer_and_shorter_blocks(monkeypatch, step, steps, warmups, blocks):
    model = Clocked(monkeypatch, step_ns=int(step * 1e9))
    effort = msgspec.structs.replace(EFFORT, block_steps=4, blocks=10, warmup_blocks=10)
    found = time_training(model, np.zeros((1, 1), int), effort)
    assert (found.steps_per_block, len(found.warmup_ns), len(found.block_ns)) == (steps, warmups, blocks)
    assert found.seconds_per_step == pytest.approx(step)


def test_of_very_long_steps_there_are_no_more_than_needed(monkeypatch):
    model = Clocked(monkeypatch, step_ns=int(100e9))
    effort = msgspec.structs.replace(EFFORT, block_steps=2, blocks=3)
    time_training(model, np.zeros((1, 1), int), effort)
    assert [len(order) for order in model.orders] == [2, 1, 1, 1, 1, 1]


def test_a_long_compilation_is_not_taken_for_a_long_step(monkeypatch):
    model = Clocked(monkeypatch, step_ns=500_000_000, first_ns=300_000_000_000)
    effort = msgspec.structs.replace(EFFORT, block_steps=4)
    found = time_training(model, np.zeros((1, 1), int), effort)
    assert found.steps_per_block == 4
    assert found.seconds_per_step == pytest.approx(0.5)


def test_warming_up_takes_its_blocks_and_its_seconds_whichever_is_longer(monkeypatch):
    few = time_training(Clocked(monkeypatch, 1_000_000), np.zeros((1, 1), int), EFFORT)
    assert len(few.warmup_ns) == 5  # 0.11 s each, until 0.5 s
    long = time_training(Clocked(monkeypatch, 400_000_000), np.zeros((1, 1), int), EFFORT)
    assert len(long.warmup_ns) == 3


def test_compiling_for_a_new_number_of_steps_is_in_no_block(monkeypatch):
    model = Clocked(monkeypatch, step_ns=1_000_000, first_ns=5_000_000_000)
    found = time_training(model, np.zeros((1, 1), int), EFFORT)
    assert set(found.block_ns + found.warmup_ns) == {found.steps_per_block * 1_000_000}
    assert len({len(order) for order in model.orders}) <= 4


def test_training_goes_through_the_epoch_in_another_order_each_time_and_waits_after_each_block(monkeypatch):
    model = Clocked(monkeypatch, step_ns=1_000_000)
    time_training(model, np.arange(6).reshape(3, 2), EFFORT)
    orders = {tuple(order[:99].ravel()) for order in model.orders if len(order) > 99}
    assert len(orders) == len([order for order in model.orders if len(order) > 99])
    for order in orders:
        assert sorted(order[:6]) == sorted(order[6:12]) == [0, 1, 2, 3, 4, 5]
    assert model.waits == len(model.orders)


def test_inference_goes_round_and_round_the_batches(monkeypatch):
    model = Clocked(monkeypatch, step_ns=1_000_000)
    found = timing.time_work(blocks.InferenceWork(model, [("a", 1), ("b", 2), ("c", 3)], 2), EFFORT)
    assert found.scope == "infer"
    block = "".join(model.inferred[-found.steps_per_block :])
    assert block[:9] in "abcabcabcabc"
    assert block[3:] == block[:-3]
    assert found.sequences_per_second == pytest.approx(2000)


def test_gradients_go_round_and_round_the_batches_and_wait_after_each_block(monkeypatch):
    model = Clocked(monkeypatch, step_ns=1_000_000)
    found = timing.time_work(blocks.GradientWork(model, [("a", 1), ("b", 2), ("c", 3)], 2), EFFORT)
    assert found.scope == "gradient"
    further = blocks.KEPT - 1  # after each timed block, gradients are computed and read one by one
    block = "".join(x for x, _ in model.differentiated[-found.steps_per_block - further : -further])
    assert block[:9] in "abcabcabcabc"
    assert {y for x, y in model.differentiated if x == "b"} == {2}
    assert found.block_ns == (found.steps_per_block * 1_000_000,) * 4
    assert found.sequences_per_second == pytest.approx(2000)
    # Two lengths are tried twice, and the last try warms up. After each timed block arrays are put and fetched.
    assert model.waits == 3 + len(found.warmup_ns) + (2 + further) * len(found.block_ns)


def test_kept_gradients_stay_what_they_were_though_later_calls_overwrite_them(monkeypatch):
    class Overwrites(Clocked):
        buffer = np.zeros(1)

        def differentiate(self, x, y):
            super().differentiate(x, y)
            self.buffer[...] = y
            return np.zeros(()), {"head.weight": self.buffer}  # which get returns without a copy

    work = blocks.GradientWork(Overwrites(monkeypatch, step_ns=1_000_000), [("a", 0), ("b", 1), ("c", 2)], 2)
    timing.time_work(work, EFFORT)
    assert [float(kept.arrays[1][0]) for kept in work.kept] == [float(kept.batch) for kept in work.kept]


def test_a_model_without_a_gradient_alone_says_so_and_nothing_else_is_timed_in_its_place(monkeypatch):
    class WrittenBefore(Clocked):
        differentiate = Model.differentiate

        def gradients(self, x, y):
            raise AssertionError("it copies to the host")

    with pytest.raises(Unsupported, match=r"the backend has no Model\.differentiate"):
        timing.time_work(blocks.GradientWork(WrittenBefore(monkeypatch, step_ns=1), [("a", 1)], 2), EFFORT)


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_steps_that_take_no_time_are_implausible_and_their_number_is_bounded(monkeypatch, kind):
    model = Clocked(monkeypatch, step_ns=0)
    epoch = np.zeros((1, 1000), int)
    work = (
        blocks.TrainingWork(model, None, (None, None), epoch)
        if kind == "train"
        else blocks.InferenceWork(model, [("a", 1)], 1000)
    )
    with pytest.raises(Implausible, match=r"steps of (train|infer) take 0 s: no work takes so little time"):
        timing.time_work(work, EFFORT)
    assert max((order.nbytes for order in model.orders), default=0) <= blocks.MOST_INDEX_BYTES


def test_a_backend_that_trains_when_an_order_is_put_is_not_given_more_and_more_steps(monkeypatch):
    class TrainsInPut(Clocked):
        def put(self, array):
            self.put_for += 1e-3 * array.shape[0]
            return array

        def train(self, x, y, order):
            self.orders.append(order)
            self.now += 1_000 * len(order)

    model = TrainsInPut(monkeypatch, step_ns=0)
    model.put_for = 0.0
    monkeypatch.setattr(blocks, "perf_counter", lambda: model.put_for)
    time_training(model, np.zeros((1, 1), int), EFFORT)
    assert max(map(len, model.orders)) * 1e-3 == pytest.approx(timing.LONGEST_PUT * EFFORT.block_seconds, rel=0.1)


def test_steps_that_take_hardly_any_time_are_timed_in_shorter_blocks(monkeypatch):
    found = timing.time_work(blocks.InferenceWork(Clocked(monkeypatch, step_ns=101), [("a", 1)], 1), EFFORT)
    assert found.steps_per_block <= blocks.MOST_STEPS
    assert found.seconds_per_step == pytest.approx(101e-9)
