from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from conformance import RememberingReference
from lstm_bench import InvalidSpec, Setting
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.cases import KINDS, Case, Inputs, Weights, draw_case, problem_of, read_case, split_calls
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.shapes import COSTLIEST, MODELS, draw_shapes
from lstm_bench.model.flops import operations
from lstm_bench_numpy._batch_norm import DECAY, EPSILON, BatchNorm
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

PLUGINS = load_plugins([Path(__file__).parents[1] / "zoo" / "wrong_backends.py"])
REFERENCE = RememberingReference(NumpyBackend())


def compare(backend, number, precision="float64", seed=0):
    setting = Setting(precision)

    def build(case, problem):
        return backend.build(case.model, case.train, problem.parameters, setting, seed=0)

    return Comparison(draw_case(seed, number), build, REFERENCE, setting)


class Backend(NumpyBackend):
    """The NumPy backend with another class of model."""

    def __init__(self, model):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("animal", ["unchanged", "step-by-step", "textbook-adam"])
def test_a_right_backend_agrees_in_every_case(animal, precision):
    backend = PLUGINS.backend(animal).load()
    for number in range(60):
        found = compare(backend, number, precision).compared(number)
        assert found.agrees, (number, found)


class InOnePass(BatchNorm):
    """Computes the variance as the mean square minus the square of the mean, as Keras does on PyTorch."""

    def forward(self, x, *, remember):
        self._axes = tuple(range(x.ndim - 1))
        mean = x.mean(axis=self._axes)
        variance = (x * x).mean(axis=self._axes) - mean * mean
        self._deviation = np.sqrt(variance + x.dtype.type(EPSILON))
        self._normal = (x - mean) / self._deviation
        if remember:
            for running, new in ((self._mean, mean), (self._variance, variance)):
                running[...] = DECAY * running + (1 - DECAY) * new
        return self._weight * self._normal + self._bias


class TakesTheVarianceInOnePass(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        if self._batch_norm is not None:
            self._batch_norm = InOnePass(self._below("batch_norm"), *self._statistics.values())


def test_batch_norm_may_be_computed_in_any_order():
    numbers = [number for number in range(200) if draw_case(2000, number).model.batch_norm]
    assert len(numbers) > 50
    for number in numbers:
        found = compare(Backend(TakesTheVarianceInOnePass), number, "float32", seed=2000).compared(number)
        assert found.agrees, (number, found)


def test_float32_agrees_and_its_rounding_is_seen():
    worst = [compare(NumpyBackend(), n, "float32").compared(n).quantities["logits"] for n in range(10)]
    assert 0 < max(quantity.error for quantity in worst) < 1e-5
    assert 0.5 < max(quantity.ulps for quantity in worst) < 1000


@pytest.mark.parametrize(
    "animal",
    [
        "sums-over-the-batch",
        "trains-on-the-first-batch-only",
        "ignores-the-order",
        "never-trains-the-head",
        "puts-epsilon-in-the-root",
        "takes-a-large-epsilon",
        "leaves-out-bias-correction",
        "returns-the-loss-after-the-update",
        "infers-with-its-initial-weights",
        "infers-one-step-late",
        "rounds-weights-to-float16",
        "builds-only-once",
        "keeps-state-between-calls",
        "answers-nan",
        "squeezes-logits",
        "returns-one-loss",
        "renames-parameters",
        "transposes-gradients",
    ],
)
def test_a_wrong_backend_disagrees_within_thirty_cases_and_every_case_is_compared(animal):
    backend = PLUGINS.backend(animal).load()
    found = [compare(backend, number).compared(number) for number in range(30)]
    assert len(found) == 30
    assert not all(case.agrees for case in found)


class Raises(NumpyModel):
    def train(self, x, y, order):
        raise ZeroDivisionError("in train")


class RaisesInBold(NumpyModel):
    def train(self, x, y, order):
        raise TypeError("\x1b[1mnot\n this\x1b[0m\x00")


class ChangesItsInput(NumpyModel):
    def infer(self, x):
        logits = super().infer(x)
        x += 1
        return logits


class ChangesWhatItIsGiven(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        parameters["head.weight"][:] = 0


class WidensLogits(NumpyModel):
    def infer(self, x):
        return super().infer(x).astype(np.float64)


class KeepsState(NumpyModel):
    _kept = 0.0

    def infer(self, x):
        self._kept += 1.0
        return super().infer(x) * self._kept


class RenamesAGradient(NumpyModel):
    def gradients(self, x, y):
        loss, gradients = super().gradients(x, y)
        gradients.pop("head.weight")
        return loss, gradients | {"layers.0.kernel": np.zeros(1)}


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (Raises, "raised ZeroDivisionError: in train"),
        (RaisesInBold, "raised TypeError: not this\N{REPLACEMENT CHARACTER}"),
        (ChangesItsInput, "changes its inputs in place"),
        (ChangesWhatItIsGiven, "changes the arrays that it is given"),
        (WidensLogits, "logits: is float64, not float32"),
        (KeepsState, "keeps state between calls: asked again, its logits are others"),
        (RenamesAGradient, "gives no gradient of head.weight"),
        (RenamesAGradient, "gives gradient of layers.0.kernel, which there is not"),
    ],
)
def test_misbehaviour_is_named(model, fault):
    assert fault in compare(Backend(model), 0, "float32").compared(0).faults


def test_what_is_computed_before_something_raises_is_compared_all_the_same():
    found = compare(Backend(Raises), 0).compared(0)
    assert found.quantities["logits"].agrees
    assert found.quantities["dW_hh"].agrees
    assert "training losses" not in found.quantities


def test_a_case_reads_back_from_what_it_says():
    for number in range(40):
        case = draw_case(3, number)
        assert read_case(str(case)) == case


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"time": 3}', str(draw_case(0, 0)).replace('"time":', '"tide":')])
def test_what_is_no_case_is_refused(text):
    with pytest.raises(InvalidSpec, match="cannot read the case"):
        read_case(text)


def test_cases_are_the_same_every_time_and_cover_the_specification():
    cases = [draw_case(0, number) for number in range(200)]
    assert cases == [draw_case(0, number) for number in range(200)]
    choices = {
        "cell": ["lstm", "gru", "rnn"],
        "layers": [1, 2, 3],
        "bidirectional": [False, True],
        "bias": [False, True],
        "batch norm": [False, True],
        "readout": ["last", "all"],
        "loss": ["mse", "cross_entropy"],
        "optimizer": ["sgd", "momentum", "rmsprop", "adam"],
        "learning rate": [1e-3, 1e-2],
        "clip norm": [None, 0.05, 1e3],
        "from zeros": [False, True],
    }
    chosen = [
        (
            case.model.cell,
            len(case.model.hidden_sizes),
            case.model.bidirectional,
            case.model.bias,
            case.model.batch_norm,
            case.model.readout,
            case.train.loss,
            "momentum" if case.train.momentum else case.train.optimizer,
            case.train.learning_rate,
            case.train.clip_norm,
            case.time % 2 == 0,
        )
        for case in cases[:MODELS]
    ]
    for (a, of_a), (b, of_b) in combinations(enumerate(choices.values()), 2):
        missing = set(product(of_a, of_b)) - {(row[a], row[b]) for row in chosen}
        assert missing == set(), f"no case has these {list(choices)[a]} and {list(choices)[b]}"
    assert {(case.weights, case.inputs) for case in cases} == set(product(get_args(Weights), get_args(Inputs)))
    assert set(KINDS) == set(product(set(get_args(Weights)) - {"lasting"}, get_args(Inputs)))
    shapes = {(case.model, case.train, case.time) for case in cases}
    assert len(shapes) == MODELS, "compiled once for all kinds of numbers"
    assert len({case.seed for case in cases}) == 200
    assert draw_case(0, MODELS * len(KINDS)).model != cases[0].model, "and then other models come"


def test_cases_reach_sizes_at_which_kernels_change_and_long_sequences_and_their_cost_is_bounded():
    for seed in range(4):
        cases = [draw_case(seed, number) for number in range(MODELS)]
        assert all(max(case.model.hidden_sizes) <= 6 and case.time <= 8 for case in (*cases[:3], *cases[9:]))
        assert all(min(case.model.hidden_sizes) >= 15 for case in cases[6:9])
        assert all(91 <= case.time <= 100 and case.weights == "lasting" for case in cases[3:6])
        for case in cases:
            assert operations(case.model, "gradient", batch=case.train.batch_size, time=case.time) <= COSTLIEST
            assert case.model.output_size > 1 or case.train.loss != "cross_entropy", "all gradients would be zero"
    shapes = [shape for seed in range(4) for shape in draw_shapes(seed, 0)[3:9]]
    assert {15, 16, 17, 31, 32, 33, 64, 128} <= {hidden for shape in shapes for hidden in shape.model.hidden_sizes}
    assert {1, 2, 7, 8, 16, 32} <= {shape.train.batch_size for shape in shapes}


def test_a_native_order_repeats_itself_a_batch_and_a_sequence():
    problem = problem_of(draw_case(0, 0))
    first, second, again, last = split_calls(problem.order)
    assert len(first) == 1
    np.testing.assert_array_equal(second, again)
    np.testing.assert_array_equal(last[0], last[1])
    assert len(np.unique(last[2])) == last.shape[1] - 1


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_lasting_weights_remember_the_first_step_to_the_last(cell):
    case = next(case for number in range(6) if (case := draw_case(0, number)).time > 90 and case.model.cell == cell)
    last = Case(
        model=msgspec.structs.replace(case.model, readout="last"), train=case.train, time=case.time, weights="lasting"
    )
    model, problem = REFERENCE.build(last, problem_of(last).parameters), problem_of(last)
    gradient = model.input_gradient(problem.x[: case.train.batch_size], problem.y[: case.train.batch_size])
    assert np.linalg.norm(gradient[:, 0]) > 0.1 * np.linalg.norm(gradient[:, -1])


def test_a_perturbed_problem_is_off_by_its_last_place_only():
    problem = problem_of(draw_case(0, 0))
    for then, now in ((problem.x, problem.perturbed(2.0**-24).x),):
        assert 0 < np.max(abs(now - then) / abs(then)) <= 2.0**-24


def test_a_case_has_no_dropout():
    case = draw_case(0, 0)
    with pytest.raises(InvalidSpec, match="without dropout"):
        Case(
            model=type(case.model)(input_size=1, hidden_sizes=(1,), output_size=1, dropout=0.5),
            train=case.train,
            time=1,
        )


def test_the_reference_says_when_it_is_the_one_that_fails():
    class Refuses(NumpyBackend):
        def build(self, *args, **kwargs):
            raise ValueError("no")

    with pytest.raises(RuntimeError, match="the reference fails in"):
        Reference(Refuses()).observe(draw_case(0, 0), problem_of(draw_case(0, 0)))
