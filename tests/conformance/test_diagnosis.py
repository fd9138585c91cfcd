"""The diagnosis names the fault of every backend in ``tests/zoo/slips*.py``, and is silent about unknown ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from lstm_bench import ModelSpec, Setting, TrainSpec
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.cases import Case
from lstm_bench.conformance.confusions import explain
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench_numpy._model import NumpyBackend
from menagerie import Of
from textbook import Textbook
from written_out import WrittenOut

PLUGINS = load_plugins(sorted((Path(__file__).parents[1] / "zoo").glob("slips*.py")))
ANIMALS = {name: info for name, info in PLUGINS.backends.items() if name not in load_plugins().backends}
REFERENCE = Reference(NumpyBackend())
SETTING = Setting("float64")


def a_case(cell, hidden, time, *, readout="last", bidirectional=False, batch_norm=False, outputs=2, **train):
    return Case(
        model=ModelSpec(
            cell=cell,
            input_size=1,
            hidden_sizes=hidden,
            output_size=outputs,
            bidirectional=bidirectional,
            batch_norm=batch_norm,
            readout=readout,
        ),
        train=TrainSpec(**({"loss": "mse", "learning_rate": 0.01, "batch_size": 4} | train)),
        time=time,
        seed=3,
    )


# Small, since some animals differentiate number by number. Every choice occurs, and no two factors are equal.
CASES = [
    a_case("lstm", (2,), 5, outputs=3, optimizer="adam"),
    a_case("gru", (2,), 3, bidirectional=True, optimizer="rmsprop", clip_norm=0.05, batch_size=3),
    a_case(
        "lstm", (2,), 5, batch_norm=True, readout="all", optimizer="sgd", momentum=0.8, clip_norm=0.05, batch_size=6
    ),
    a_case("rnn", (2,), 4, readout="all", loss="cross_entropy", optimizer="sgd", momentum=0.8, outputs=3),
    a_case("gru", (2,), 4, batch_norm=True, readout="all", optimizer="adam", clip_norm=0.05, batch_size=6),
    a_case("lstm", (1, 2), 3, bidirectional=True, optimizer="adam", clip_norm=1e3),
]

ENOUGH = 3
"""Disagreements that are explained; more would take longer and decide nothing."""

ALSO = {
    "no-momentum": "it also matches if the optimizer forgets its state between training steps",
    "loads-float16": "it also matches if its initial weights are rounded to tf32",
}
"""What is equally true of an animal: no array that is compared would be another one."""


def disagreements(backend):
    def build(case, problem):
        return backend.build(case.model, case.train, problem.parameters, SETTING, seed=0)

    comparisons = (Comparison(case, build, REFERENCE, SETTING) for case in CASES)
    return list(islice((comparison for comparison in comparisons if comparison.stage is not None), ENOUGH))


def expected(name, summary):
    kind, _, text = summary.partition(": ")
    if kind == "unknown":
        return []
    if kind == "forward":
        return [f"its forward pass matches if {text}, but its gradients do not"]
    if kind == "backward":
        return [f"its forward pass and its gradients match if {text}, but its training does not"]
    return [f"it matches if {summary}", *([ALSO[name]] if name in ALSO else [])]


@pytest.mark.parametrize("name", ANIMALS)
def test_a_known_fault_is_named_and_an_unknown_one_is_not(name):
    comparisons = disagreements(ANIMALS[name].load())
    assert comparisons
    assert explain(comparisons) == expected(name, ANIMALS[name].summary)


def test_there_are_many_animals_of_each_kind():
    kinds = [info.summary.partition(":")[0] for info in ANIMALS.values()]
    assert len(kinds) > 90
    assert kinds.count("unknown") == 10


@pytest.mark.parametrize("model", [Textbook, WrittenOut])
def test_the_models_that_the_animals_inherit_from_are_right(model):
    assert disagreements(Of(model)) == []


def test_a_right_backend_needs_no_explanation():
    assert explain([]) == []
