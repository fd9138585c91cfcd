from __future__ import annotations

import platform
from itertools import product
from math import exp, tanh

import numpy as np
import pytest

from builders import a_configuration
from conformance import build, data_for
from lstm_bench import ModelSpec, Setting, State, TrainSpec
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob
from lstm_bench_numpy._gru import GRU
from lstm_bench_numpy._lstm import LSTM
from lstm_bench_numpy._model import NumpyBackend
from lstm_bench_numpy._rnn import RNN
from lstm_bench_numpy._training import LOSSES, Optimizer

QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def spec_of(**changes) -> ModelSpec:
    return ModelSpec(**{"input_size": 2, "hidden_sizes": (3,), "output_size": 2} | changes)


def train_of(**changes) -> TrainSpec:
    return TrainSpec(**{"loss": "mse", "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 4} | changes)


def one_number_at_a_time(x, weight_ih, weight_hh, bias):
    """An LSTM over one sequence `(T, I)` with no array arithmetic at all, straight from the equations."""

    def sigmoid(z):
        return 1 / (1 + exp(-z))

    size = len(weight_hh[0])
    h, c, outputs = [0.0] * size, [0.0] * size, []
    for features in x:
        z = [
            sum(w * v for w, v in zip(weight_ih[row], features, strict=True))
            + sum(w * v for w, v in zip(weight_hh[row], h, strict=True))
            + bias[row]
            for row in range(4 * size)
        ]
        i, f, g, o = (z[gate * size : (gate + 1) * size] for gate in range(4))
        c = [sigmoid(f[k]) * c[k] + sigmoid(i[k]) * tanh(g[k]) for k in range(size)]
        h = [sigmoid(o[k]) * tanh(c[k]) for k in range(size)]
        outputs.append(h)
    return outputs, c


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_outputs_and_states_are_those_of_the_equations(direction):
    spec = spec_of(bidirectional=True)
    parameters = initial_parameters(spec, "uniform", 5)
    x, _, _ = data_for(spec, train_of())
    outputs, final = build(NumpyBackend(), spec, train_of(), "float64").states(x)
    # build draws its own parameters, from seed 1
    parameters = initial_parameters(spec, "uniform", 1)
    weights = [parameters[f"layers.0.{direction}.{name}"].tolist() for name in ("weight_ih", "weight_hh", "bias")]
    d = ("forward", "backward").index(direction)
    for n, sequence in enumerate(x):
        read = sequence[::-1] if direction == "backward" else sequence
        expected, c = one_number_at_a_time(read.tolist(), *weights)
        in_time = np.array(expected)[::-1] if direction == "backward" else np.array(expected)
        np.testing.assert_allclose(outputs[n, :, d * 3 : (d + 1) * 3], in_time, rtol=1e-13)
        np.testing.assert_allclose(final.h[0][d, n], expected[-1], rtol=1e-13)
        np.testing.assert_allclose(final.c[0][d, n], c, rtol=1e-13)


DIRECTIONS = 4
"""Random directions along which a gradient is compared."""


@pytest.mark.parametrize(
    ("cell", "sizes", "bidirectional", "bias", "readout", "loss"),
    [
        *product(["lstm"], [(3,), (2, 3)], [False, True], [True, False], ["last", "all"], ["mse", "cross_entropy"]),
        *product(["gru", "rnn"], [(2, 3)], [False, True], [True, False], ["last", "all"], ["mse"]),
    ],
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_gradient_is_that_of_central_differences(cell, sizes, bidirectional, bias, readout, loss, batch_norm):
    layers = {"cell": cell, "hidden_sizes": sizes, "bidirectional": bidirectional}
    spec = spec_of(**layers, bias=bias, readout=readout, batch_norm=batch_norm)
    train = train_of(loss=loss)
    x, y, _ = data_for(spec, train)
    x, y = x[:3], y[:3]
    start = initial_parameters(spec, "uniform", 2)

    def loss_at(parameters, x) -> float:
        model = NumpyBackend().build(spec, train, parameters, Setting("float64"), seed=0)
        return model.gradients(x, y)[0]

    model = NumpyBackend().build(spec, train, start, Setting("float64"), seed=0)
    value, gradients = model.gradients(x, y)
    if not batch_norm:  # which trains on other numbers than it infers with
        assert value == pytest.approx(LOSSES[loss](model.infer(x), y)[0], rel=1e-14)
    step = 1e-4 if batch_norm else 1e-3  # normalising three sequences bends the loss a lot
    gradients |= {"x": model.input_gradient(x, y)}
    generator = np.random.default_rng(3)
    for name, gradient in gradients.items():
        # Compare along random directions: a wrong element changes each of them.
        ways = generator.standard_normal((DIRECTIONS, *gradient.shape))
        ways /= np.linalg.norm(ways.reshape(DIRECTIONS, -1), axis=1).reshape(-1, *[1] * gradient.ndim)
        numeric = np.empty(DIRECTIONS)
        for n, way in enumerate(ways):
            values = []
            for times in (1, -1, 2, -2):
                moved = start | {"x": x}
                moved[name] = moved[name] + times * step * way
                values.append(loss_at(moved, moved["x"]))
            # the central difference of fourth order, whose rounding is far below what is asked
            numeric[n] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
        error = np.linalg.norm((ways * gradient).reshape(DIRECTIONS, -1).sum(axis=1) - numeric)
        error /= np.linalg.norm(numeric)
        assert error < 1e-7, f"{name}: {error:.1e}"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", [LSTM, GRU, RNN])
def test_the_gradient_of_the_input_is_that_of_central_differences(cell, reverse):
    generator = np.random.default_rng(3)
    rows = 3 * cell.gates
    shapes = {"weight_ih": (rows, 2), "weight_hh": (rows, 3), "bias": (rows,)} | (
        {"bias_hn": (3,)} if cell is GRU else {}
    )
    layer = cell({name: generator.standard_normal(shape) for name, shape in shapes.items()}, reverse=reverse)
    x, d_outputs, d_final = (generator.standard_normal(s) for s in ((5, 4, 2), (5, 4, 3), (4, 3)))

    def value_at(x) -> float:
        outputs = layer.forward(x)
        return float(np.sum(outputs * d_outputs) + np.sum(layer.final()[0] * d_final))

    value_at(x)
    _, d_x = layer.backward(d_outputs, d_final, wants_dx=True)
    numeric = np.empty_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-5
        numeric[at] = (value_at(x + step) - value_at(x - step)) / 2e-5
    assert np.linalg.norm(d_x - numeric) / np.linalg.norm(numeric) < 1e-7


@pytest.mark.parametrize("chunk_bytes", [1, 10**9])
def test_the_backward_pass_does_not_depend_on_how_it_is_cut_into_chunks(monkeypatch, chunk_bytes):
    spec, train = spec_of(hidden_sizes=(4, 3), bidirectional=True), train_of()
    x, y, _ = data_for(spec, train)
    usual = build(NumpyBackend(), spec, train, "float64").gradients(x, y)[1]
    monkeypatch.setattr("lstm_bench_numpy._lstm.CHUNK_BYTES", chunk_bytes)
    cut = build(NumpyBackend(), spec, train, "float64").gradients(x, y)[1]
    for name in usual:
        np.testing.assert_allclose(cut[name], usual[name], rtol=1e-12, err_msg=name)


def test_batches_in_order_are_the_same_as_the_same_batches_gathered():
    spec, train = spec_of(), train_of(optimizer="adam")
    x, y, _ = data_for(spec, train)
    rows = np.arange(12).reshape(3, 4)
    model, other = (build(NumpyBackend(), spec, train, "float64") for _ in range(2))
    in_order = model.train(x, y, rows)
    gathered = other.train(x[::-1], y[::-1], 11 - rows)  # the same sequences, but rows count downwards
    np.testing.assert_array_equal(in_order, gathered)


def test_shapes_can_change_between_calls():
    spec, train = spec_of(), train_of()
    x, _, _ = data_for(spec, train)
    model = build(NumpyBackend(), spec, train, "float64")
    for count, steps in [(12, 7), (1, 7), (12, 3), (5, 5), (2, 2), (12, 7)]:
        fresh = build(NumpyBackend(), spec, train, "float64")
        np.testing.assert_allclose(model.infer(x[:count, :steps]), fresh.infer(x[:count, :steps]), rtol=1e-15)


def test_given_states_are_neither_changed_nor_remembered():
    spec, train = spec_of(bidirectional=True, hidden_sizes=(3, 3)), train_of()
    x, _, _ = data_for(spec, train)
    model = build(NumpyBackend(), spec, train, "float64")
    before = model.infer(x)
    given_states = State(*(tuple(np.full((2, 12, 3), fill) for _ in range(2)) for fill in (0.5, -0.5)))
    outputs, _ = model.states(x, given_states)
    assert all((h == 0.5).all() for h in given_states.h)
    assert not np.allclose(outputs, model.states(x)[0])
    np.testing.assert_array_equal(model.infer(x), before)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        # p starts at 1, the gradients are 2 and then 1; each line is worked out from the formula by hand
        (train_of(learning_rate=0.1), [0.8, 0.7]),
        (train_of(learning_rate=0.1, momentum=0.5), [0.8, 0.6]),  # v = 2, then 0.5 * 2 + 1 = 2
        (train_of(learning_rate=0.1, clip_norm=1.0), [0.9, 0.8]),
        (
            train_of(optimizer="adam", learning_rate=0.1),
            [0.9, 0.9 - 0.1 * (0.28 / 0.19) / (0.004996 / 0.001999) ** 0.5],
        ),
        (
            train_of(optimizer="rmsprop", learning_rate=0.1),
            [1 - 0.1 * 2 / 0.4**0.5, 1 - 0.1 * 2 / 0.4**0.5 - 0.1 / (0.9 * 0.4 + 0.1) ** 0.5],
        ),
    ],
    ids=["sgd", "momentum", "clipped", "adam", "rmsprop"],
)
def test_optimizers_follow_their_formulas(train, expected):
    optimizer, p = Optimizer(train, 1, np.dtype(np.float64)), np.ones(1)
    seen = []
    for gradient in (2.0, 1.0):
        optimizer.step(p, np.array([gradient]))
        seen.append(p.item())
    assert seen == pytest.approx(expected, rel=1e-7)


def test_running_statistics_move_a_tenth_of_the_way_to_the_biased_ones_of_each_batch():
    spec, train = spec_of(batch_norm=True), train_of()
    x, y, _ = data_for(spec, train)
    model = build(NumpyBackend(), spec, train, "float64")
    readout = model.states(x[:4])[1].h[0][0]
    model.gradients(x[:4], y[:4])
    assert (model.parameters()["batch_norm.mean"] == 0).all(), "gradients changes nothing"
    model.train(x, y, np.arange(4)[None])
    np.testing.assert_allclose(model.parameters()["batch_norm.mean"], 0.1 * readout.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.parameters()["batch_norm.variance"], 0.9 + 0.1 * readout.var(axis=0), rtol=1e-12)


def test_losses_are_means_over_all_that_is_predicted():
    logits = np.array([[[0.0, 0.0]], [[2.0, 0.0]]])
    assert LOSSES["mse"](logits, np.zeros_like(logits))[0] == pytest.approx(1.0)
    assert LOSSES["cross_entropy"](logits, np.array([[0], [1]]))[0] == pytest.approx(
        (np.log(2) + np.log(1 + np.exp(2))) / 2
    )


def test_cross_entropy_survives_large_logits():
    loss, gradient = LOSSES["cross_entropy"](np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == pytest.approx(2e4)
    np.testing.assert_allclose(gradient, [[1.0, -1.0]])


@pytest.mark.parametrize(("changes", "precision", "reason"), [({}, "bfloat16", "bfloat16"), ({}, "tf32", "tf32")])
def test_what_it_cannot_do_it_refuses_with_the_reason(changes, precision, reason):
    assert reason in (NumpyBackend().refuses(spec_of(**changes), train_of(), Setting(precision)) or "")
    assert NumpyBackend().refuses(spec_of(), train_of(), Setting("float64")) is None


def test_it_says_which_blas_multiplies():
    model = build(NumpyBackend(), spec_of(), train_of(), "float32")
    x, y, order = map(model.put, data_for(spec_of(), train_of()))
    infers = model.kernel_path(x)
    assert infers.startswith("numpy loop over time, matmul by ")
    assert infers == model.training_kernel_path(x, y, order)
    assert "numpy" in NumpyBackend().versions()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the cores named here are for x86-64")
def test_a_blas_that_takes_the_processor_for_an_older_one_says_so(monkeypatch):
    plugins = load_plugins()
    recipe = plugins.task("flights").recipe(None, plugins.task("flights").read({}))
    job = MeasureJob(
        configuration=a_configuration(recipe=recipe, backend="numpy", threads=1, effort=QUICK), times_only=True
    )
    usual = run_attempt(job, plugins.backend("numpy"), timeout=60.0).findings
    if "openblas" not in usual.kernel_path:
        pytest.skip(f"this NumPy has another: {usual.kernel_path}")
    older = "Nehalem" if "Nehalem" not in usual.kernel_path else "Core2"
    monkeypatch.setenv("OPENBLAS_CORETYPE", older)
    found = run_attempt(job, plugins.backend("numpy"), timeout=60.0).findings
    assert found.kernel_path == found.training_kernel_path == f"numpy loop over time, matmul by openblas {older}"


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_its_product_is_one_in_the_precision_that_was_asked_for(monkeypatch, precision):
    seen = []
    monkeypatch.setattr(np, "matmul", lambda a, b, out: seen.append((a.shape, b.shape, a.dtype, b.dtype, out.dtype)))
    NumpyBackend().product(8, Setting(precision))()
    assert seen == [((8, 8), (8, 8), precision, precision, precision)]
