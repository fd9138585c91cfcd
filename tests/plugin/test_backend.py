import sys

import pytest

from builders import NOT_THERE, a_backend_info, a_model, a_training
from lstm_bench import ABILITIES, Backend, BackendInfo, Choice, Flag, InvalidSpec, Model, Setting, Unsupported
from lstm_bench.plugin.backend import build_or_refuse, if_supported, load_backend


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
    ("kind", "promises"), [(Backend, {"versions", "devices", "build"}), (Model, {"put", "get", "infer", "parameters"})]
)
def test_what_breaks_a_promise_says_at_construction_which_methods_are_missing(kind, promises):
    for method in promises:
        almost = type("Almost", (kind,), dict.fromkeys(promises - {method}, lambda self: None))
        with pytest.raises(TypeError, match=rf"\b{method}\b"):
            almost()


def least(kind, *methods, **more):
    return type("Least", (kind,), dict.fromkeys(methods, lambda self: None) | more)()


BACKEND, MODEL = ("versions", "devices", "build"), ("put", "get", "infer", "parameters")


def test_the_promised_methods_are_enough():
    assert least(Backend, *BACKEND).refuses(None, None, Setting("float32")) is None
    assert least(Model, *MODEL).synchronize() is None


@pytest.mark.parametrize("method", [method for methods in ABILITIES.values() for method in methods])
def test_every_ability_that_is_left_out_says_so_with_a_reason(method):
    owner, _, name = method.partition(".")
    thing = least(Backend, *BACKEND) if owner == "Backend" else least(Model, *MODEL)
    given = {"train": 3, "gradients": 2, "differentiate": 2, "input_gradient": 2, "states": 1, "kernel_path": 1}
    given |= {"product": 2, "peak_device_memory": 1}
    with pytest.raises(Unsupported, match=r"the (backend|framework) "):
        getattr(thing, name)(*[None] * given.get(name, 0))


def test_an_ability_that_there_is_not_is_named_with_those_that_there_are():
    with pytest.raises(InvalidSpec, match=r"backend 'x' has no ability 'trian'; there is: train, "):
        a_backend_info("x", abilities=("trian",))


@pytest.mark.parametrize("name", ["learning-rate", "class", "_own", "get", "written"])
def test_an_option_that_no_plugin_could_read_as_an_attribute_is_refused(name):
    with pytest.raises(InvalidSpec, match=f"option {name!r} of backend 'x' must be a Python name"):
        a_backend_info("x", options={name: Flag(default=False, meaning="")})


def test_packages_of_an_option_are_missing_where_it_is_chosen():
    engine = Choice(default="a", meaning="", choices=("a", "b"), requires={"b": (NOT_THERE,)})
    info = a_backend_info("x", options={"engine": engine})
    assert info.missing() == ()
    assert info.missing(info.read({"engine": "b"})) == (NOT_THERE,)


def test_what_a_backend_refuses_is_not_built():
    never = least(Backend, *BACKEND, refuses=lambda self, spec, train, setting: f"no {setting.precision}")
    with pytest.raises(Unsupported, match="no bfloat16"):
        build_or_refuse(never, a_model(), a_training(), {}, Setting("bfloat16"), seed=0)


def test_only_a_refusal_is_none():
    def refuse():
        raise Unsupported("no")

    assert if_supported(refuse) is None
    assert if_supported(lambda: 0) == 0
    with pytest.raises(ZeroDivisionError):
        if_supported(lambda: 1 / 0)


def test_what_is_no_backend_is_named():
    with pytest.raises(Exception, match="load of backend 'x' gave int"):
        load_backend(a_backend_info("x", load=lambda: 3))
