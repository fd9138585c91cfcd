"""The fast NumPy backend against the equations, and the equations against mistakes in them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from conformance import data_for
from drawn import Drawn, draw, draw_every_kind, kind_of
from lstm_bench import ModelSpec, Setting, State, TrainSpec, mean_loss
from lstm_bench.conformance.agreement import relative_error
from lstm_bench_numpy import equations
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
from lstm_bench_numpy.equations import Array, sigmoid, tanh

TOLERANCE = 1e-12
TRAIN = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=1)


def fast(drawn: Drawn, train: TrainSpec = TRAIN) -> NumpyModel:
    return NumpyBackend().build(drawn.spec, train, drawn.parameters, Setting("float64"), seed=0)


def named(outputs: Array, state: State) -> dict[str, Array]:
    """Outputs and states by a name for messages."""
    layers = {f"{part} of layer {k}": value for part in "hc" for k, value in enumerate(getattr(state, part))}
    return {"outputs": outputs} | layers


def everything(model: NumpyModel, drawn: Drawn) -> tuple[dict[str, Array], dict[str, Array]]:
    """Logits, outputs and final states, from zeros and from given states: of a fast model, and of the equations."""
    spec, parameters, x = drawn.spec, drawn.parameters, drawn.x
    ours = {"logits": model.infer(x)}
    theirs = {"logits": equations.logits(spec, parameters, x)}
    for begin, initial in (("zeros", None), ("given states", drawn.initial)):
        both = model.states(x, initial), equations.outputs_and_states(spec, parameters, x, initial)
        for found, values in zip((ours, theirs), both, strict=True):
            found |= {f"{name} from {begin}": value for name, value in named(*values).items()}
    return ours, theirs


def disagreements(model: NumpyModel, drawn: Drawn) -> list[str]:
    """A line for each array in which a fast model differs from the equations."""
    ours, theirs = everything(model, drawn)
    assert ours.keys() == theirs.keys()
    found = []
    for name, expected in theirs.items():
        assert ours[name].dtype == expected.dtype == np.float64
        assert ours[name].shape == expected.shape, f"{name} of {drawn}"
        error = relative_error(ours[name], expected)
        if not error < TOLERANCE:
            found.append(f"{name} of {drawn}: relative error {error:.1e}")
    return found


@pytest.mark.parametrize("drawn", draw_every_kind(), ids=kind_of)
def test_the_fast_backend_computes_the_equations(drawn):
    assert disagreements(fast(drawn), drawn) == []


def a_model(**changes) -> ModelSpec:
    return ModelSpec(**{"input_size": 3, "hidden_sizes": (4, 3), "output_size": 2, "bidirectional": True} | changes)


def central_differences(function: Callable[[Array], float], at: Array, step: float = 1e-3) -> Array:
    """The derivative of a function for each number of an array, of fourth order."""
    derivative = np.empty_like(at)
    for index in np.ndindex(at.shape):
        values = []
        for times in (1, -1, 2, -2):
            moved = at.copy()
            moved[index] += times * step
            values.append(function(moved))
        derivative[index] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
    return derivative


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("readout", ["last", "all"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gradients_are_central_differences_of_a_loss_on_the_equations(cell, readout, loss):
    spec = a_model(cell=cell, readout=readout)
    train = TrainSpec(loss=loss, optimizer="sgd", learning_rate=0.1, batch_size=3)
    drawn = draw(spec, 7)
    x, y, _ = data_for(spec, train)
    given = drawn.parameters | {"x": x[:3, :5]}
    y = y[:3, :5] if readout == "all" else y[:3]

    model = fast(drawn, train)
    gradients = model.gradients(given["x"], y)[1] | {"x": model.input_gradient(given["x"], y)}
    assert gradients.keys() == given.keys()
    for name, gradient in gradients.items():

        def loss_at(value: Array, name: str = name) -> float:
            moved = given | {name: value}
            return mean_loss(loss, equations.logits(spec, moved, moved["x"]), y)

        error = relative_error(gradient, central_differences(loss_at, given[name]))
        assert error < 1e-7, f"{name}: {error:.1e}"


def with_gates_swapped(drawn: Drawn, a: int, b: int) -> Drawn:
    """Two gates take each other's rows, in every weight and bias of the first layer's forward direction."""
    gates = {"lstm": 4, "gru": 3}[drawn.spec.cell]
    order = list(range(gates))
    order[a], order[b] = b, a
    moved = dict(drawn.parameters)
    for name in ("weight_ih", "weight_hh", "bias"):
        rows = np.split(moved[f"layers.0.forward.{name}"], gates)
        moved[f"layers.0.forward.{name}"] = np.concatenate([rows[gate] for gate in order])
    return Drawn(drawn.spec, moved, drawn.x, drawn.initial)


@pytest.mark.parametrize(
    ("cell", "a", "b"),
    [("lstm", a, b) for b in range(4) for a in range(b)] + [("gru", a, b) for b in range(3) for a in range(b)],
)
def test_two_swapped_gates_are_seen(cell, a, b):
    drawn = draw(a_model(cell=cell), 8)
    assert disagreements(fast(drawn), drawn) == []
    assert disagreements(fast(with_gates_swapped(drawn, a, b)), drawn)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_change_of_any_parameter_is_seen(cell):
    drawn = draw(a_model(cell=cell, batch_norm=True), 9)
    for name, value in drawn.parameters.items():
        changed = value.copy()
        changed.flat[-1] += 1e-6
        other = Drawn(drawn.spec, drawn.parameters | {name: changed}, drawn.x, drawn.initial)
        assert disagreements(fast(other), drawn), name


def lstm_that_shows_c_itself(x, h, c, W_ih, W_hh, b):
    i, f, g, o = np.split(x @ W_ih.T + h @ W_hh.T + b, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * c, c


def lstm_that_couples_its_gates(x, h, c, W_ih, W_hh, b):
    i, _, g, o = np.split(x @ W_ih.T + h @ W_hh.T + b, 4, axis=-1)
    c = (1 - sigmoid(i)) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def lstm_that_shows_the_old_c(x, h, c, W_ih, W_hh, b):
    _, new = equations.lstm(x, h, c, W_ih, W_hh, b)
    o = np.split(x @ W_ih.T + h @ W_hh.T + b, 4, axis=-1)[3]
    return sigmoid(o) * tanh(c), new


def gru_that_resets_before_the_product(x, h, W_ih, W_hh, b, b_hn):
    x_r, x_z, x_n = np.split(x @ W_ih.T + b, 3, axis=-1)
    W_r, W_z, W_n = np.split(W_hh, 3)
    r, z = sigmoid(x_r + h @ W_r.T), sigmoid(x_z + h @ W_z.T)
    n = tanh(x_n + (r * h) @ W_n.T + b_hn)
    return ((1 - z) * n + z * h,)


def gru_that_does_not_reset_its_bias(x, h, W_ih, W_hh, b, b_hn):
    return equations.gru(x, h, W_ih, W_hh, b + np.pad(b_hn, (2 * b_hn.size, 0)), 0.0)


def gru_that_updates_the_other_way_round(x, h, W_ih, W_hh, b, b_hn):
    x_r, x_z, x_n = np.split(x @ W_ih.T + b, 3, axis=-1)
    h_r, h_z, h_n = np.split(h @ W_hh.T, 3, axis=-1)
    z, n = sigmoid(x_z + h_z), tanh(x_n + sigmoid(x_r + h_r) * (h_n + b_hn))
    return (z * n + (1 - z) * h,)


def rnn_with_two_biases(x, h, W_ih, W_hh, b):
    return equations.rnn(x, h, W_ih, W_hh, 2 * b)


def rnn_of_a_sigmoid(x, h, W_ih, W_hh, b):
    return (sigmoid(x @ W_ih.T + h @ W_hh.T + b),)


@pytest.mark.parametrize(
    "wrong",
    [
        lstm_that_shows_c_itself,
        lstm_that_couples_its_gates,
        lstm_that_shows_the_old_c,
        gru_that_resets_before_the_product,
        gru_that_does_not_reset_its_bias,
        gru_that_updates_the_other_way_round,
        rnn_with_two_biases,
        rnn_of_a_sigmoid,
    ],
)
def test_a_wrong_equation_is_seen(monkeypatch, wrong):
    cell = wrong.__name__.split("_")[0]
    drawn = draw(a_model(cell=cell), 10)
    model = fast(drawn)
    assert disagreements(model, drawn) == []
    monkeypatch.setitem(equations.CELLS, cell, (wrong, equations.CELLS[cell][1]))
    assert disagreements(model, drawn)


def states_with_the_last_outputs(spec, parameters, x, initial=None):
    """Take the outputs at the last time step for the final state, as ``output[:, -1]`` of a torch module does."""
    outputs, final = equations.outputs_and_states(spec, parameters, x, initial)
    return outputs, State((*final.h[:-1], np.stack(np.split(outputs[:, -1], len(spec.directions), axis=-1))), final.c)


def states_from_zeros(spec, parameters, x, initial=None):
    return equations.outputs_and_states(spec, parameters, x, None)


def states_with_swapped_directions(spec, parameters, x, initial=None):
    other = {"forward": "backward", "backward": "forward"}
    swapped = {re.sub("forward|backward", lambda found: other[found[0]], name): parameters[name] for name in parameters}
    return equations.outputs_and_states(spec, swapped, x, initial)


def states_of_sequences_turned_round(spec, parameters, x, initial=None):
    outputs, final = equations.outputs_and_states(spec, parameters, x[:, ::-1], initial)
    return outputs[:, ::-1], final


@pytest.mark.parametrize(
    "wrong",
    [states_with_the_last_outputs, states_from_zeros, states_with_swapped_directions, states_of_sequences_turned_round],
)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_wrong_network_is_seen(cell, wrong):
    drawn = draw(a_model(cell=cell), 11)
    model = fast(drawn)
    ours = named(*model.states(drawn.x, drawn.initial))

    def worst_error(states) -> float:
        theirs = named(*states(drawn.spec, drawn.parameters, drawn.x, drawn.initial))
        return max(relative_error(ours[name], expected) for name, expected in theirs.items())

    assert worst_error(equations.outputs_and_states) < TOLERANCE
    assert worst_error(wrong) > 1e-3


def test_a_time_step_of_one_unit_is_the_one_computed_by_hand():
    """All weights are 1, there is no bias, x = 0.5, h = 0.25, c = 2: every gate is sigmoid(0.75)."""
    ones = np.ones((4, 1))
    h, c = equations.lstm(np.array([[0.5]]), np.array([[0.25]]), np.array([[2.0]]), ones, ones, 0.0)
    gate, candidate = 0.679178699175393, 0.6351489523872873  # sigmoid(0.75), tanh(0.75)
    assert c.item() == pytest.approx(gate * 2 + gate * candidate, rel=1e-14)
    assert h.item() == pytest.approx(gate * math.tanh(gate * 2 + gate * candidate), rel=1e-14)
