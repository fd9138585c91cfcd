import pytest

from builders import a_model, a_recipe, a_training
from lstm_bench import LSTMBenchError
from lstm_bench.errors import UnknownName
from lstm_bench.model.axes import AXES, vary

RECIPE = a_recipe(model=a_model(hidden_sizes=(8, 4)), train=a_training(momentum=0.5))


@pytest.mark.parametrize(
    ("axis", "value", "read"),
    [
        ("cell", "gru", lambda r: r.model.cell == "gru"),
        ("hidden", "16", lambda r: r.model.hidden_sizes == (16, 16)),
        ("hidden", "16x8x4", lambda r: r.model.hidden_sizes == (16, 8, 4)),
        ("batch-norm", "true", lambda r: r.model.batch_norm is True),
        ("batch", "7", lambda r: r.train.batch_size == 7),
        ("optimizer", "adam", lambda r: (r.train.optimizer, r.train.momentum) == ("adam", 0.0)),
        ("learning-rate", "0.125", lambda r: r.train.learning_rate == 0.125),
        ("momentum", "0.25", lambda r: r.train.momentum == 0.25),
    ],
)
def test_each_axis_changes_what_it_says_and_reads_it_back(axis, value, read):
    recipe, changes = vary(RECIPE, {axis: value}, "task 'x'")
    assert read(recipe)
    assert changes == {axis: AXES[axis].read(recipe)}
    again, none = vary(recipe, changes, "task 'x'")
    assert (again, none) == (recipe, {})


def test_every_axis_is_tried_here():
    assert set(AXES) == {"cell", "hidden", "batch-norm", "batch", "optimizer", "learning-rate", "momentum"}


def test_momentum_is_left_out_where_the_optimizer_has_none():
    for given in ({"optimizer": "adam", "momentum": "0.9"}, {"momentum": "0.9", "optimizer": "adam"}):
        recipe, changes = vary(RECIPE, given, "task 'x'")
        assert (recipe.train.momentum, changes) == (0.0, {"optimizer": "adam"})


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("hidden", "a"),
        ("hidden", "0"),
        ("hidden", "8x"),
        ("hidden", "-8"),
        ("hidden", "8,4"),
        ("batch", "0"),
        ("batch", "2.5"),
        ("learning-rate", "nan"),
        ("learning-rate", "0"),
        ("momentum", "1"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_the_option_and_what_to_write(axis, value):
    with pytest.raises(LSTMBenchError) as caught:
        vary(RECIPE, {axis: value}, "task 'x'")
    assert str(caught.value).startswith(f"--{axis} {value} does not suit task 'x': write {AXES[axis].wanted}")
    assert "\n" not in str(caught.value)


def test_a_choice_that_there_is_not_names_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown value 'gruu' of --cell\. Did you mean 'gru'"):
        vary(RECIPE, {"cell": "gruu"}, "task 'x'")
    with pytest.raises(UnknownName, match=r"unknown axis 'hiden'\. Did you mean 'hidden'"):
        vary(RECIPE, {"hiden": "3"}, "task 'x'")
