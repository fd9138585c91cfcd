import pytest

from lstm_bench import errors
from lstm_bench.errors import LSTMBenchError, UnknownName


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("tocrh", " Did you mean 'torch'?", id="near"),
        pytest.param("theano", "", id="nothing is near"),
        pytest.param("", "", id="empty"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_and_all_that_there_is(name, hint):
    error = UnknownName("backend", name, ["torch", "numpy"])
    assert str(error) == f"unknown backend {name!r}.{hint} There is: numpy, torch."
    assert (error.kind, error.name, error.known) == ("backend", name, ("numpy", "torch"))


def test_an_unknown_name_says_where_it_was_looked_up():
    error = UnknownName("recipe", "x", ["tutorial"], "task 'flights'")
    assert str(error) == "unknown recipe 'x' of task 'flights'. There is: tutorial."


def test_an_unknown_name_where_there_is_nothing_says_so():
    assert str(UnknownName("option", "engine", [], "backend 'torch'")).endswith("There is: none.")


def test_an_unknown_name_takes_known_names_that_can_be_read_once():
    assert "There is: a, b." in str(UnknownName("task", "x", iter("ba")))


def test_a_name_with_line_breaks_stays_on_one_line():
    assert "\n" not in str(UnknownName("task", "a\nb\r\nc", ["d"]))


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        ("InvalidSpec", ValueError),
        ("UnknownName", LookupError),
        ("PluginError", Exception),
        ("NotInstalled", Exception),
        ("StoreError", Exception),
    ],
)
def test_every_error_is_ours_and_of_the_kind_that_python_programs_expect(kind, builtin):
    assert issubclass(getattr(errors, kind), LSTMBenchError)
    assert issubclass(getattr(errors, kind), builtin)
