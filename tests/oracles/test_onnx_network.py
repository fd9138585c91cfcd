"""Whole models, which ONNX's reference evaluator runs as one graph, against the equations."""

from __future__ import annotations

import numpy as np
import pytest

from drawn import draw, draw_every_kind, kind_of
from lstm_bench import ModelSpec
from lstm_bench.conformance.agreement import relative_error
from lstm_bench_numpy import equations
from onnx_network import network

onnx = pytest.importorskip("onnx", minversion="1.23")
evaluator = pytest.importorskip("onnx.reference")

TOLERANCE = 3e-6
"""Worst seen: 1.1e-6, where the terms of two small logits nearly cancel, and 3.4e-7 elsewhere."""


def evaluated(model, x):
    [logits] = evaluator.ReferenceEvaluator(model).run(["logits"], {"x": x.astype(np.float32)})
    return logits


@pytest.mark.parametrize("drawn", draw_every_kind(), ids=kind_of)
def test_logits_are_those_of_the_equations(drawn):
    model = network(drawn.spec, drawn.parameters)
    onnx.checker.check_model(model, full_check=True)
    ours, expected = evaluated(model, drawn.x), equations.logits(drawn.spec, drawn.parameters, drawn.x)
    assert ours.dtype == np.float32
    assert ours.shape == expected.shape
    error = relative_error(ours, expected)
    assert error < TOLERANCE, f"{drawn}: {error:.1e}"


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_parameter_has_an_effect(cell):
    spec = ModelSpec(
        input_size=3, hidden_sizes=(4, 3), output_size=2, cell=cell, bidirectional=True, batch_norm=True, readout="all"
    )
    drawn = draw(spec, 1)
    before = evaluated(network(spec, drawn.parameters), drawn.x)
    for name, value in drawn.parameters.items():
        changed = drawn.parameters | {name: value + 0.125}
        after = evaluated(network(spec, changed), drawn.x)
        assert relative_error(after, before) > 100 * TOLERANCE, name
        assert relative_error(after, equations.logits(spec, changed, drawn.x)) < TOLERANCE, name


def test_one_graph_serves_every_batch_size_and_length():
    drawn = draw(ModelSpec(input_size=3, hidden_sizes=(4,), output_size=2), 2)
    model = network(drawn.spec, drawn.parameters)
    generator = np.random.default_rng(0)
    for batch, time in ((1, 1), (5, 2), (2, 9)):
        x = generator.standard_normal((batch, time, 3)).astype(np.float32).astype(np.float64)
        expected = equations.logits(drawn.spec, drawn.parameters, x)
        assert relative_error(evaluated(model, x), expected) < TOLERANCE
