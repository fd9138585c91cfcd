import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench import LSTMBenchError
from lstm_bench.catalog.choosing import Selector, parse_device, parse_selectors
from lstm_bench.errors import UnknownName
from lstm_bench.record.configuration import write_options


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("torch", Selector("torch", None, {})),
        ("my-backend_2", Selector("my-backend_2", None, {})),
        ("flights:tutorial", Selector("flights", "tutorial", {})),
        ("keras[engine=jax]", Selector("keras", None, {"engine": "jax"})),
        ("copy:long[delay=50,symbols=5]", Selector("copy", "long", {"delay": "50", "symbols": "5"})),
        ("copy[ delay = 50 , symbols = 5 ]", Selector("copy", None, {"delay": "50", "symbols": "5"})),
        ("copy[delay=50,]", Selector("copy", None, {"delay": "50"})),
        ("copy[expression=a=b]", Selector("copy", None, {"expression": "a=b"})),
        ("copy[file=/data/my file.csv]", Selector("copy", None, {"file": "/data/my file.csv"})),
        ("keras[]", Selector("keras", None, {})),
    ],
)
def test_every_form_of_a_selector_is_read(text, selector):
    assert parse_selectors(text) == [selector]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " torch",
        "torch ",
        "torch\n",
        ":tutorial",
        "flights:",
        "a:b:c",
        "a b",
        "a.b",
        "../a",
        "keras[",
        "keras]",
        "keras[engine=jax",
        "keras[engine=jax]]",
        "keras[[engine=jax]]",
        "keras[a=b]:recipe",
        "keras[a=b][c=d]",
        "[a=b]",
        "keras(engine=jax)",
        "a,b",
    ],
)
def test_a_malformed_selector_is_refused_and_the_message_says_how_to_write_one(text):
    with pytest.raises(LSTMBenchError) as caught:
        parse_selectors(text)
    assert str(caught.value) == (f"cannot read {text!r}: write NAME, NAME:RECIPE or NAME[option=value,option=value]")


@pytest.mark.parametrize("item", ["engine=", "=jax", "=", " "])
def test_a_malformed_option_is_named_and_the_message_says_how_to_write_one(item):
    with pytest.raises(LSTMBenchError) as caught:
        parse_selectors(f"keras[mode=fast,{item}]")
    assert str(caught.value) == f"cannot read {item!r} in 'keras[mode=fast,{item}]': write option=value"


def test_an_option_with_several_values_makes_a_selector_of_each_combination():
    assert parse_selectors("copy:long[delay=10, 20,10,symbols=5,cell=lstm,gru]") == [
        Selector("copy", "long", {"delay": delay, "symbols": "5", "cell": cell})
        for delay in ("10", "20")
        for cell in ("lstm", "gru")
    ]


@pytest.mark.parametrize("item", ["engine", "engine:jax"])
def test_a_value_without_an_option_is_refused(item):
    with pytest.raises(LSTMBenchError) as caught:
        parse_selectors(f"keras[{item},mode=fast]")
    assert str(caught.value) == f"cannot read {item!r} in 'keras[{item},mode=fast]': write option=value"


def test_an_option_that_is_given_twice_is_refused():
    with pytest.raises(LSTMBenchError, match=r"option 'a' is given twice in 'x\[a=1,a=2\]'"):
        parse_selectors("x[a=1,a=2]")


words = st.from_regex(r"[a-z0-9_-]+", fullmatch=True)


@given(name=words, recipe=st.none() | words, options=st.dictionaries(words, words))
def test_what_the_harness_writes_it_reads_again(name, recipe, options):
    text = name + (f":{recipe}" if recipe else "") + write_options(options, {})
    assert parse_selectors(text) == [Selector(name, recipe, options)]


@pytest.mark.parametrize(
    ("text", "device"),
    [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:11", "cuda:11"), ("mps", "mps:0")],
)
def test_devices_are_written_out_in_full(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize(
    ("text", "nearest"), [("cdua", "cuda"), ("cup", "cpu"), ("cuda:-1", "cuda:1"), ("CPU", None), ("", None)]
)
def test_an_unknown_device_is_refused_with_the_nearest_and_all_there_are(text, nearest):
    with pytest.raises(UnknownName) as caught:
        parse_device(text)
    hint = f"Did you mean {nearest!r}" if nearest else "There is: cpu, cuda,"
    assert str(caught.value).startswith(f"unknown device {text!r}. {hint}")
    assert "There is: cpu, cuda, cuda:0, cuda:1, mps, rocm, tpu." in str(caught.value)


@pytest.mark.parametrize("text", ["cpu:0", "cuda:", "cuda:x", "cuda:0 ", "cuda 0", "cuda:0:1", "gpu", "cuda\n"])
def test_what_only_looks_like_a_device_is_refused(text):
    with pytest.raises(UnknownName, match="unknown device"):
        parse_device(text)
