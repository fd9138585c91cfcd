from __future__ import annotations

from math import log

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench import LSTMBenchError
from lstm_bench.catalog.choosing import choose_tasks
from lstm_bench.catalog.loading import load_plugins
from lstm_bench_copy._task import BLANK, GO

PLUGINS = load_plugins()
INFO = PLUGINS.task("copy")
TASK = INFO.load()

problems = st.fixed_dictionaries(
    {"symbols": st.integers(1, 7), "delay": st.integers(1, 9), "seed": st.integers(0, 2**63 - 1)}
)


def load(symbols=5, delay=20, seed=0, batch_size=2):
    options = INFO.read({"symbols": str(symbols), "delay": str(delay)})
    recipe = INFO.recipe(None, options)
    small = msgspec.structs.replace(recipe.train, batch_size=batch_size)
    return TASK.load(msgspec.structs.replace(recipe, train=small), options, data_dir=None, seed=seed)


def same(one, other):
    return one.x.tobytes() == other.x.tobytes() and one.y.tobytes() == other.y.tobytes()


def copying(symbols):
    """A predictor that repeats the first ``symbols`` steps in the last steps, with near certainty."""

    def predict(x):
        logits = np.zeros((*x.shape[:2], 9))
        logits[:, :-symbols, BLANK] = 50
        logits[:, -symbols:, :8] = 50 * x[:, :symbols, :8]
        return logits

    return predict


def memoryless(symbols):
    """A predictor that knows when a symbol is due, but not which."""

    def predict(x):
        logits = np.full((*x.shape[:2], 9), -1000.0)
        logits[:, :-symbols, BLANK] = 0
        logits[:, -symbols:, :8] = 0
        return logits

    return predict


@given(problems)
def test_the_sequences_are_those_of_the_paper(problem):
    data = load(**problem)
    symbols, delay = problem["symbols"], problem["delay"]
    for split, count in ((data.train, 200), (data.test, 1000)):
        assert split.x.shape == (count, delay + 2 * symbols, 10)
        assert split.y.shape == split.x.shape[:2]
        assert (split.x.dtype, split.y.dtype) == (np.float32, np.int64)
        assert set(np.unique(split.x)) == {0, 1}
        assert (split.x.sum(axis=-1) == 1).all()
        seen = split.x.argmax(axis=-1)
        assert (seen[:, symbols + delay - 1] == GO).all()
        assert (np.delete(seen[:, symbols:], delay - 1, axis=1) == BLANK).all()
        assert (split.y[:, : symbols + delay] == BLANK).all()
        assert (split.y[:, symbols + delay :] == seen[:, :symbols]).all()
        assert seen[:, :symbols].max() < 8


@given(problems)
def test_the_seed_decides_the_data_and_every_epoch_has_its_own(problem):
    data, again, other = load(**problem), load(**problem), load(**problem | {"seed": problem["seed"] ^ 1})
    assert same(TASK.epoch(data, 0), data.train)
    assert same(data.train, again.train)
    assert same(data.test, again.test)
    assert same(TASK.epoch(data, 3), TASK.epoch(again, 3))
    assert not same(data.train, other.train)
    assert not same(data.test, other.test)
    assert not same(TASK.epoch(data, 3), TASK.epoch(other, 3))
    assert not same(TASK.epoch(data, 1), data.train)
    assert TASK.epoch(data, 1).x.shape == data.train.x.shape
    assert not np.array_equal(data.test.y[:200], data.train.y)


def test_what_was_drawn_before_does_not_matter():
    data = load()
    third = TASK.epoch(data, 3)
    for number in (7, 1):
        TASK.epoch(data, number)
    assert same(TASK.epoch(data, 3), third)


def test_every_symbol_is_as_likely_as_the_others():
    counts = np.bincount(load(batch_size=64).train.y[:, -5:].ravel())
    assert counts.sum() == 32_000
    assert abs(counts - 4_000).max() < 300  # five standard deviations


@given(problems)
def test_whoever_copies_recalls_everything(problem):
    data = load(**problem)
    evaluation = TASK.evaluate(copying(problem["symbols"]), data)
    assert evaluation.metrics == pytest.approx({"recall": 1, "loss": 0, "loss_over_baseline": 0}, abs=1e-9)
    assert evaluation.series == {"recall_by_position": (1.0,) * problem["symbols"]}


@given(problems)
def test_without_memory_the_loss_is_that_of_the_baseline_and_recall_is_chance(problem):
    data = load(**problem)
    metrics = TASK.evaluate(memoryless(problem["symbols"]), data).metrics
    (baseline,) = TASK.baselines(data).values()
    assert baseline["recall"] == 0.125
    assert baseline["loss"] == pytest.approx(problem["symbols"] * log(8) / (problem["delay"] + 2 * problem["symbols"]))
    assert metrics["loss"] == pytest.approx(baseline["loss"])
    assert metrics["loss_over_baseline"] == pytest.approx(baseline["loss_over_baseline"]) == pytest.approx(1)
    assert metrics["recall"] == pytest.approx(0.125, abs=0.06)


def test_the_baseline_is_that_of_the_paper():
    assert TASK.baselines(load(symbols=10, delay=100))["memoryless"]["loss"] == pytest.approx(10 * log(8) / 120)


def test_recall_is_of_the_symbols_alone_and_by_their_positions():
    data = load()

    def forgets_the_first(x):
        logits = copying(5)(x)
        logits[:, -5] = 0
        logits[:, -5, BLANK] = 50
        return logits

    evaluation = TASK.evaluate(forgets_the_first, data)
    assert evaluation.metrics["recall"] == pytest.approx(0.8)
    assert evaluation.series == {"recall_by_position": (0, 1, 1, 1, 1)}

    def says_symbols_too_early(x):
        logits = copying(5)(x)
        logits[:, :-5] = 0
        return logits

    metrics = TASK.evaluate(says_symbols_too_early, data).metrics
    assert metrics["recall"] == 1
    assert metrics["loss"] == pytest.approx(log(9) * 25 / 30)


def test_a_loss_is_finite_however_sure_a_model_is():
    metrics = TASK.evaluate(lambda x: 1e6 * copying(5)(x), load()).metrics
    assert metrics["loss"] == 0


def test_an_evaluation_asks_once_and_always_for_the_same_shape():
    shapes = []

    def noting(x):
        shapes.append(x.shape)
        return copying(5)(x)

    data = load()
    for _ in range(2):
        TASK.evaluate(noting, data)
    assert shapes == [(1000, 30, 10)] * 2


@pytest.mark.parametrize("name", ["delay", "symbols"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "007", "1e2", "٣", "1" * 30])
def test_an_option_that_makes_no_sense_is_refused_in_one_line(name, value):
    with pytest.raises(LSTMBenchError) as caught:
        choose_tasks(PLUGINS, [f"copy[{name}={value}]"])
    largest = {"delay": 1000, "symbols": 100}[name]
    assert str(caught.value) == (
        f"option {name!r} of task 'copy' must be a whole number from 1 to {largest}; got {value!r}"
    )


@pytest.mark.parametrize(("name", "largest"), [("delay", 1000), ("symbols", 100)])
def test_the_largest_is_allowed_and_one_more_is_not(name, largest):
    (task,) = choose_tasks(PLUGINS, [f"copy[{name}={largest}]"])
    assert task.options[name] == largest
    with pytest.raises(LSTMBenchError, match=f"from 1 to {largest}; got '{largest + 1}'"):
        choose_tasks(PLUGINS, [f"copy[{name}={largest + 1}]"])


def test_the_length_of_its_sequences_is_the_delay():
    assert INFO.length == "delay"
    assert load(delay=3).train.x.shape[1] == 13


@pytest.mark.parametrize("batch_size", [1, 7])
def test_an_epoch_has_a_hundred_batches_whatever_their_size(batch_size):
    data = load(batch_size=batch_size)
    assert len(data.train.x) == len(TASK.epoch(data, 1).x) == 100 * batch_size
    assert len(data.test.x) == 1000
