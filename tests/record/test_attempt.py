import gc
import math
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    a_configuration,
    a_failure,
    a_machine,
    a_model,
    a_recipe,
    a_timing,
    a_training,
    an_attempt,
    recipes,
    some_findings,
)
from lstm_bench.record.attempt import Agreement, Attempt, Machine
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


@pytest.mark.parametrize(
    "record", [an_attempt(), a_configuration(), some_findings(), a_timing()], ids=lambda r: type(r).__name__
)
def test_the_garbage_collector_does_not_look_at_records(record):
    assert not gc.is_tracked(record)


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


@pytest.mark.parametrize(
    ("block_ns", "seconds"),
    [
        pytest.param((3_000_000,), 3e-4, id="one block"),
        pytest.param((1_000_000, 9_000_000, 2_000_000), 2e-4, id="odd, unordered"),
        pytest.param((1_000_000, 2_000_000, 4_000_000, 9_000_000), 3e-4, id="even"),
        pytest.param((1_000_000, 1_000_000, 10**15), 1e-4, id="one outlier changes nothing"),
    ],
)
def test_a_step_takes_the_median_block_divided_by_its_steps(block_ns, seconds):
    timing = a_timing(steps_per_block=10, batch_size=6, block_ns=block_ns, warmup_ns=(10**15,))
    assert timing.seconds_per_step == pytest.approx(seconds, rel=1e-12)
    assert timing.sequences_per_second == pytest.approx(6 / seconds, rel=1e-12)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=9), st.integers(1, 999), st.integers(1, 999))
def test_throughput_times_time_is_the_batch(block_ns, steps, batch):
    timing = a_timing(steps_per_block=steps, batch_size=batch, block_ns=tuple(block_ns))
    assert timing.sequences_per_second * timing.seconds_per_step == pytest.approx(batch)
    assert timing.seconds_per_step == pytest.approx(statistics.median(block_ns) / steps / 1e9)


@pytest.mark.parametrize(
    ("error", "passes"),
    [(0.0, True), (1e-6, True), (1e-5, True)]
    + [(error, False) for error in (1.0001e-5, 1.0, None, math.nan, math.inf)],
)
def test_an_error_passes_up_to_its_tolerance_and_one_that_is_not_finite_never(error, passes):
    agreement = Agreement(errors={"logits": 0.0, "loss": error}, tolerances={"logits": 1e-5, "loss": 1e-5}, worst={})
    assert agreement.disagreements == (() if passes else ("loss",))


def test_all_disagreements_are_named_in_order():
    errors = {"a": 2.0, "b": 0.0, "c": None}
    assert Agreement(errors=errors, tolerances=dict.fromkeys("abc", 1.0), worst={}).disagreements == ("a", "c")


@pytest.mark.parametrize("attempt", [an_attempt(), a_failure()], ids=["ok", "failed"])
def test_an_attempt_comes_back_from_json_as_it_was(attempt):
    assert msgspec.json.decode(msgspec.json.encode(attempt), type=Attempt) == attempt


def test_numbers_that_json_does_not_have_come_back_as_none():
    errors = {"logits": math.nan, "loss": math.inf}
    agreement = Agreement(errors=errors, tolerances={"logits": 1.0, "loss": 1.0}, worst={})
    again = msgspec.json.decode(msgspec.json.encode(agreement), type=Agreement)
    assert again.errors == {"logits": None, "loss": None}
    assert again.disagreements == agreement.disagreements == ("logits", "loss")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"cores": "2"}, r"\$\.cores"), ({"cores": None}, r"\$\.cores"), ({"owner": "me"}, "owner")],
)
def test_a_record_is_checked_when_it_is_read(changes, message):
    text = msgspec.json.encode(msgspec.to_builtins(a_machine()) | changes)
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=Machine)


def test_an_attempt_cannot_be_changed():
    with pytest.raises(AttributeError):
        an_attempt().status = "crashed"
    with pytest.raises(AttributeError):
        a_configuration().seed = 1
