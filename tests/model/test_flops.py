from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_model, models
from lstm_bench.model.flops import operations

SHAPE = {"batch": 5, "time": 7}


# Layers by hand: 2 operations x 5 sequences x 7 steps = 70 for each number of a weight matrix, so 70 G H (I + H).
@pytest.mark.parametrize(
    ("changes", "layers", "of_inputs", "head"),
    [
        pytest.param({}, 70 * 4 * 3 * (2 + 3), 70 * 4 * 3 * 2, 2 * 5 * 3 * 4, id="lstm"),
        pytest.param({"cell": "gru"}, 70 * 3 * 3 * (2 + 3), 70 * 3 * 3 * 2, 2 * 5 * 3 * 4, id="gru"),
        pytest.param({"cell": "rnn"}, 70 * 1 * 3 * (2 + 3), 70 * 1 * 3 * 2, 2 * 5 * 3 * 4, id="rnn"),
        pytest.param({"readout": "all"}, 70 * 4 * 3 * (2 + 3), 70 * 4 * 3 * 2, 70 * 3 * 4, id="every step is read out"),
        pytest.param(
            {"hidden_sizes": (3, 6)},
            70 * 4 * (3 * (2 + 3) + 6 * (3 + 6)),
            70 * 4 * 3 * 2,
            2 * 5 * 6 * 4,
            id="two layers",
        ),
        pytest.param(
            {"bidirectional": True}, 2 * 70 * 4 * 3 * (2 + 3), 2 * 70 * 4 * 3 * 2, 2 * 5 * 6 * 4, id="both directions"
        ),
        pytest.param(
            {"bidirectional": True, "hidden_sizes": (3, 6)},
            2 * 70 * 4 * (3 * (2 + 3) + 6 * (6 + 6)),
            2 * 70 * 4 * 3 * 2,
            2 * 5 * 12 * 4,
            id="the second layer reads both directions of the first",
        ),
    ],
)
def test_operations_are_those_counted_by_hand(changes, layers, of_inputs, head):
    spec = a_model(**{"input_size": 2, "hidden_sizes": (3,), "output_size": 4} | changes)
    assert operations(spec, "infer", **SHAPE) == layers + head
    assert operations(spec, "gradient", **SHAPE) == 3 * (layers + head) - of_inputs
    assert operations(spec, "gradient", **SHAPE, input_gradient=True) == 3 * (layers + head)
    assert operations(spec, "train", **SHAPE) == operations(spec, "gradient", **SHAPE)


def test_a_known_network_has_the_known_number_of_operations():
    """64 x 100 x 123 -> 320, 10 classes: 2 * 64 * 100 * 4 * 320 * 443 and the head's 2 * 64 * 320 * 10."""
    spec = a_model(input_size=123, hidden_sizes=(320,), output_size=10)
    assert operations(spec, "infer", batch=64, time=100) == 7_258_521_600


@given(models, st.integers(1, 5), st.integers(1, 5))
def test_what_has_no_products_counts_nothing(spec, batch, time):
    bare = {"bias": False, "batch_norm": False, "dropout": 0.0}
    without = a_model(**{name: getattr(spec, name) for name in spec.__struct_fields__} | bare)
    for scope in ("infer", "gradient", "train"):
        assert operations(spec, scope, batch=batch, time=time) == operations(without, scope, batch=batch, time=time)
