from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench import Choice, Flag, Integer, Integers, InvalidSpec, LSTMBenchError, Number, Option, Text
from lstm_bench.errors import PluginError, UnknownName
from lstm_bench.plugin.options import read_options

MODE = Choice(default="fast", meaning="how", choices=("fast", "slow"))
KINDS = {
    "mode": MODE,
    "unroll": Flag(default=False, meaning="whether"),
    "delay": Integer(default=20, meaning="how long", high=1000),
    "hidden": Integers(default=None, meaning="sizes", high=64),
    "scale": Number(default=1.0, meaning="how large", low=0.0, high=2.5),
    "file": Text(default="x.csv", meaning="what", pattern=r"\w+\.csv", described="a name that ends in .csv"),
}


def read(given, options=KINDS):
    return read_options(options, given, "backend 'x'")


def test_what_nobody_gives_is_the_default_sorted_by_name():
    options = read({})
    assert list(options) == sorted(KINDS)
    assert dict(options) == {name: option.default for name, option in KINDS.items()}
    assert options.written["hidden"] == ""


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("mode", "slow", "slow"),
        ("unroll", "true", True),
        ("unroll", "false", False),
        ("delay", "1", 1),
        ("delay", "1000", 1000),
        ("hidden", "64", (64,)),
        ("hidden", "64x8x1", (64, 8, 1)),
        ("scale", "2.5", 2.5),
        ("scale", "0", 0.0),
        ("file", "months.csv", "months.csv"),
    ],
)
def test_each_kind_reads_its_own(name, text, value):
    options = read({name: text})
    assert (options[name], getattr(options, name)) == (value, value)
    assert type(options[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("unroll", "True", "true or false"),
        ("unroll", "1", "true or false"),
        ("unroll", "on", "true or false"),
        ("delay", "0", "a whole number from 1 to 1000"),
        ("delay", "1001", "a whole number from 1 to 1000"),
        ("delay", "abc", "a whole number from 1 to 1000"),
        ("delay", "1.0", "a whole number from 1 to 1000"),
        ("delay", "007", "a whole number from 1 to 1000"),
        ("delay", "\N{FULLWIDTH DIGIT SEVEN}", "a whole number from 1 to 1000"),
        ("delay", "9" * 5000, "a whole number from 1 to 1000"),
        ("delay", "", "a whole number from 1 to 1000"),
        ("hidden", "64x", "a whole number from 1 to 64, or several as in 128x64x32"),
        ("hidden", "65", "a whole number from 1 to 64, or several as in 128x64x32"),
        ("scale", "nan", "a number from 0 to 2.5"),
        ("scale", "inf", "a number from 0 to 2.5"),
        ("scale", "-0.1", "a number from 0 to 2.5"),
        ("file", "months.txt", "a name that ends in .csv"),
    ],
)
def test_a_value_out_of_its_range_is_one_line_with_the_range(name, text, wanted):
    with pytest.raises(LSTMBenchError) as caught:
        read({name: text})
    assert str(caught.value) == f"option {name!r} of backend 'x' must be {wanted}; got {text!r}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mdoe": "fast"}, "unknown option 'mdoe' of backend 'x'. Did you mean 'mode'? There is: mode."),
        (
            {"mode": "slwo"},
            "unknown value 'slwo' of option 'mode' of backend 'x'. Did you mean 'slow'? There is: fast, slow.",
        ),
    ],
)
def test_an_unknown_option_or_word_is_named_with_the_nearest(given, message):
    with pytest.raises(UnknownName) as caught:
        read(given, {"mode": MODE})
    assert str(caught.value) == message


def test_a_plugin_without_options_has_none():
    assert dict(read({}, {})) == {}
    with pytest.raises(UnknownName, match=r"unknown option 'mode' of backend 'x'\. There is: none\."):
        read({"mode": "fast"}, {})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "mode": st.sampled_from(["fast", "slow"]),
            "unroll": st.booleans(),
            "delay": st.integers(1, 1000),
            "hidden": st.lists(st.integers(1, 64), min_size=1, max_size=4).map(tuple),
            "scale": st.floats(0, 2.5),
        },
    )
)
def test_what_is_written_is_read_as_it_was(values):
    options = read({name: KINDS[name].write(value) for name, value in values.items()})
    assert {name: options[name] for name in values} == values
    again = read(options.written)
    assert (again, hash(again), again.written) == (options, hash(options), options.written)


def test_options_cannot_be_changed():
    options = read({})
    with pytest.raises(AttributeError):
        options.mode = "slow"
    with pytest.raises(TypeError):
        options.written["mode"] = "slow"
    with pytest.raises(AttributeError, match="there is no option 'speed'"):
        options.speed  # noqa: B018


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Choice, {"default": "c", "choices": ("a", "b")}),
        (Integer, {"default": 7, "high": 6}),
        (Integers, {"default": (1, 0)}),
        (Number, {"default": 3.0, "low": 0.0, "high": 1.0}),
        (Text, {"default": "", "pattern": ".+"}),
    ],
)
def test_a_default_that_nobody_could_write_is_refused(kind, given):
    with pytest.raises(InvalidSpec, match="the default of an option must be"):
        kind(meaning="", **given)


def test_an_option_without_a_kind_is_told_what_has_changed():
    with pytest.raises(PluginError, match=r"Option has kinds since lstm-bench 0\.2: .*Migrating a plugin"):
        Option(default="fast", meaning="how", choices=("fast", "slow"))
