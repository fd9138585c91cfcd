import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_model, models
from lstm_bench import InvalidSpec, parameter_count, parameter_shapes
from lstm_bench.model.parameters import initial_parameters, named_generator, state_shapes

SMALL = {"input_size": 3, "hidden_sizes": (5, 4), "output_size": 2}
SCHEMES = ["uniform", "glorot"]


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        pytest.param((1, (100,), 1), 40_901, id="1-100-1"),
        pytest.param((28, (75,), 10), 31_960, id="28-75-10"),
        pytest.param((1, (1,), 1), 14, id="1-1-1"),
    ],
)
def test_known_networks_have_the_known_number_of_parameters(sizes, count):
    inputs, hidden, outputs = sizes
    assert parameter_count(a_model(input_size=inputs, hidden_sizes=hidden, output_size=outputs)) == count


@given(models)
def test_an_lstm_has_as_many_parameters_as_the_formula_says(spec):
    spec = msgspec.structs.replace(spec, cell="lstm", bias=True, batch_norm=False)
    expected = spec.output_size * (spec.readout_size + 1)
    for layer, H in enumerate(spec.hidden_sizes):
        I = spec.layer_input_size(layer)  # noqa: E741
        expected += (2 if spec.bidirectional else 1) * 4 * (H * (H + I) + H)
    assert parameter_count(spec) == expected


LSTM = {
    "layers.0.forward.weight_ih": (20, 3),
    "layers.0.forward.weight_hh": (20, 5),
    "layers.0.forward.bias": (20,),
    "layers.1.forward.weight_ih": (16, 5),
    "layers.1.forward.weight_hh": (16, 4),
    "layers.1.forward.bias": (16,),
    "head.weight": (2, 4),
    "head.bias": (2,),
}


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        pytest.param({}, LSTM, id="lstm"),
        pytest.param({"readout": "all", "dropout": 0.5}, LSTM, id="readout and dropout have none"),
        pytest.param({"bias": False}, {n: s for n, s in LSTM.items() if "bias" not in n}, id="no bias"),
        pytest.param(
            {"hidden_sizes": (5,), "cell": "gru"},
            {
                "layers.0.forward.weight_ih": (15, 3),
                "layers.0.forward.weight_hh": (15, 5),
                "layers.0.forward.bias": (15,),
                "layers.0.forward.bias_hn": (5,),
                "head.weight": (2, 5),
                "head.bias": (2,),
            },
            id="gru",
        ),
        pytest.param(
            {"hidden_sizes": (5,), "cell": "gru", "bias": False},
            {"layers.0.forward.weight_ih": (15, 3), "layers.0.forward.weight_hh": (15, 5), "head.weight": (2, 5)},
            id="gru without bias",
        ),
        pytest.param(
            {"hidden_sizes": (5,), "cell": "rnn"},
            {
                "layers.0.forward.weight_ih": (5, 3),
                "layers.0.forward.weight_hh": (5, 5),
                "layers.0.forward.bias": (5,),
                "head.weight": (2, 5),
                "head.bias": (2,),
            },
            id="rnn",
        ),
        pytest.param(
            {"bidirectional": True, "batch_norm": True, "bias": False},
            {
                "layers.0.forward.weight_ih": (20, 3),
                "layers.0.forward.weight_hh": (20, 5),
                "layers.0.backward.weight_ih": (20, 3),
                "layers.0.backward.weight_hh": (20, 5),
                "layers.1.forward.weight_ih": (16, 10),
                "layers.1.forward.weight_hh": (16, 4),
                "layers.1.backward.weight_ih": (16, 10),
                "layers.1.backward.weight_hh": (16, 4),
                "batch_norm.weight": (8,),
                "batch_norm.bias": (8,),
                "head.weight": (2, 8),
            },
            id="bidirectional with batch norm",
        ),
    ],
)
def test_parameters_have_these_names_and_shapes_in_this_order(changes, shapes):
    assert list(parameter_shapes(a_model(**SMALL | changes)).items()) == list(shapes.items())


@given(models, st.sampled_from(SCHEMES))
@settings(max_examples=50)
def test_initial_parameters_have_the_canonical_names_shapes_and_order(spec, scheme):
    drawn = initial_parameters(spec, scheme, seed=1)
    assert [(name, array.shape) for name, array in drawn.items()] == list(state_shapes(spec).items())
    assert all(array.dtype == np.float64 and np.isfinite(array).all() for array in drawn.values())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_gives_the_same_arrays_each_time_and_another_seed_gives_others(scheme):
    spec = a_model(**SMALL)
    first, again, other = (initial_parameters(spec, scheme, seed) for seed in (7, 7, 8))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        if "weight" in name:
            assert (first[name] != other[name]).all(), f"{name} is the same under another seed"


def test_uniform_gives_the_bits_that_it_always_gave():
    drawn = initial_parameters(a_model(hidden_sizes=(2,)), "uniform", seed=0)
    assert drawn["head.bias"].tolist() == [0.5610749283189613]
    assert drawn["head.weight"].tolist() == [[-0.19779717531440344, -0.44443838584669487]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_more_layer_changes_no_other_parameter(scheme):
    one, two = (initial_parameters(a_model(hidden_sizes=sizes), scheme, seed=3) for sizes in ((5,), (5, 5)))
    assert set(one) < set(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_two_weights_of_one_shape_are_drawn_alike(scheme):
    spec = a_model(input_size=4, hidden_sizes=(4, 4), output_size=16)
    drawn = initial_parameters(spec, scheme, seed=0)
    names = [name for name, array in drawn.items() if array.shape == (16, 4)]
    assert len(names) == 5
    for i, name in enumerate(names):
        for other in names[:i]:
            assert (drawn[name] != drawn[other]).all(), f"{name} equals {other}"


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_uniform_fills_what_the_hidden_size_allows_and_no_more(cell):
    spec = a_model(input_size=300, hidden_sizes=(100, 25), output_size=40, cell=cell, bidirectional=True)
    for name, array in initial_parameters(spec, "uniform", seed=0).items():
        bound = {"0": 0.1, "1": 0.2}.get(name.split(".")[1], 50**-0.5)
        largest = np.abs(array).max()
        assert 0.9 * bound < largest <= bound, f"{name} reaches {largest}, the bound is {bound}"
        assert array.min() < 0 < array.max()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_glorot_draws_recurrent_weights_with_orthonormal_columns(cell):
    spec = a_model(hidden_sizes=(6, 5), cell=cell, bidirectional=True)
    drawn = initial_parameters(spec, "glorot", seed=0)
    recurrent = {name: array for name, array in drawn.items() if name.endswith("weight_hh")}
    assert len(recurrent) == 4
    for name, array in recurrent.items():
        np.testing.assert_allclose(array.T @ array, np.eye(array.shape[1]), atol=1e-14, err_msg=name)


def test_glorot_draws_orthogonal_matrices_of_either_sign():
    spec = a_model(hidden_sizes=(1,), cell="rnn")
    drawn = {initial_parameters(spec, "glorot", seed)["layers.0.forward.weight_hh"].item() for seed in range(20)}
    assert drawn == {-1.0, 1.0}


def test_glorot_draws_the_other_weights_within_their_bounds():
    spec = a_model(input_size=30, hidden_sizes=(40,), output_size=20)
    drawn = initial_parameters(spec, "glorot", seed=0)
    for name, fans in {"layers.0.forward.weight_ih": 30 + 4 * 40, "head.weight": 40 + 20}.items():
        bound, largest = (6 / fans) ** 0.5, np.abs(drawn[name]).max()
        assert 0.95 * bound < largest <= bound, f"{name} reaches {largest}, the bound is {bound}"


def test_glorot_leaves_biases_at_zero_but_for_ones_in_the_forget_gate():
    spec = a_model(hidden_sizes=(3, 2), bidirectional=True, output_size=9)
    drawn = initial_parameters(spec, "glorot", seed=0)
    for direction in ("forward", "backward"):
        assert drawn[f"layers.0.{direction}.bias"].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
        assert drawn[f"layers.1.{direction}.bias"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert not drawn["head.bias"].any()


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_glorot_leaves_all_biases_of_cells_without_a_forget_gate_at_zero(cell):
    drawn = initial_parameters(a_model(hidden_sizes=(3,), cell=cell), "glorot", seed=0)
    biases = [name for name in drawn if "bias" in name]
    assert len(biases) == (3 if cell == "gru" else 2)
    assert not any(drawn[name].any() for name in biases)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_batch_norm_begins_as_the_identity(scheme):
    drawn = initial_parameters(a_model(hidden_sizes=(3,), batch_norm=True), scheme, seed=0)
    assert drawn["batch_norm.weight"].tolist() == [1, 1, 1]
    assert drawn["batch_norm.bias"].tolist() == [0, 0, 0]


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InvalidSpec, match=r"uniform or glorot; got 'xavier'"):
        initial_parameters(a_model(), "xavier", seed=0)


def test_generators_depend_on_the_seed_and_on_every_part_of_the_name():
    keys = [(0, "a", "b"), (0, "a", "c"), (0, "b", "b"), (1, "a", "b"), (0, "a"), (2**63 - 1, "a", "b")]
    first = [named_generator(seed, *name).integers(2**63) for seed, *name in keys]
    assert first == [named_generator(seed, *name).integers(2**63) for seed, *name in keys]
    assert len(set(first)) == len(keys)


@pytest.mark.parametrize("scheme", ["uniform", "glorot"])
def test_the_forget_gates_biases_can_begin_as_a_recipe_says_and_nothing_else_changes(scheme):
    spec = a_model(hidden_sizes=(3, 2), bidirectional=True)
    usual, changed = (initial_parameters(spec, scheme, 5, forget_bias) for forget_bias in (None, 2.5))
    for name, array in changed.items():
        expected = usual[name].copy()
        if name.startswith("layers.") and name.endswith(".bias"):
            hidden = len(expected) // 4
            expected[hidden : 2 * hidden] = 2.5
        assert np.array_equal(array, expected), name


def test_cells_without_a_forget_gate_are_as_they_were():
    for cell in ("gru", "rnn"):
        spec = a_model(hidden_sizes=(4,), cell=cell)
        usual, changed = (initial_parameters(spec, "uniform", 5, forget_bias) for forget_bias in (None, 2.5))
        assert all(np.array_equal(usual[name], changed[name]) for name in usual)
