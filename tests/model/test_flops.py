from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_model, a_training, models
from lstm_bench.model.flops import memory_traffic, operations

SHAPE = {"batch": 5, "time": 7}
SCOPES = ("infer", "gradient", "train")


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


SMALL = {"input_size": 2, "hidden_sizes": (3,), "output_size": 4}
P = 4 * 3 * (2 + 3 + 1) + 4 * (3 + 1)  # parameters of the LSTM
X = 5 * 7 * 2


@pytest.mark.parametrize(
    ("changes", "parameters", "logits", "kept"),
    [
        pytest.param({}, P, 5 * 4, 6 * 3, id="lstm"),
        pytest.param({"cell": "gru"}, 3 * 3 * (2 + 3 + 1) + 3 + 16, 5 * 4, 5 * 3, id="gru"),
        pytest.param({"cell": "rnn"}, 3 * (2 + 3 + 1) + 16, 5 * 4, 3, id="rnn"),
        pytest.param({"readout": "all"}, P, 5 * 7 * 4, 6 * 3, id="every step is read out"),
        pytest.param(
            {"hidden_sizes": (3, 6)}, 4 * 3 * 6 + 4 * 6 * (3 + 6 + 1) + 4 * 7, 5 * 4, 6 * (3 + 6), id="two layers"
        ),
        pytest.param({"bidirectional": True}, 2 * 4 * 3 * 6 + 4 * 7, 5 * 4, 2 * 6 * 3, id="both directions"),
    ],
)
def test_memory_is_that_counted_by_hand(changes, parameters, logits, kept):
    spec, how = a_model(**SMALL | changes), SHAPE | {"precision": "float32"}
    kept *= 5 * 7
    assert memory_traffic(spec, a_training(), "infer", **how) == 4 * (parameters + X + logits)
    gradient = 4 * (3 * parameters + 2 * X + 2 * kept)
    assert memory_traffic(spec, a_training(), "gradient", **how) == gradient
    assert memory_traffic(spec, a_training(), "train", **how) == gradient + 4 * 3 * parameters


@pytest.mark.parametrize(
    ("changes", "remembered"),
    [({}, 0), ({"momentum": 0.5}, 1), ({"optimizer": "rmsprop"}, 1), ({"optimizer": "adam"}, 2)],
)
def test_what_an_optimizer_remembers_is_read_and_written(changes, remembered):
    how = SHAPE | {"precision": "float32"}
    traffic = {scope: memory_traffic(a_model(**SMALL), a_training(**changes), scope, **how) for scope in SCOPES}
    assert traffic["train"] - traffic["gradient"] == 4 * P * (3 + 2 * remembered)


@pytest.mark.parametrize(("precision", "width", "wide"), [("float64", 8, 8), ("tf32", 4, 4), ("bfloat16", 2, 4)])
def test_numbers_are_as_wide_as_the_precision_and_parameters_are_never_updated_in_bfloat16(precision, width, wide):
    spec, how = a_model(**SMALL), SHAPE | {"precision": precision}
    traffic = {scope: memory_traffic(spec, a_training(), scope, **how) for scope in SCOPES}
    assert traffic["infer"] == width * (P + X + 5 * 4)
    assert traffic["train"] - traffic["gradient"] == wide * P * 3


@given(models, st.integers(1, 5), st.integers(1, 5))
def test_what_does_more_moves_more(spec, batch, time):
    inferred, differentiated, trained = (
        memory_traffic(spec, a_training(), scope, batch=batch, time=time, precision="float32")
        for scope in ("infer", "gradient", "train")
    )
    assert inferred > 0
    assert 0 < differentiated < trained
