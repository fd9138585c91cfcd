from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from builders import a_configuration, a_model, a_recipe, a_training, recipes
from lstm_bench.record.configuration import EFFORTS, Configuration

OTHER = {
    "task": "copy",
    "task_options": {"delay": "50"},
    "recipe": a_recipe("other"),
    "epochs": 30,
    "backend": "numpy",
    "backend_options": {"engine": "jax"},
    "device": "cuda:0",
    "precision": "tf32",
    "threads": 1,
    "seed": 1,
    "effort": EFFORTS["quick"],
    "steps": 10,
    "changes": {"cell": "gru"},
    "require_kernel": "onednn",
    "task_defaults": {"delay": "1"},
    "backend_defaults": {"engine": "jax"},
}


def test_a_fingerprint_is_64_hexadecimal_digits():
    assert len(a_configuration().fingerprint) == 64
    assert int(a_configuration().fingerprint, 16) > 0


def test_equal_configurations_have_equal_fingerprints_in_whatever_order_options_come():
    ab, ba = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    one, other = (a_configuration(task_options=options, backend_options=options) for options in (ab, ba))
    assert one == other
    assert one.fingerprint == other.fingerprint


def test_every_field_of_a_configuration_is_tried_here():
    assert set(OTHER) == set(Configuration.__struct_fields__)


@pytest.mark.parametrize("field", OTHER)
def test_a_configuration_that_differs_in_any_field_has_another_fingerprint(field):
    assert a_configuration(**{field: OTHER[field]}).fingerprint != a_configuration().fingerprint


@pytest.mark.parametrize(
    "recipe",
    [
        a_recipe(model=a_model(hidden_sizes=(100, 100))),
        a_recipe(model=a_model(readout="all")),
        a_recipe(train=a_training(learning_rate=0.25)),
        a_recipe(train=a_training(clip_norm=1.0)),
        a_recipe(initialisation="glorot"),
        a_recipe(shuffle=True),
    ],
)
def test_a_recipe_that_keeps_its_name_but_computes_otherwise_has_another_fingerprint(recipe):
    assert a_configuration(recipe=recipe).fingerprint != a_configuration().fingerprint


@given(recipes)
def test_a_configuration_keeps_its_fingerprint_through_json(recipe):
    configuration = a_configuration(recipe=recipe)
    again = msgspec.json.decode(msgspec.json.encode(configuration), type=Configuration)
    assert again.fingerprint == configuration.fingerprint


@pytest.mark.parametrize(
    "recipe",
    [a_recipe(train=a_training(learning_rate=1)), a_recipe(model=a_model(dropout=0))],
    ids=["rate 1", "drop 0"],
)
def test_a_whole_number_where_a_float_belongs_does_not_change_the_fingerprint(recipe):
    configuration = a_configuration(recipe=recipe)
    again = msgspec.json.decode(msgspec.json.encode(configuration), type=Configuration)
    assert again == configuration
    assert again.fingerprint == configuration.fingerprint


@pytest.mark.parametrize(
    ("options", "task", "backend"),
    [
        ({}, "flights:tutorial", "torch"),
        ({"delay": "50"}, "flights:tutorial[delay=50]", "torch[delay=50]"),
        ({"a": "1", "b": "2"}, "flights:tutorial[a=1,b=2]", "torch[a=1,b=2]"),
    ],
)
def test_selectors_are_what_a_user_would_write(options, task, backend):
    configuration = a_configuration(task_options=options, backend_options=options)
    assert configuration.task_selector == task
    assert configuration.backend_selector == backend
    assert configuration.name == f"{backend} on {task} (cpu, float32)"


def test_names_leave_out_what_is_usual():
    options = {"engine": "jax", "jit": "auto"}
    configuration = a_configuration(
        backend="keras", backend_options=options, backend_defaults={"engine": "tensorflow", "jit": "auto"}
    )
    assert configuration.backend_selector == "keras[engine=jax]"
    assert (
        a_configuration(backend="keras", backend_options=options, backend_defaults=options).backend_selector == "keras"
    )


def test_a_configuration_counts_the_parameters_of_its_model():
    assert a_configuration().parameter_count == 40_901


def test_efforts_go_by_their_names_and_take_longer_from_one_to_the_next():
    assert list(EFFORTS) == [effort.name for effort in EFFORTS.values()] == ["quick", "default", "rigorous"]
    durations = [effort.blocks * effort.block_seconds for effort in EFFORTS.values()]
    assert durations == sorted(set(durations))
    assert [effort.epoch_fraction for effort in EFFORTS.values()] == [0.1, 1.0, 1.0]
