from __future__ import annotations

import numpy as np
import pytest

from conformance import build, data_for
from lstm_bench import ModelSpec, Setting, TrainSpec, parameter_shapes
from lstm_bench.conformance.agreement import (
    TOLERANCES,
    InvalidOutput,
    compare_fresh,
    compare_trained,
    error_in_any_layout,
    expect,
    expect_parameters,
    fetched,
    logits_shape,
    relative_error,
    tolerances,
)
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import PRECISIONS

from lstm_bench_numpy._model import NumpyBackend  # isort: skip

SPEC = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=2)
TRAIN = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)


def build_numpy(precision="float64"):
    return build(NumpyBackend(), SPEC, TRAIN, precision)


def test_the_relative_error_is_that_of_the_norms():
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == pytest.approx(4 / 3)
    assert relative_error(np.array([0.5]), np.array([0.0])) == 0.5
    assert np.isnan(relative_error(np.array([np.nan]), np.array([1.0])))


def test_gradients_are_the_same_in_any_layout():
    kernel, bias = np.arange(1.0, 7.0).reshape(2, 3), np.array([-7.0, 8.0])
    one, other = ({"w": kernel, "b": bias}, [(bias[::-1], np.zeros(3)), kernel.T])
    one, other = (fetched(build_numpy(), nested) for nested in (one, other))
    assert [array.shape for array in other] == [(2,), (3,), (3, 2)]
    assert error_in_any_layout(one, other) == error_in_any_layout(other, one) == 0
    assert error_in_any_layout([2 * array for array in one], other) == pytest.approx(1)
    for wrong in (one[:1], [-array for array in one], [*one, bias], [array * np.nan for array in one]):
        assert not error_in_any_layout(wrong, other) < 0.5


def test_there_are_tolerances_for_every_precision():
    assert set(TOLERANCES) == set(PRECISIONS)


def test_more_is_allowed_only_where_cudnn_approximates():
    assert {(p, d) for p in PRECISIONS for d in ("cpu", "cuda:0") if tolerances(p, d) != TOLERANCES[p]} == {
        ("float32", "cuda:0")
    }
    assert tolerances("float32", "cuda:0")["forward"] < TOLERANCES["tf32"]["forward"] / 10


@pytest.mark.parametrize(
    ("array", "says"), [(np.zeros((2, 3)), "must have shape"), (np.array([[1.0, np.inf]]), "must be finite")]
)
def test_what_cannot_be_compared_is_named(array, says):
    with pytest.raises(InvalidOutput, match=f"logits {says}"):
        expect("logits", array, (1, 2))


def test_missing_and_superfluous_names_are_named():
    good = initial_parameters(SPEC, "uniform", 0)
    assert expect_parameters("gradients", good, parameter_shapes(SPEC)) is good
    renamed = {("dense.weight" if name == "head.weight" else name): array for name, array in good.items()}
    with pytest.raises(InvalidOutput, match=r"dense\.weight, head\.weight"):
        expect_parameters("gradients", renamed, parameter_shapes(SPEC))


def test_the_shape_of_logits_follows_the_readout():
    x = np.zeros((5, 7, 2))
    assert logits_shape(SPEC, x) == (5, 2)
    assert logits_shape(ModelSpec(input_size=2, hidden_sizes=(3,), output_size=2, readout="all"), x) == (5, 7, 2)


def test_a_model_agrees_with_itself_and_float32_only_within_float32s_bands():
    x, y, order = data_for(SPEC, TRAIN)
    same = compare_fresh(build_numpy, build_numpy, SPEC, TOLERANCES["float64"], x, y, order)
    assert set(same.errors.values()) == {0.0}
    assert same.disagreements == ()
    rounded = compare_fresh(lambda: build_numpy("float32"), build_numpy, SPEC, TOLERANCES["float32"], x, y, order)
    assert rounded.disagreements == ()
    held_to_float64 = compare_fresh(
        lambda: build_numpy("float32"), build_numpy, SPEC, TOLERANCES["float64"], x, y, order
    )
    assert set(held_to_float64.disagreements) == set(held_to_float64.tolerances)


def test_a_trained_model_is_held_against_its_own_parameters():
    x, y, order = data_for(SPEC, TRAIN)
    before = compare_fresh(build_numpy, build_numpy, SPEC, TOLERANCES["float64"], x, y, order)
    model = build_numpy()
    model.train(x, y, order)

    def rebuild(parameters):
        return NumpyBackend().build(SPEC, TRAIN, parameters, Setting("float64"), seed=0)

    after = compare_trained(model, rebuild, SPEC, TOLERANCES["float64"], x, before)
    assert after.errors == before.errors | {"logits after training": 0.0}
    coarse = compare_trained(model, rebuild, SPEC, tolerances("float32", "cuda:0"), x, before)
    assert coarse.tolerances["logits after training"] == tolerances("float32", "cpu")["update"] == 1e-4
    stale = compare_trained(model, lambda parameters: build_numpy(), SPEC, TOLERANCES["float64"], x, before)
    assert stale.disagreements == ("logits after training",)
