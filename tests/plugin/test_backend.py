import sys

import pytest

from builders import NOT_THERE, a_backend_info
from lstm_bench import Backend, BackendInfo, Model, Option, Unsupported
from lstm_bench.errors import UnknownName
from lstm_bench.plugin.backend import resolve_options

OPTIONS = {
    "mode": Option(default="fast", meaning="how", choices=("fast", "slow")),
    "engine": Option(default="jax", meaning="what"),
}


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ({}, {"engine": "jax", "mode": "fast"}),
        ({"mode": "slow"}, {"engine": "jax", "mode": "slow"}),
        ({"mode": "slow", "engine": "anything at all"}, {"engine": "anything at all", "mode": "slow"}),
    ],
)
def test_options_are_given_or_default_and_sorted_by_name(given, resolved):
    assert list(resolve_options(OPTIONS, given, "backend 'x'").items()) == list(resolved.items())


def test_no_options_resolve_to_none():
    assert resolve_options({}, {}, "backend 'x'") == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mdoe": "fast"}, "unknown option 'mdoe' of backend 'x'. Did you mean 'mode'? There is: engine, mode."),
        (
            {"mode": "slwo"},
            "unknown value 'slwo' of option 'mode' of backend 'x'. Did you mean 'slow'? There is: fast, slow.",
        ),
    ],
)
def test_an_unknown_option_or_value_is_named_with_the_nearest(given, message):
    with pytest.raises(UnknownName) as caught:
        resolve_options(OPTIONS, given, "backend 'x'")
    assert str(caught.value) == message


def test_an_option_of_a_backend_without_any_is_unknown():
    with pytest.raises(UnknownName, match=r"unknown option 'mode' of backend 'x'\. There is: none\."):
        resolve_options({}, {"mode": "fast"}, "backend 'x'")


@pytest.mark.parametrize(
    ("requires", "missing"),
    [((), ()), (("numpy",), ()), ((NOT_THERE, "numpy", "also_missing_xyz"), (NOT_THERE, "also_missing_xyz"))],
)
def test_missing_packages_are_named_in_order(requires, missing):
    assert a_backend_info("x", requires=requires).missing() == missing


def test_what_is_missing_is_found_out_without_importing_anything(tmp_path, monkeypatch):
    package = tmp_path / "a_framework_that_is_slow_to_import"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert a_backend_info("x", requires=(package.name,)).missing() == ()
    assert package.name not in sys.modules


def test_a_backend_asks_for_no_environment_by_default():
    assert a_backend_info("x").environ({}, 2, "cpu") == {}


def test_an_info_is_given_by_name_only_and_cannot_be_changed():
    with pytest.raises(TypeError, match="positional"):
        BackendInfo("x", "summary", None)
    with pytest.raises(AttributeError):
        a_backend_info("x").name = "y"


@pytest.mark.parametrize(
    ("kind", "promises"),
    [
        (Backend, {"versions", "devices", "build"}),
        (Model, {"put", "get", "infer", "train", "gradients", "states", "parameters"}),
    ],
)
def test_what_breaks_a_promise_says_at_construction_which_methods_are_missing(kind, promises):
    for method in promises:
        almost = type("Almost", (kind,), dict.fromkeys(promises - {method}, lambda self: None))
        with pytest.raises(TypeError, match=rf"\b{method}\b"):
            almost()


def test_the_promised_methods_are_enough_and_the_rest_has_a_meaning():
    backend = type("Least", (Backend,), dict.fromkeys(("versions", "devices", "build"), lambda self: None))()
    assert backend.refuses(None, None, precision="float32", device="cpu", options={}) is None
    assert backend.peak_device_memory("cpu") is None
    methods = ("put", "get", "infer", "train", "gradients", "states", "parameters")
    model = type("Least", (Model,), dict.fromkeys(methods, lambda self: None))()
    assert model.native_parameter_count() is None
    assert model.synchronize() is None
    assert model.kernel_path(None) == ""
    with pytest.raises(Unsupported, match="no gradient alone to be timed"):
        model.differentiate(None, None)
