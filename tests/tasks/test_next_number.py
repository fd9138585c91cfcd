from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench import LSTMBenchError
from lstm_bench.catalog.choosing import choose_tasks
from lstm_bench.catalog.loading import load_plugins
from lstm_bench_next_number._task import PATTERN

PLUGINS = load_plugins()
INFO = PLUGINS.task("next-number")
TASK = INFO.load()
SEQUENCES = INFO.options["sequence"].choices
seeds = st.integers(0, 2**63 - 1)


def load(sequence="counting", seed=0):
    options = INFO.read({"sequence": sequence})
    return TASK.load(INFO.recipe(None, options), options, data_dir=None, seed=seed)


def digits_of(data):
    """The sequence of the windows, up to the digit after the last window."""
    return np.concatenate([data.train.x[0].argmax(axis=-1), data.train.y, data.test.y])


def in_bytes(data):
    return [array.tobytes() for array in (data.train.x, data.train.y, data.test.x, data.test.y, data.going_on)]


def logits_of(digits):
    return np.eye(10)[digits]


def counting(windows):
    return logits_of((windows[:, -1].argmax(axis=-1) + 1) % 10)


def matching(windows):
    """A predictor that continues the pattern from the place at which most digits of a window fit."""
    places = np.array([np.resize(np.roll(PATTERN, -place), 11) for place in range(11)])
    fits = (windows.argmax(axis=-1)[:, None] == places[None, :, :10]).sum(axis=-1)
    return logits_of(places[fits.argmax(axis=-1), 10])


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_windows_and_next_digits_are_of_one_sequence_and_what_is_held_out_comes_later(sequence):
    data = load(sequence)
    digits = digits_of(data)
    assert (data.train.x.dtype, data.train.y.dtype) == (np.float32, np.int64)
    for split, begin, count in ((data.train, 0, 100), (data.test, 100, 400)):
        assert split.x.shape == (count, 10, 10)
        assert split.y.shape == (count,)
        assert (split.x.sum(axis=-1) == 1).all()
        for place, (window, following) in enumerate(zip(split.x, split.y, strict=True), start=begin):
            assert window.argmax(axis=-1).tolist() == digits[place : place + 10].tolist()
            assert following == digits[place + 10]


def test_counting_counts_and_the_pattern_is_that_of_pi():
    assert (digits_of(load("counting")) == np.arange(510) % 10).all()
    assert (digits_of(load("pattern")) == np.resize([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], 510)).all()


def test_three_digits_tell_how_the_pattern_goes_on_and_fewer_do_not():
    digits = digits_of(load("pattern"))

    def most_ways_on(known):
        ways = {}
        for *begin, after in np.lib.stride_tricks.sliding_window_view(digits, known + 1).tolist():
            ways.setdefault(tuple(begin), set()).add(after)
        return max(map(len, ways.values()))

    assert [most_ways_on(known) for known in (1, 2, 3)] == [2, 2, 1]


@given(seeds)
def test_the_seed_decides_the_noise_and_nothing_else(seed):
    for sequence in ("counting", "pattern"):
        assert in_bytes(load(sequence, seed)) == in_bytes(load(sequence, 0))
    noisy = load("noisy", seed)
    assert in_bytes(noisy) == in_bytes(load("noisy", seed))
    assert (digits_of(noisy) != digits_of(load("noisy", seed ^ 1))).any()
    assert (noisy.going_on == load("pattern").going_on).all()
    replaced = np.mean(digits_of(noisy) != digits_of(load("pattern")))
    assert replaced == pytest.approx(0.1, abs=0.08)  # six standard deviations


def test_a_tenth_is_replaced_by_whatever_other_digit():
    before = np.tile(digits_of(load("pattern")), 50)
    after = np.concatenate([digits_of(load("noisy", seed)) for seed in range(50)])
    replaced = after != before
    assert np.mean(replaced) == pytest.approx(0.1, abs=0.01)
    by = np.bincount((after - before)[replaced] % 10, minlength=10)
    assert by[0] == 0
    assert by[1:].min() > 0.08 * by.sum()


@pytest.mark.parametrize(("sequence", "rule"), [("counting", counting), ("pattern", matching)])
def test_whoever_knows_the_rule_makes_no_mistake(sequence, rule):
    data = load(sequence)
    evaluation = TASK.evaluate(rule, data)
    assert evaluation.metrics == {"accuracy": 1, "continuation": 1}
    assert evaluation.series == {"continuation": tuple(data.going_on[0])}


@given(seeds)
def test_noise_allows_what_the_pattern_itself_reaches(seed):
    data = load("noisy", seed)
    best = TASK.baselines(data)["the pattern without noise"]
    assert best["accuracy"] == np.mean(data.test.y == digits_of(load("pattern"))[-400:])
    assert best["continuation"] == 1
    metrics = TASK.evaluate(matching, data).metrics
    assert metrics["accuracy"] == pytest.approx(best["accuracy"], abs=0.05)
    assert metrics["continuation"] > 0.9


def test_a_continuation_is_fed_back():
    asked = []

    def seven(windows):
        asked.append(windows)
        return logits_of(np.full(len(windows), 7))

    data = load()
    evaluation = TASK.evaluate(seven, data)
    assert evaluation.series == {"continuation": (7.0,) * 10}
    assert evaluation.metrics == pytest.approx({"accuracy": 0.1, "continuation": 0.1})
    for said, windows in enumerate(asked):
        assert windows.shape == (400, 10, 10)
        np.testing.assert_array_equal(windows[:, : 10 - said], data.test.x[:, said:])
        assert (windows[:, 10 - said :].argmax(axis=-1) == 7).all()
    assert len(asked) == 10


def test_the_baselines_of_counting_are_those_of_theory():
    assert TASK.baselines(load()) == {
        "most frequent digit": pytest.approx({"accuracy": 0.1, "continuation": 0.1}),
        "last digit again": pytest.approx({"accuracy": 0, "continuation": 0.1}),
    }


def test_the_baselines_of_the_pattern_are_those_of_theory():
    baselines = TASK.baselines(load("pattern"))
    assert set(baselines) == {"most frequent digit", "last digit again"}
    assert baselines["most frequent digit"] == pytest.approx({"accuracy": 3 / 11, "continuation": 3 / 11}, abs=0.01)
    assert baselines["last digit again"]["accuracy"] == 0


def test_the_most_frequent_digit_is_that_of_the_training_windows():
    data = load("noisy")
    most = TASK.baselines(data)["most frequent digit"]
    data.test.y[:] = 7
    assert TASK.baselines(data)["most frequent digit"]["accuracy"] == 0 < most["accuracy"]


def test_a_sequence_that_there_is_not_is_refused_in_one_line():
    with pytest.raises(LSTMBenchError) as caught:
        choose_tasks(PLUGINS, ["next-number[sequence=counted]"])
    assert str(caught.value) == (
        "unknown value 'counted' of option 'sequence' of task 'next-number'. Did you mean 'counting'? "
        "There is: counting, noisy, pattern."
    )
