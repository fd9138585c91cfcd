from pathlib import Path

import numpy as np
import pytest

from lstm_bench.errors import InvalidRequest
from lstm_bench.execute import arguments


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("torch", ("torch",)),
        (["torch", "numpy"], ("torch", "numpy")),
        (64, ("64",)),
        ([64, "128x64", np.int64(3)], ("64", "128x64", "3")),
        ([0.001, np.float64(0.25), 1e-5], ("0.001", "0.25", "1e-05")),
        ((True, False), ("true", "false")),
        (range(2), ("0", "1")),
        ((name for name in "ab"), ("a", "b")),
        ((), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_become_the_text_that_users_type(given, texts):
    assert arguments.texts("axes", given) == texts


@pytest.mark.parametrize(
    "given", [None, {"a": 1}, [None], [("a",)], [1j], object()], ids=lambda value: type(value).__name__
)
def test_what_is_neither_text_nor_a_number_is_refused_by_the_arguments_name(given):
    with pytest.raises(InvalidRequest, match=r"^lengths must "):
        arguments.texts("lengths", given)


def test_seeds_may_be_an_array_but_no_single_number():
    assert arguments.seeds(np.arange(3)) == (0, 1, 2)
    assert all(type(seed) is int for seed in arguments.seeds(np.arange(3)))
    with pytest.raises(InvalidRequest, match=r"such as range\(3\); got 3"):
        arguments.seeds(3)


@pytest.mark.parametrize(
    ("given", "plain"), [(np.int64(3), 3), (3, 3), (True, True), (1.5, 1.5), (None, None), ("9", "9")]
)
def test_only_whole_numbers_are_made_plain(given, plain):
    made = arguments.whole(given)
    assert (made, type(made)) == (plain, type(plain))


@pytest.mark.parametrize(
    ("where", "selections"),
    [
        ((), []),
        ({"backend": "torch", "hidden": 64}, [{"backend": "torch", "hidden": "64"}]),
        ([{"backend": "torch"}, {}], [{"backend": "torch"}, {}]),
    ],
    ids=str,
)
def test_a_selection_is_a_mapping_or_several(where, selections):
    assert arguments.selections(where) == selections


@pytest.mark.parametrize("where", ["backend=torch", ["backend=torch"], 3, {"backend": None}], ids=str)
def test_what_is_no_selection_is_refused(where):
    with pytest.raises(InvalidRequest, match=r"^where"):
        arguments.selections(where)


def test_a_path_is_text_or_a_path():
    assert arguments.path("results", "a/b") == arguments.path("results", Path("a/b")) == Path("a/b")
    with pytest.raises(InvalidRequest, match="results must be a path; got 3"):
        arguments.path("results", 3)
