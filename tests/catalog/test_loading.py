import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from lstm_bench.catalog.loading import load_plugins
from lstm_bench.errors import PluginError, UnknownName

GOOD = """
from lstm_bench import BackendInfo, hookimpl

@hookimpl
def lstm_bench_backends():
    yield BackendInfo(name={name!r}, summary="for tests", load=None)
"""

HEAD = """
from lstm_bench import BackendInfo, hookimpl

def info(name):
    return BackendInfo(name=name, summary="", load=None)

"""


def hook(body, head="lstm_bench_backends()"):
    return f"{HEAD}@hookimpl\ndef {head}: {body}\n"


IN_HOOK = "(in lstm_bench_backends)"
BROKEN = {
    "a syntax error": ("def (", ["SyntaxError"]),
    "an import error": ("import no_such_package_xyz", ["ModuleNotFoundError", "no_such_package_xyz"]),
    "an error in its module": ("raise RuntimeError('boom\\nbang')", ["RuntimeError: boom bang"]),
    "no hook at all": ("", ["no function marked with lstm_bench.hookimpl"]),
    "a hook without its mark": ("def lstm_bench_backends(): return []", ["marked with lstm_bench.hookimpl"]),
    "a misspelt hook": (hook("return []", "lstm_bench_backend()"), ["unknown hook", "lstm_bench_backend"]),
    "a hook with an argument": (hook("return []", "lstm_bench_backends(x)"), ["lstm_bench_backends(x)"]),
    "a hook that raises": (hook("return 1 / 0"), ["ZeroDivisionError: division by zero", IN_HOOK]),
    "a hook that raises halfway": (hook("yield info('half'); 1 / 0"), ["ZeroDivisionError", IN_HOOK]),
    "a hook that gives nothing": (hook("pass"), ["TypeError", "NoneType", IN_HOOK]),
    "a thing of the wrong type": (hook("return ['numpy']"), ["gave str where BackendInfo belongs"]),
    "a name that is taken": (hook("return [info('numpy')]"), ["the name 'numpy' is taken"]),
    "a name twice": (hook("return [info('two'), info('two')]"), ["the name 'two' is taken"]),
    "a name with a space": (hook("return [info('my backend')]"), ["'my backend' may hold only letters"]),
    "a name with brackets": (hook("return [info('x[y=z]')]"), ["'x[y=z]' may hold only letters"]),
    "an empty name": (hook("return [info('')]"), ["the name '' may hold only letters"]),
    "a name that is no text": (hook("return [info(3)]"), ["3 may hold only letters", IN_HOOK]),
}

broken = pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)


@pytest.fixture(autouse=True)
def _forget_modules():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("stranger", "lstm_bench_plugin_")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(source, name="mine.py"):
        path = tmp_path / name
        path.write_text(source)
        return path

    return write


@pytest.fixture
def install(write, tmp_path, monkeypatch):
    """Make sources the only installed plugins, by name, beside the ones that this project brings."""
    ours = list(importlib.metadata.entry_points(group="lstm_bench"))
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(*plugins):
        points = []
        for number, (name, source) in enumerate(plugins):
            write(source, f"stranger_{number}.py")
            points.append(EntryPoint(name, f"stranger_{number}", "lstm_bench"))
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [*ours, *points])

    return install


def test_what_this_project_brings_is_found():
    plugins = load_plugins()
    assert {"numpy", "torch"} <= set(plugins.backends)
    assert "flights" in plugins.tasks
    assert {"table", "md", "latex", "csv", "json", "attempts-csv", "attempts-json"} <= set(plugins.reporters)
    assert plugins.failures == ()


def test_finding_plugins_imports_no_framework():
    code = (
        "import sys, lstm_bench.catalog.loading as p; p.load_plugins(); "
        "print(sorted(set(sys.modules) & {%r, %r, %r, %r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % ("torch", "tensorflow", "keras", "jax")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_names_are_sorted_and_lead_to_what_bears_them(write):
    plugins = load_plugins([write(GOOD.format(name="aaa"))])
    for infos in (plugins.backends, plugins.tasks, plugins.reporters):
        assert list(infos) == sorted(infos)
        assert all(info.name == name for name, info in infos.items())
    assert plugins.backend("aaa") is plugins.backends["aaa"]


@pytest.mark.parametrize(
    ("look_up", "message"),
    [
        (lambda plugins: plugins.backend("nunpy"), "unknown backend 'nunpy'. Did you mean 'numpy'?"),
        (lambda plugins: plugins.task("flight"), "unknown task 'flight'. Did you mean 'flights'?"),
        (lambda plugins: plugins.reporter("cvs"), "unknown format 'cvs'. Did you mean 'csv'?"),
    ],
    ids=["backend", "task", "format"],
)
def test_an_unknown_name_is_refused_with_the_nearest(look_up, message):
    with pytest.raises(UnknownName) as caught:
        look_up(load_plugins())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["mine", "my-backend", "my_backend", "Mine2"])
def test_a_file_is_a_plugin_beside_the_installed_ones(write, name):
    plugins = load_plugins([write(GOOD.format(name=name))])
    assert name in plugins.backends
    assert "numpy" in plugins.backends


def test_a_file_can_offer_everything_and_define_dataclasses(write):
    source = """
from __future__ import annotations
from dataclasses import dataclass
from lstm_bench import BackendInfo, ModelSpec, Recipe, ReporterInfo, TaskInfo, TrainSpec, hookimpl

RECIPE = Recipe(
    name="only", summary="", epochs=1, model=ModelSpec(input_size=1, hidden_sizes=(1,), output_size=1),
    train=TrainSpec(loss="mse", optimizer="sgd", learning_rate=1, batch_size=1),
)

@dataclass
class Thing:
    number: int

@hookimpl
def lstm_bench_backends(): return [BackendInfo(name="one", summary="", load=None)]

@hookimpl
def lstm_bench_tasks(): return [TaskInfo(name="one", summary="", metric=None, recipes=(RECIPE,), load=None)]

@hookimpl
def lstm_bench_reporters(): return [ReporterInfo(name="one", summary="", render=str)]
"""
    plugins = load_plugins([write(source)])
    assert "one" in plugins.backends
    assert "one" in plugins.tasks
    assert "one" in plugins.reporters


def test_several_files_are_plugins_together(write):
    files = [write(GOOD.format(name=name), f"{name}.py") for name in ("one", "two")]
    assert {"one", "two"} <= set(load_plugins(files).backends)


@broken
def test_a_file_that_cannot_be_used_is_an_error_that_names_it_in_one_line(write, source, message):
    path = write(source)
    with pytest.raises(PluginError) as caught:
        load_plugins([path])
    text = str(caught.value)
    assert text.startswith(f"plugin {path}: ")
    assert "\n" not in text
    for part in message:
        assert part in text


@broken
def test_an_installed_plugin_that_cannot_be_used_is_named_and_the_rest_still_work(install, source, message):
    install(("before", GOOD.format(name="before")), ("rotten", source), ("after", GOOD.format(name="after")))
    plugins = load_plugins()
    assert {"before", "after", "numpy", "torch"} <= set(plugins.backends)
    assert "flights" in plugins.tasks
    assert "csv" in plugins.reporters
    assert not set(plugins.backends) & {"half", "two", "my backend", ""}
    (failure,) = plugins.failures
    assert failure.startswith("plugin 'rotten' ")
    assert "is left out: " in failure
    assert "\n" not in failure
    for part in message:
        assert part in failure


def test_the_first_to_take_a_name_keeps_it(install):
    install(("first", GOOD.format(name="same")), ("second", GOOD.format(name="same").replace("for tests", "late")))
    plugins = load_plugins()
    assert plugins.backends["same"].summary == "for tests"
    assert len(plugins.failures) == 1
    assert "'second'" in plugins.failures[0]


def test_every_installed_plugin_that_fails_is_named(install):
    install(("one", "def ("), ("two", "import no_such_package_xyz"))
    assert [failure.split("'")[1] for failure in load_plugins().failures] == ["one", "two"]


def test_an_entry_point_of_which_there_is_no_module_is_named(monkeypatch):
    point = EntryPoint("gone", "no_such_package_xyz", "lstm_bench")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [point])
    plugins = load_plugins()
    assert plugins.failures == (
        "plugin 'gone' (no_such_package_xyz) is left out: ModuleNotFoundError: No module named 'no_such_package_xyz'",
    )
    assert plugins.backends == {}


def test_a_distribution_that_stands_on_the_path_twice_is_loaded_once(monkeypatch):
    twice = list(importlib.metadata.entry_points(group="lstm_bench")) * 2
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: twice)
    assert load_plugins().failures == ()


def test_two_installed_plugins_of_one_name_and_two_modules_are_not_one_silently(install):
    install(("same", GOOD.format(name="first")), ("same", GOOD.format(name="second")))
    plugins = load_plugins()
    assert "first" in plugins.backends
    assert "second" in plugins.backends or any("same" in failure for failure in plugins.failures)


def test_an_installed_plugin_that_leaves_the_interpreter_is_named(install):
    install(("rotten", "raise SystemExit(3)"))
    assert "'rotten'" in load_plugins().failures[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py", "there is no such file"),
        (".", "there is no such file"),
        ("plugin.txt", "its name must end in .py"),
        ("plugin", "its name must end in .py"),
    ],
)
def test_what_is_no_python_file_is_refused_by_name(write, tmp_path, name, message):
    for text in ("plugin.txt", "plugin"):
        write(GOOD.format(name="mine"), text)
    with pytest.raises(PluginError) as caught:
        load_plugins([tmp_path / name])
    assert str(caught.value).startswith(f"plugin {tmp_path / name}: ")
    assert message in str(caught.value)


def test_a_file_that_is_given_twice_is_refused_by_name(write):
    path = write(GOOD.format(name="mine"))
    with pytest.raises(PluginError, match=r"plugin .*mine\.py: "):
        load_plugins([path, path])


def test_a_file_that_failed_leaves_nothing_behind(write):
    path = write("raise RuntimeError('boom')")
    with pytest.raises(PluginError):
        load_plugins([path])
    assert "lstm_bench_plugin_mine" not in sys.modules
    path.write_text(GOOD.format(name="mine"))
    assert "mine" in load_plugins([path]).backends


def test_a_plugin_that_fails_in_one_hook_is_named_by_that_hook(install):
    source = GOOD.format(name="sound") + "\n@hookimpl\ndef lstm_bench_tasks(): return 1 / 0\n"
    install(("half", source))
    plugins = load_plugins()
    assert len(plugins.failures) == 1
    assert plugins.failures[0].endswith("ZeroDivisionError: division by zero (in lstm_bench_tasks)")
    assert "flights" in plugins.tasks
