import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_model, a_recipe, a_training, models, recipes, trainings
from lstm_bench import InvalidSpec, ModelSpec, Recipe, TrainSpec
from lstm_bench.model.spec import LARGEST_SIZE, PRECISIONS

NAN, INF = math.nan, math.inf
NO_SIZE = [0, -1, True, False, 1.0, 2.5, "1", None, NAN, LARGEST_SIZE + 1, (1,)]
NO_FLAG = [0, 1, None, "yes", "True"]

NONSENSE = {
    a_model: {
        "input_size": NO_SIZE,
        "output_size": NO_SIZE,
        "hidden_sizes": [(), (0,), (3, 0), (-3,), (True,), (2.5,), ("3",), (None,), [3], 3, "3", None, ((3,),)],
        "cell": ["LSTM", "", None, 1, "lstm ", ["lstm"]],
        "bidirectional": NO_FLAG,
        "bias": NO_FLAG,
        "batch_norm": NO_FLAG,
        "dropout": [1.5, 1.0, 1, -0.1, NAN, INF, True, False, "0.1", None],
        "readout": ["first", "", None, 0],
    },
    a_training: {
        "loss": ["mae", "MSE", "", None],
        "optimizer": ["adamw", "Adam", "", None],
        "learning_rate": [0, 0.0, -1e-3, INF, -INF, NAN, True, "0.1", None, 1j],
        "batch_size": NO_SIZE,
        "momentum": [1, 1.0, 1.5, -0.1, NAN, INF, True, "0.9", None],
        "clip_norm": [0, 0.0, -1, INF, NAN, True, "1"],
    },
    a_recipe: {
        "model": [None, {"input_size": 1}, a_training()],
        "train": [None, {}, a_model()],
        "epochs": NO_SIZE[1:],
        "initialisation": ["zeros", "Glorot", "", None],
        "forget_bias": [NAN, INF, True, "1"],
        "shuffle": NO_FLAG,
        "validation": [-0.1, 1, 1.0, NAN, INF, True, "0.1", None],
        "patience": [*(size for size in NO_SIZE if size is not None), 3],  # patience is refused without validation
        "minimum_gain": [-1e-9, NAN, INF, True, "0", None],
        "evaluate_every": [size for size in NO_SIZE if size is not None],
        "target": [NAN, INF, True, "0.9", 0.9],  # a target is refused without evaluations
        "scopes": [(), ("train", "train"), ("backward",), ["train"], "train", None, (None,)],
    },
}
CASES = [(build, field, value) for build, fields in NONSENSE.items() for field in fields for value in fields[field]]
IDS = [f"{field}={value!r}"[:60] for _, field, value in CASES]


def as_json(value):
    """The value as JSON writes it, or None if JSON cannot write it."""
    try:
        text = json.dumps(value, allow_nan=False, default=msgspec.to_builtins)
    except (TypeError, ValueError):
        return None
    return None if isinstance(value, list) else text  # a list is how JSON writes a tuple


@pytest.mark.parametrize(("build", "field", "value"), CASES, ids=IDS)
def test_nonsense_is_refused_naming_the_field_and_the_value(build, field, value):
    with pytest.raises(InvalidSpec) as caught:
        build(**{field: value})
    assert f"{type(build()).__name__}.{field} must be " in str(caught.value)
    assert f"got {value!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("build", "field", "value"),
    [case for case in CASES if as_json(case[2])],
    ids=[id_ for case, id_ in zip(CASES, IDS, strict=True) if as_json(case[2])],
)
def test_nonsense_is_refused_in_json_too_naming_the_field(build, field, value):
    valid = build()
    text = json.dumps(msgspec.to_builtins(valid) | {field: json.loads(as_json(value))})
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.json.decode(text, type=type(valid))


@pytest.mark.parametrize(
    ("build", "field"), [(a_model, "dropout"), (a_training, "learning_rate"), (a_training, "clip_norm")]
)
def test_a_number_beyond_all_floats_is_refused_like_other_nonsense(build, field):
    with pytest.raises(InvalidSpec, match=field):
        build(**{field: 10**400})


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_momentum_is_refused_where_the_optimizer_has_none(optimizer):
    with pytest.raises(InvalidSpec, match=rf"TrainSpec\.momentum must be 0 with optimizer '{optimizer}'; got 0\.9"):
        a_training(optimizer=optimizer, momentum=0.9)


@pytest.mark.parametrize("build", [a_model, a_training, a_recipe])
def test_an_unknown_field_is_refused_by_name(build):
    with pytest.raises(TypeError, match="colour"):
        build(colour="red")
    text = json.dumps(msgspec.to_builtins(build()) | {"colour": "red"})
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(text, type=type(build()))


@pytest.mark.parametrize(
    ("kind", "field"), [(ModelSpec, "input_size"), (TrainSpec, "loss"), (Recipe, "name"), (Recipe, "epochs")]
)
def test_what_has_no_default_must_be_given(kind, field):
    valid = {ModelSpec: a_model, TrainSpec: a_training, Recipe: a_recipe}[kind]()
    fields = {name: getattr(valid, name) for name in valid.__struct_fields__ if name != field}
    with pytest.raises(TypeError, match=field):
        kind(**fields)


def test_fields_are_given_by_name_only():
    with pytest.raises(TypeError, match="positional"):
        ModelSpec(1, (100,), 1)


@pytest.mark.parametrize("spec", [a_model(), a_training(), a_recipe()], ids=lambda spec: type(spec).__name__)
def test_a_spec_cannot_be_changed(spec):
    for field in spec.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(spec, field, getattr(spec, field))


@pytest.mark.parametrize(
    ("build", "changes"),
    [
        (a_model, {"input_size": LARGEST_SIZE, "output_size": LARGEST_SIZE, "hidden_sizes": (LARGEST_SIZE,)}),
        (a_model, {"dropout": 0}),
        (a_model, {"dropout": 0.999}),
        (a_training, {"learning_rate": 5e-324}),
        (a_training, {"learning_rate": 1}),
        (a_training, {"momentum": 0.999}),
        (a_training, {"momentum": 0, "optimizer": "adam"}),
        (a_training, {"clip_norm": None}),
        (a_training, {"clip_norm": 1}),
    ],
)
def test_the_outermost_sensible_values_are_accepted(build, changes):
    spec = build(**changes)
    assert {field: getattr(spec, field) for field in changes} == changes


@given(st.one_of(models, trainings, recipes))
def test_every_spec_comes_back_from_json_as_it_was(spec):
    assert msgspec.json.decode(msgspec.json.encode(spec), type=type(spec)) == spec


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.lists(st.integers() | st.floats(), max_size=2).map(tuple),
)


@given(st.sampled_from([(build, field) for build in (a_model, a_training) for field in NONSENSE[build]]), anything)
def test_whatever_is_accepted_can_be_written_and_read_again(where, value):
    build, field = where
    try:
        spec = build(**{field: value})
    except InvalidSpec:
        return
    again = msgspec.json.decode(msgspec.json.encode(spec), type=type(spec))
    assert again == spec


@given(models)
def test_layers_read_what_the_layer_below_puts_out(spec):
    directions = 2 if spec.bidirectional else 1
    assert len(spec.directions) == directions
    assert spec.layer_input_size(0) == spec.input_size
    for layer in range(1, len(spec.hidden_sizes)):
        assert spec.layer_input_size(layer) == directions * spec.hidden_sizes[layer - 1]
    assert spec.readout_size == directions * spec.hidden_sizes[-1]


def test_equal_specs_are_equal_and_hash_alike():
    assert a_recipe() == a_recipe()
    assert hash(a_recipe()) == hash(a_recipe())
    assert a_recipe() != a_recipe(epochs=1)


def test_float32_and_tf32_are_two_precisions():
    assert PRECISIONS == ("float64", "float32", "tf32", "bfloat16")
