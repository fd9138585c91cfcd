"""Work that is put off, remembered or done beforehand, with durations that are known."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_bench.worker import looks
from lstm_bench.worker.blocks import MOST_KEPT_BYTES, InferenceWork, Segment
from lstm_bench.worker.reading import ReadingTime

STEP, USUAL = 1e-3, 1e-5


@pytest.mark.parametrize(
    ("late", "found"),
    [
        pytest.param([0.0] * 10, False, id="nothing is late"),
        pytest.param([1e-3] * 10, True, id="a whole step is late"),
        pytest.param([2e-4] * 10, False, id="less than a quarter of a step"),
        pytest.param([1e-3] * 7 + [0.0] * 3, False, id="seven of ten were held up by other load"),
        pytest.param([1e-3] * 8 + [0.0] * 2, True, id="eight of ten"),
        pytest.param([-1e-4] * 10, False, id="reading is faster than usual"),
        pytest.param([1e-3, 1e-3], True, id="two blocks"),
        pytest.param([1e-3, 0.0], False, id="one of two blocks"),
    ],
)
def test_results_are_late_if_reading_nearly_all_of_them_takes_a_part_of_a_step(late, found):
    assert looks.late_results([ReadingTime(USUAL + seconds, USUAL) for seconds in late], STEP) is found


def test_a_clock_cannot_tell_what_is_late_of_a_step_that_takes_hardly_any_time():
    assert not looks.late_results([ReadingTime(9e-5, 0.0)] * 10, 1e-6)
    assert looks.late_results([ReadingTime(11e-5, 0.0)] * 10, 1e-6)


def test_of_a_short_step_the_readings_after_the_first_one_tell():
    assert not looks.late_results([ReadingTime(5e-5, 0.0, 1.9e-5, 0.0)] * 10, 1e-6)
    assert looks.late_results([ReadingTime(5e-5, 0.0, 2.1e-5, 0.0)] * 10, 1e-6)
    assert looks.late_results([ReadingTime(5e-5, 0.0), *[ReadingTime(5e-5, 0.0, 2.1e-5, 0.0)] * 9], 1e-6)


def test_a_device_that_is_slow_to_read_may_be_so_by_more_than_a_step():
    assert not looks.late_results([ReadingTime(0.029, 0.02)] * 10, STEP)
    assert looks.late_results([ReadingTime(0.031, 0.02)] * 10, STEP)


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        ([(0.001, 0.001)], False),
        ([(0.06, 0.001)], True),
        ([(0.06, 0.001), (0.001, 0.001)], False),
        ([(0.06, 0.06)], False),
    ],
    ids=["both are fast", "the first is slow", "the first is slow once in two models", "both are slow"],
)
def test_parameters_are_late_if_only_the_first_reading_takes_long(readings, found):
    segments = [Segment(reading_seconds=reading) for reading in readings]
    assert looks.late_parameters(segments, 0.1) is found


@pytest.mark.parametrize(("put", "found"), [(1e-4, False), (0.09, True)])
def test_an_order_that_takes_long_to_put_is_computed_ahead(put, found):
    segment = Segment(put_seconds=[1e-5, put, put, put])
    assert looks.orders_worked_ahead([segment], 0.1) is found


class Clocked:
    """A model that takes a known time on a clock of its own."""

    def __init__(self, monkeypatch, put_seconds=0.0):
        self.now, self.seen, self.put_seconds = 0.0, set(), put_seconds
        monkeypatch.setattr(looks, "perf_counter", lambda: self.now)
        self.inferred = 0

    def put(self, array):
        self.now += self.put_seconds if array.ndim == 3 else 0.0
        return array

    def get(self, native):
        return native

    def synchronize(self):
        pass

    def infer(self, x):
        self.inferred += 1
        self.now += self.seconds(x)
        return np.zeros((len(x), 1))

    def seconds(self, x):
        return STEP


class Remembers(Clocked):
    """Computes what it has not seen, and takes a tenth of the time for the rest."""

    def seconds(self, x):
        key = x.tobytes()
        seconds = STEP / 10 if key in self.seen else STEP
        self.seen.add(key)
        return seconds


class IsSlowNowAndThen(Clocked):
    """Takes twice as long in the first look, as under other load."""

    def seconds(self, x):
        key = x.tobytes()
        first_look = self.inferred <= 8 + 2 * looks.PAIRS * 10
        return 2 * STEP if first_look and key not in self.seen else STEP


def tried(model):
    generator = np.random.default_rng(0)

    def draw():
        return generator.standard_normal((2, 3, 1)), np.zeros((2, 1))

    batches = [draw() for _ in range(8)]
    for x, _ in batches:
        model.infer(x)
        model.seen.add(x.tobytes())
    return looks.try_new_inputs(InferenceWork(model, batches, 2), draw, STEP)


def test_a_backend_that_computes_all_inputs_alike_shows_nothing_after_one_look(monkeypatch):
    found = tried(Clocked(monkeypatch))
    assert (found.slower, found.put_ahead, len(found.kept)) == (None, False, looks.PAIRS)


def test_a_backend_that_remembers_takes_longer_for_new_inputs_in_each_look(monkeypatch):
    found = tried(Remembers(monkeypatch))
    assert found.slower == pytest.approx(10)
    assert len(found.kept) == looks.LOOKS * looks.PAIRS


def test_one_slow_look_is_not_enough(monkeypatch):
    found = tried(IsSlowNowAndThen(monkeypatch))
    assert found.slower is None
    assert len(found.kept) == 2 * looks.PAIRS


@pytest.mark.parametrize(("seconds", "ahead"), [(STEP / 10, False), (STEP, True)])
def test_a_backend_that_computes_what_is_put_takes_long_to_put_sequences(monkeypatch, seconds, ahead):
    assert tried(Clocked(monkeypatch, put_seconds=seconds)).put_ahead is ahead


def test_the_kept_inputs_are_those_of_the_kept_results(monkeypatch):
    class Echoes(Clocked):
        def infer(self, x):
            super().infer(x)
            return x[:, 0]

    for x, _, (logits,) in tried(Echoes(monkeypatch)).kept:
        np.testing.assert_array_equal(logits, x[:, 0])


def test_of_large_results_one_is_kept_in_each_look(monkeypatch):
    class Puts(Clocked):
        def infer(self, x):
            super().infer(x)
            return np.zeros((2, MOST_KEPT_BYTES // 16))

    assert len(tried(Puts(monkeypatch)).kept) == 1
