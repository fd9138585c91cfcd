import dataclasses

import pytest

from lstm_bench import LSTMBenchError
from lstm_bench.errors import InvalidRequest, UnknownName
from lstm_bench.execute.request import LONGEST_TIMEOUT, Request
from lstm_bench.host.machine import usable_cores
from lstm_bench.record.configuration import EFFORTS


def test_everything_has_a_default():
    request = Request()
    assert (request.devices, request.precisions, request.seeds) == (("cpu",), ("float32",), (0,))
    assert (request.effort, request.timeout, request.threads) == (EFFORTS["default"], 900.0, None)


def test_a_request_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Request().epochs = 3


@pytest.mark.parametrize(
    "given",
    [
        {"seeds": range(3)},
        {"seeds": (2**63 - 1,)},
        {"threads": usable_cores()},
        {"epochs": 1, "steps": 10**9},
        {"timeout": LONGEST_TIMEOUT},
        {"timeout": 1},
        {"axes": {"hidden": (), "cell": ["gru"]}},
        {"lengths": ("10",)},
    ],
    ids=str,
)
def test_what_makes_sense_is_taken(given):
    assert {name: getattr(Request(**given), name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"backends": "torch"}, "backends must be a list of texts; got 'torch'"),
        ({"backends": (3,)}, "backends must be text; got 3"),
        ({"tasks": None}, "tasks must be a list of texts; got None"),
        ({"lengths": (10,)}, "lengths must be text; got 10"),
        ({"axes": {"hidden": (64,)}}, "axes['hidden'] must be text; got 64"),
        ({"devices": ()}, "devices must not be empty"),
        ({"precisions": ()}, "precisions must not be empty"),
        ({"seeds": ()}, "seeds must not be empty"),
        ({"seeds": (-1,)}, "seeds must be a whole number from 0 to 9223372036854775807; got -1"),
        ({"seeds": (True,)}, "seeds must be a whole number from 0 to 9223372036854775807; got True"),
        ({"epochs": 0}, "epochs must be a whole number from 1 to 1000000; got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number from 1 to 1000000; got 1.5"),
        ({"steps": "9"}, "steps must be a whole number from 1 to 1000000000; got '9'"),
        ({"threads": 0}, "threads must be a whole number from 1 to 4096; got 0"),
        ({"threads": 10**6}, "threads must be a whole number from 1 to 4096; got 1000000"),
        ({"threads": 4096}, f"threads 4096 is more than the {usable_cores()} cores that this process may use"),
        ({"require_kernel": "\udcff"}, r"require_kernel must be in UTF-8; got '\udcff'"),
        ({"require_kernel": None}, "require_kernel must be text; got None"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds above 0, up to 10000000; got nan"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, up to 10000000; got 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0, up to 10000000; got inf"),
        ({"timeout": "9"}, "timeout must be a number of seconds above 0, up to 10000000; got '9'"),
        ({"timeout": True}, "timeout must be a number of seconds above 0, up to 10000000; got True"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_field(given, message):
    with pytest.raises(InvalidRequest) as caught:
        Request(**given)
    assert str(caught.value) == message
    assert isinstance(caught.value, LSTMBenchError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"axes": {"hiden": ()}}, "unknown axis 'hiden'. Did you mean 'hidden'? There is: "),
        ({"precisions": ("float23",)}, "unknown precision 'float23'. Did you mean 'float32'? There is: "),
    ],
    ids=str,
)
def test_an_unknown_name_is_refused_with_the_nearest(given, message):
    with pytest.raises(UnknownName) as caught:
        Request(**given)
    assert str(caught.value).startswith(message)
