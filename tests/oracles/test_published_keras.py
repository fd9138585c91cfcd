"""The reference against numbers that Keras publishes in its own tests, computed in float32.

The tests are in ``keras/src/layers/rnn`` (keras-team/keras, Apache License 2.0). Each case is named after the file and
the test that has its numbers.
"""

from __future__ import annotations

import numpy as np
import pytest

from lstm_bench import State
from lstm_bench.model.parameters import GATES
from published import assert_published, float32, reference


def keras_reference(cell: str, inputs: int, units: int, *, bias: bool = True, forget: float = 1.0):
    """Both directions as Keras' tests initialise one: kernel 0.01, recurrent kernel 0.02, bias 0.03."""
    rows = GATES[cell] * units
    own = {"weight_ih": np.full((rows, inputs), 0.01), "weight_hh": np.full((rows, units), 0.02)}
    if bias:
        own["bias"] = np.full(rows, 0.03)
        if cell == "lstm":
            own["bias"][units : 2 * units] = forget  # unit_forget_bias puts ones in place of the initialiser's 0.03
        if cell == "gru":
            own["bias"][: 2 * units] = 0.06  # reset_after has two biases of 0.03, which add up but in the candidate
            own["bias_hn"] = np.full(units, 0.03)
    return reference(cell, [{name: float32(array) for name, array in own.items()}] * 2)


def counting(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=float).reshape(shape)


# What is published of the final h of sequences 0, 1, ...: one number where all units have the same
@pytest.mark.parametrize(
    ("cell", "shape", "units", "changes", "forward", "backward"),
    [
        pytest.param(
            *("lstm", (3, 6, 4), 3, {}),
            [[0.6288687], [0.86899155], [0.9460773]],
            [[0.35622165], [0.74789524], [0.8872726]],
            id="lstm_test.py: test_correctness",
        ),
        pytest.param(
            *("lstm", (3, 6, 4), 3, {"forget": 0.03}),
            [[0.57019705], [0.8661914], [0.9459622]],
            None,
            id="lstm_test.py: test_correctness, unit_forget_bias=False",
        ),
        pytest.param(
            *("lstm", (3, 6, 4), 3, {"bias": False}),
            [[0.54986924], [0.86226785], [0.9443936]],
            None,
            id="lstm_test.py: test_correctness, use_bias=False",
        ),
        pytest.param(
            *("gru", (3, 6, 4), 3, {}),
            [[0.5217289], [0.6371659], [0.39384964]],
            [[0.24406259], [0.611516], [0.3928808]],
            id="gru_test.py: test_correctness",
        ),
        pytest.param(
            *("gru", (3, 6, 4), 3, {"bias": False}),
            [[0.49988455], [0.64701194], [0.4103359]],
            None,
            id="gru_test.py: test_correctness, use_bias=False",
        ),
        pytest.param(
            *("rnn", (2, 3, 4), 4, {}),
            [[0.405432], [0.73605347]],
            [[0.11144729], [0.5528889]],
            id="simple_rnn_test.py: test_correctness",
        ),
        pytest.param(
            *("rnn", (2, 3, 4), 2, {}),
            [[0.39687276], [0.7237238]],
            [[0.10004295], [0.53391594]],
            id="bidirectional_test.py: test_correctness",
        ),
    ],
)
def test_final_states_are_those_that_keras_publishes(cell, shape, units, changes, forward, backward):
    _, final = keras_reference(cell, shape[2], units, **changes).states(counting(*shape))
    assert_published(final.h[0][0], forward)
    if backward is not None:
        assert_published(final.h[0][1], backward)


# Keras' initial states count from 0 like its sequences, each direction's times a factor
@pytest.mark.parametrize(
    ("cell", "units", "factors", "forward", "backward"),
    [
        pytest.param(
            *("lstm", 2, {"h": (1, 1), "c": (1, 1)}),
            [[0.20574439, 0.3558822], [0.64930826, 0.66276]],
            [[0.13281618, 0.2790356], [0.5839337, 0.5992567]],
            id="lstm_test.py: test_pass_initial_state",
        ),
        pytest.param(
            *("lstm", 2, {"h": (1, 3), "c": (2, 4)}),
            [[0.20794602, 0.4577124], [0.6682636, 0.6711909]],
            [[0.14046375, 0.48191673], [0.60943645, 0.60950446]],
            id="bidirectional_test.py: test_pass_initial_state",
        ),
        pytest.param(
            *("gru", 2, {"h": (1, 1)}),
            [[0.23774096, 0.33508456], [0.83659905, 1.0227708]],
            [[0.13486053, 0.23261218], [0.78257304, 0.9691353]],
            id="gru_test.py: test_pass_initial_state",
        ),
        pytest.param(
            *("rnn", 4, {"h": (1, 1)}),
            [[0.33621645], [0.6262637]],
            [[0.07344437], [0.43043602]],
            id="simple_rnn_test.py: test_pass_initial_state",
        ),
    ],
)
def test_final_states_from_given_ones_are_those_that_keras_publishes(cell, units, factors, forward, backward):
    state = counting(2, units)
    initial = {kind: (np.stack([factor * state for factor in pair]),) for kind, pair in factors.items()}
    _, final = keras_reference(cell, 3, units).states(counting(2, 4, 3), State(**initial))
    assert_published(final.h[0][0], forward)
    assert_published(final.h[0][1], backward)


@pytest.mark.parametrize(
    ("cell", "shape", "units", "forward", "backward"),
    [
        pytest.param(*("lstm", (2, 3, 4), 4), [[0.3124785], [0.6863672]], None, id="lstm_test.py: test_statefulness"),
        pytest.param(*("gru", (2, 3, 4), 4), [[0.29542392], [0.5885018]], None, id="gru_test.py: test_statefulness"),
        pytest.param(
            *("rnn", (2, 3, 4), 4), [[0.40559256], [0.7361247]], None, id="simple_rnn_test.py: test_statefulness"
        ),
        pytest.param(
            *("lstm", (2, 4, 3), 2),
            [[0.26234663], [0.6137073]],
            [[0.16959146], [0.5381646]],
            id="bidirectional_test.py: test_statefulness",
        ),
    ],
)
def test_final_states_from_earlier_final_ones_are_those_that_keras_publishes(cell, shape, units, forward, backward):
    model, x = keras_reference(cell, shape[2], units), counting(*shape)
    _, final = model.states(x, model.states(x)[1])
    assert_published(final.h[0][0], forward)
    if backward is not None:
        assert_published(final.h[0][1], backward)


def test_final_cell_states_are_those_that_keras_publishes():
    # bidirectional_test.py: test_return_state
    _, final = keras_reference("lstm", 3, 2).states(counting(2, 4, 3))
    assert_published(final.h[0], [[[0.1990008], [0.52335435]], [[0.12659755], [0.44717982]]])
    assert_published(final.c[0], [[[0.35567185], [1.0492687]], [[0.2501858], [0.941473]]])


def test_outputs_at_every_step_are_those_that_keras_publishes():
    # bidirectional_test.py: test_correctness, where merge_mode="sum"
    outputs, _ = keras_reference("gru", 4, 2).states(counting(2, 3, 4))
    assert_published(
        outputs[..., :2] + outputs[..., 2:],
        [[[0.20937867], [0.34462988], [0.40290534]], [[0.59829646], [0.6734641], [0.6479671]]],
    )
