"""Timed training that is computed again, by the reference and by another model of the same backend."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from builders import a_model, a_training
from lstm_bench import Setting
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import build_or_refuse
from lstm_bench.plugin.options import NO_OPTIONS
from lstm_bench.worker import replay
from lstm_bench.worker.blocks import TrainingWork
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

SPEC = a_model(hidden_sizes=(5,), input_size=2)
TRAIN = a_training(optimizer="adam", learning_rate=0.01, batch_size=3)
INITIAL = initial_parameters(SPEC, "uniform", 0)
X = np.random.default_rng(1).standard_normal((12, 4, 2))
Y = np.random.default_rng(2).standard_normal((12, 1))
EPOCH = np.arange(12).reshape(4, 3)


def build(precision="float32", kind=NumpyModel):
    if kind is not NumpyModel:
        return kind(SPEC, TRAIN, INITIAL, np.dtype(precision), 0)
    return build_or_refuse(NumpyBackend(), SPEC, TRAIN, INITIAL, Setting(precision, "cpu", NO_OPTIONS), seed=0)


def a_segment(kind=NumpyModel, calls=3, steps=25):
    """The life of a model that was timed."""
    model = build(kind=kind)
    native = model.put(X), model.put(Y)
    work = TrainingWork(model, lambda: build(kind=kind), native, EPOCH)
    work.renew()
    for _ in range(calls):
        block = work.block(steps)
        work.keep(block, block.run())
    work.end_segment()
    return work.segments[-1]


def by_reference(segment, seconds=10.0):
    return replay.by_reference(build("float64"), SPEC, (X, Y), segment, "float32", seconds)


def by_another(segment, kind=NumpyModel, seconds=10.0, portion=4):
    model = build()
    native = model.put(X), model.put(Y)
    return replay.by_another_model(lambda: build(kind=kind), SPEC, native, segment, INITIAL, portion, seconds)


def test_honest_training_is_reached_again():
    segment = a_segment()
    assert [len(order) for order in segment.orders] == [1, 25, 25, 25]
    found = by_reference(segment)
    assert found.steps == 76
    assert found.losses < 1e-6
    again = by_another(segment)
    assert (again.losses, again.steps, again.parameters) == (0.0, 76, 0.0)


def test_of_many_lives_the_last_and_one_other_are_remembered():
    remembered = set()
    for _ in range(40):
        model = build()
        work = TrainingWork(model, build, (model.put(X), model.put(Y)), EPOCH)
        for _ in range(4):
            work.renew()
        work.end_segment()
        held = [number for number, segment in enumerate(work.segments) if segment.parameters is not None]
        assert [number for number, segment in enumerate(work.segments) if segment.orders] == held
        assert len(held) == 2
        assert held[-1] == 3
        assert all(segment.readings for segment in work.segments)
        remembered.add(held[0])
    assert remembered == {0, 1, 2}


def test_each_call_has_another_order():
    assert len({order.tobytes() for order in a_segment().orders[1:]}) == 3


def test_without_time_only_the_least_is_reached_again_and_parameters_are_not_compared():
    segment = a_segment()
    assert (
        by_reference(segment, seconds=0.0).steps == replay.LEAST_STEPS or by_reference(segment, seconds=0.0).steps == 10
    )
    again = by_another(segment, seconds=0.0)
    assert (again.steps, again.parameters) == (4, None)


def test_a_step_that_is_too_long_for_the_reference_is_left_out(monkeypatch):
    monkeypatch.setattr(replay, "SLOWEST_STEP", 1)
    assert by_reference(a_segment()) is None


class SkipsTheLastStepOfLongCalls(NumpyModel):
    def train(self, x, y, order):
        if len(order) <= 10:
            return super().train(x, y, order)
        losses = super().train(x, y, order[:-1])
        return np.append(losses, losses[-1])


class SkipsEveryUpdate(NumpyModel):
    def train(self, x, y, order):
        before = self._flat.copy()
        losses = super().train(x, y, order)
        self._flat[...] = before
        return losses


def test_long_calls_that_leave_out_a_step_are_off_short_calls():
    segment = a_segment(
        SkipsTheLastStepOfLongCalls, calls=8
    )  # in three calls, losses may differ by less than the bound
    again = by_another(segment, SkipsTheLastStepOfLongCalls)
    assert again.losses > replay.SAME["float32"]
    assert again.parameters > replay.SAME["float32"]


def test_calls_that_change_no_weight_are_off_the_reference():
    assert by_reference(a_segment(SkipsEveryUpdate)).losses > 1e-2


class EndsInNoNumber(NumpyModel):
    """Its losses are NaN after this many steps."""

    last, steps = 40, 0

    def train(self, x, y, order):
        losses = super().train(x, y, order)
        numbers = self.steps + np.arange(len(losses)) < self.last
        self.steps += len(losses)
        return np.where(numbers, losses, np.nan)


class EndsEarlier(EndsInNoNumber):
    last = 30


def test_training_that_diverges_alike_is_not_a_difference():
    segment = a_segment(EndsInNoNumber)
    assert by_another(segment, EndsInNoNumber).losses == 0.0
    assert np.isnan(by_another(segment, EndsEarlier).losses)


@pytest.mark.parametrize("name", [name for name in INITIAL if name != "head.bias"])
def test_the_movement_of_all_parameters_counts_together(name):
    moved = {other: array + 1.0 for other, array in INITIAL.items()}
    off = moved | {name: moved[name] + 0.5}
    sizes = sum(array.size for array in INITIAL.values())
    assert replay.movement_error(off, moved, INITIAL) == pytest.approx(0.5 * np.sqrt(INITIAL[name].size / sizes))


def by_rounding(segment, steps, spec=SPEC, train=TRAIN):
    def build_reference(parameters, precision="float64"):
        return NumpyBackend().build(spec, train, parameters, Setting(precision), seed=0)

    return replay.by_rounding(build_reference, spec, (X, Y), segment, "float32", INITIAL, steps)


def test_where_training_keeps_roundings_small_no_more_is_allowed():
    assert 0 < by_rounding(a_segment(), 76) < 1e-4


def test_where_training_makes_roundings_grow_as_much_is_allowed_and_no_more_than_between_models():
    restless = msgspec.structs.replace(TRAIN, learning_rate=0.5)
    segment = a_segment(calls=10)
    few, many = by_rounding(segment, 10, train=restless), by_rounding(segment, 200, train=restless)
    assert few < many <= replay.SAME["float32"]
