from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from builders import a_configuration
from lstm_bench import ModelSpec
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.precision import affordable, coarsest, difference
from lstm_bench.conformance.rounding import SEEN, SIGNIFICANDS, UNSEEN, moved, rounded
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import PRECISIONS
from lstm_bench.record.attempt import Findings
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob
from lstm_bench_numpy._model import NumpyBackend
from precisions import observe

ZOO = Path(__file__).parents[1] / "zoo" / "rounding_backends.py"
PLUGINS = load_plugins([ZOO])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)
CELLS = ["lstm", "gru", "rnn"]
LAYERS = [(2,), (3,), (100,), (5, 3)]


def a_spec(**changes):
    return ModelSpec(**{"input_size": 1, "hidden_sizes": (5,), "output_size": 1} | changes)


def rounding(name):
    return PLUGINS.backend(name).load()


def split(found):
    """The precisions of products with recurrent weights, and those of all other products."""
    recurrent = {precision for name, precision in found.items() if name.endswith("weight_hh")}
    return recurrent, {precision for name, precision in found.items() if not name.endswith("weight_hh")}


@pytest.mark.parametrize("bits", SIGNIFICANDS.values())
def test_a_format_loses_a_move_by_less_than_half_a_step_and_the_next_one_has_it_exactly(bits):
    numbers = rounded(np.append(np.random.default_rng(0).standard_normal(1000), [0.0, 1.0, -2.0]), bits)
    unseen = moved(numbers, bits, UNSEEN)
    np.testing.assert_array_equal(rounded(unseen, bits), numbers)
    np.testing.assert_array_equal(rounded(unseen, bits + 3), unseen)
    assert np.all((np.abs(unseen) > np.abs(numbers)) | (numbers == 0))
    assert np.all((rounded(moved(numbers, bits, SEEN), bits) != numbers) | (numbers == 0))


def test_float32_is_rounded_to_as_numpy_does():
    numbers = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_array_equal(rounded(numbers, SIGNIFICANDS["float32"]), numbers.astype(np.float32))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("layers", LAYERS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_what_computes_in_ieee_arithmetic_is_seen_as_that_in_every_product(cell, layers, precision):
    spec = a_spec(cell=cell, hidden_sizes=layers, bidirectional=True)
    found = observe(NumpyBackend(), spec, precision)
    assert set(found.values()) == {precision}
    assert set(found) == {name for name in initial_parameters(spec, "uniform", 0) if name.split(".")[-1][0] == "w"}


@pytest.mark.parametrize("layers", LAYERS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("name", "asked", "observed"),
    [
        ("recurrent-tf32", "float32", "tf32"),
        ("recurrent-truncated-tf32", "float32", "tf32"),
        ("recurrent-bfloat16", "float32", "bfloat16"),
        ("recurrent-float32", "float64", "float32"),
    ],
)
def test_recurrent_products_that_are_coarser_are_told_apart(name, asked, observed, cell, layers):
    spec = a_spec(cell=cell, hidden_sizes=layers, bidirectional=layers == (5, 3))
    found = observe(rounding(name), spec, asked)
    assert split(found) == ({observed}, {asked})
    assert coarsest(found) == observed


@pytest.mark.parametrize("layers", [(2,), (5,), (100,), (5, 5)], ids=str)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["tf32", "bfloat16"])
def test_where_all_products_are_coarse_they_are_seen_through_each_other(name, cell, layers):
    found = observe(rounding(f"all-{name}"), a_spec(cell=cell, hidden_sizes=layers), "float32")
    assert set(found.values()) == {name}


def test_one_layer_that_is_coarser_than_the_others_is_named():
    found = observe(rounding("upper-layer-tf32"), a_spec(hidden_sizes=(5, 5)), "float32")
    assert {name for name, precision in found.items() if precision != "float32"} == {"layers.1.forward.weight_hh"}


ROUNDED_ACTIVATIONS = {
    "states": lambda name: name.endswith("weight_hh"),
    "upper-states": lambda name: name.startswith("layers.1.") and name.endswith("weight_hh"),
    "sequences": lambda name: name.startswith("layers.0.") and name.endswith("weight_ih"),
    "layer-outputs": lambda name: name.startswith("layers.1.") and name.endswith("weight_ih"),
    "readout": lambda name: name == "head.weight",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_sizes": (30, 20), "bias": False},
        {"hidden_sizes": (20, 7, 30), "bidirectional": True, "readout": "all", "batch_norm": True, "input_size": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("how", "asked"),
    [("tf32", "float32"), ("truncated-tf32", "float32"), ("bfloat16", "float32"), ("float32", "float64")],
)
@pytest.mark.parametrize("what", ROUNDED_ACTIVATIONS)
def test_activations_that_are_rounded_are_seen_though_weights_are_not(what, how, asked, cell, changes):
    found = observe(rounding(f"{what}-{how}"), a_spec(cell=cell, **changes), asked, steps=4)
    rounds = ROUNDED_ACTIVATIONS[what]
    assert found == {name: how.removeprefix("truncated-") if rounds(name) else asked for name in found}
    assert any(map(rounds, found))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_made_of_activations_in_ieee_arithmetic_however_deep_and_wide(cell, precision):
    for hidden_sizes, bias in (((10,) * 8, True), ((128, 10, 64), True), ((20, 20), False)):
        spec = a_spec(cell=cell, input_size=2, hidden_sizes=hidden_sizes, bias=bias)
        assert set(observe(NumpyBackend(), spec, precision, steps=2).values()) == {precision}


def test_sequences_of_one_step_have_no_recurrent_product_and_those_of_two_have():
    spec = a_spec(hidden_sizes=(5, 3))
    assert set(observe(rounding("states-tf32"), spec, "float32", steps=1).values()) == {"float32"}
    found = observe(rounding("states-tf32"), spec, "float32", steps=2)
    assert split(found) == ({"tf32"}, {"float32"})


def test_a_product_that_does_not_matter_is_left_out():
    found = observe(NumpyBackend(), a_spec(), "float32", steps=1)
    assert found == {"layers.0.forward.weight_ih": "float32", "head.weight": "float32"}


def test_nothing_is_said_of_what_does_not_answer_alike_twice():
    assert observe(rounding("restless"), a_spec(), "float32") == {}
    assert coarsest({}) is None


@pytest.mark.parametrize("cell", CELLS)
def test_a_single_unit_is_never_taken_for_anything_else(cell):
    assert set(observe(NumpyBackend(), a_spec(cell=cell, hidden_sizes=(1,)), "float32").values()) == {"float32"}


def test_the_probe_is_the_same_with_batch_norm_and_without_bias():
    spec = a_spec(cell="gru", bias=False, batch_norm=True, readout="all", input_size=3)
    assert set(observe(NumpyBackend(), spec, "float32").values()) == {"float32"}


def test_each_precision_is_that_and_no_other():
    for asked in PRECISIONS:
        for seen in PRECISIONS:
            assert (difference(asked, {"head.weight": seen}) is None) == (asked == seen)
    assert difference("float64", {"a": "float64", "b": "float32", "c": "tf32"}) == (
        "asked for float64, but b is multiplied in float32; so is c"
    )
    assert difference("float32", {}) is None


def test_where_tf32_is_asked_for_one_product_must_be_in_it_and_the_others_may():
    assert difference("tf32", {"a": "tf32", "b": "float32"}) is None
    assert difference("tf32", {"a": "float32", "b": "float32"}) == (
        "asked for tf32, but every product is computed in float32"
    )
    assert "a is multiplied in bfloat16" in difference("tf32", {"a": "bfloat16", "b": "tf32"})


def test_attempts_that_were_stored_before_it_was_observed_say_nothing_of_it():
    assert msgspec.json.decode(b"{}", type=Findings).observed_precision is None


# --- whole attempts, in a worker process


def run(name, precision="float32"):
    recipe = PLUGINS.task("flights").recipe(None, {})
    configuration = a_configuration(backend=name, recipe=recipe, epochs=1, threads=1, effort=QUICK, precision=precision)
    return run_attempt(
        MeasureJob(configuration=configuration, plugin_files=(str(ZOO),)), PLUGINS.backend(name), timeout=60
    )


@pytest.mark.parametrize(
    ("name", "precision", "observed", "reason"),
    [
        ("recurrent-tf32", "float32", "tf32", "layers.0.forward.weight_hh is multiplied in tf32"),
        ("recurrent-float32", "float64", "float32", "layers.0.forward.weight_hh is multiplied in float32"),
        (
            "never-float32",
            "float32",
            "float64",
            "layers.0.forward.weight_ih is multiplied in float64; so is layers.0.forward.weight_hh, head.weight",
        ),
    ],
)
def test_another_precision_than_was_asked_for_is_a_mismatch_before_anything_is_timed(name, precision, observed, reason):
    done = run(name, precision)
    assert (done.status, done.phase) == ("mismatch", "precision")
    assert done.reason == f"asked for {precision}, but {reason}"
    assert done.findings.observed_precision == observed
    assert not done.findings.timings


def test_the_precision_that_was_asked_for_is_recorded():
    done = run("not-rounding")
    assert (done.status, done.findings.observed_precision) == ("ok", "float32")


def test_sequences_are_shortened_only_where_so_many_passes_would_take_minutes():
    small = ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1)
    large = ModelSpec(input_size=123, hidden_sizes=(320,) * 4, output_size=10, bidirectional=True)
    assert affordable(small, (1, 12, 1)) == (1, 12, 1)
    batch, time, features = affordable(large, (32, 1000, 123))
    assert (batch, features) == (32, 123)
    assert 16 <= time < 100
    assert affordable(large, (32, 2 * time, 123))[1] in (time - 1, time)
