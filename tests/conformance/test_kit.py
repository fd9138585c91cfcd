"""``pytest --pyargs lstm_bench.conformance``, run as the author of a plugin runs it, outside of this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance import test_abilities, test_agreement, test_dropout, test_lifetime, test_model

FAULTS = Path(__file__).parents[1] / "zoo" / "fault_backends.py"
ZOO = Path(__file__).parents[1] / "zoo" / "wrong_backends.py"
BROKEN = ZOO.with_name("broken_promises.py")
MODULES = (test_abilities, test_agreement, test_dropout, test_lifetime, test_model)
AGREES = "test_it_agrees_with_the_reference"
PROMISES = {name for module in MODULES for name in vars(module) if name.startswith("test_")} - {AGREES}
BREAKS = tuple(load_plugins([BROKEN]).backends.keys() - load_plugins().backends.keys())

PLUGIN = """
import lstm_bench_numpy
from lstm_bench import BackendInfo, Choice, Unsupported, hookimpl
from lstm_bench_numpy._model import NumpyBackend


class Modest(NumpyBackend):
    def refuses(self, spec, train, setting):
        if setting.precision == "float64":
            return "no float64 here"
        if spec.cell == "gru":
            return f"no gru in {setting.options.flavour}"
        return super().refuses(spec, train, setting)

    def build(self, spec, train, parameters, setting, *, seed):
        import os
        assert os.environ["MODEST_FLAVOUR"] == setting.options.flavour
        if spec.cell == "rnn" and spec.bidirectional:
            raise Unsupported("an rnn reads forwards only")
        return super().build(spec, train, parameters, setting, seed=seed)


def load():
    import os
    assert os.environ["MODEST_FLAVOUR"], "the environment is set before anything is imported"
    return Modest()


@hookimpl
def lstm_bench_backends():
    (numpy,) = lstm_bench_numpy.lstm_bench_backends()
    yield BackendInfo(
        name="modest", summary="some of it", load=load, abilities=numpy.abilities,
        options={"flavour": Choice(default="vanilla", meaning="which", choices=("vanilla", "lemon"))},
        environ=lambda options, threads, device: {"MODEST_FLAVOUR": options.flavour},
    )
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder for what the runs of this module compile: each after the first takes half the time."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def kit(tmp_path, compiled):
    (tmp_path / "modest.py").write_text(PLUGIN)

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "lstm_bench.conformance"]
        environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}
        return subprocess.run(
            [*command, *map(str, arguments)], cwd=tmp_path, env=environ, capture_output=True, text=True
        )

    return run


def counts(done):
    return {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}


def test_the_reference_passes_it(kit):
    done = kit("--backend", "numpy", "--cases", 6, "-rs")
    assert done.returncode == 0, done.stdout
    assert "lstm-bench: numpy on cpu in float32 and float64, 6 cases of seed 0" in done.stdout
    assert set(counts(done)) == {"passed", "skipped"}
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE)
    missing = ("parameter_count", "compile_seconds", "device_memory")
    assert set(reasons) == {
        *(f"the backend does not declare {ability!r}" for ability in missing),
        *(f"NumPy has no {precision}" for precision in ("tf32", "bfloat16")),
    }


def test_a_file_is_enough_and_what_it_refuses_is_skipped_with_the_reason(kit):
    done = kit("--plugin", "modest.py", "--cases", 18, "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    found = counts(done)
    assert found["skipped"] >= 18 + 6
    assert found["passed"] > 10
    for reason in ("no float64 here", "no gru in vanilla", "an rnn reads forwards only"):
        assert reason in done.stdout


def test_options_of_the_backend_are_options_here(kit):
    done = kit("--plugin", "modest.py", "--backend", "modest[flavour=lemon]", "--cases", 3, "-rs")
    assert done.returncode == 0, done.stdout
    assert "no gru in lemon" in done.stdout


def test_what_is_wrong_is_named_with_the_case(kit):
    done = kit("--plugin", ZOO, "--backend", "sums-over-the-batch", "--precision", "float64", "--cases", 2)
    assert done.returncode == 1
    assert "it matches if its gradients are those of the sum over the batch" in done.stdout
    assert re.search(r"the case: \{\"model\":\{.*\}", done.stdout)
    assert re.search(r"dW_ih: gradient of \S+ is off by \S+; 1.0e-11 is allowed", done.stdout)


def promise_of(name):
    """The kit's test that must catch a backend of the zoo."""
    return name.partition("--")[0].replace("-", "_")


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_every_promise_can_be_broken(kit, name):
    test = promise_of(name)
    done = kit("--plugin", BROKEN, "--backend", name, "--precision", "float64", "--cases", 1, "-k", test)
    assert done.returncode == 1, done.stdout
    assert re.search(rf"FAILED .*::{test}\b", done.stdout), done.stdout


def test_a_broken_promise_is_known_for_each_of_them():
    assert len(PROMISES) > 20
    assert set(map(promise_of, BREAKS)) == PROMISES


def test_every_module_of_the_kit_is_among_them():
    files = Path(test_model.__file__).parent.glob("test_*.py")
    assert {file.stem for file in files} == {module.__name__.rpartition(".")[2] for module in MODULES}


def test_an_expected_failure_is_no_failure(kit, tmp_path):
    expected = tmp_path / "expected.txt"
    expected.write_text("# of the adopter\n\ntest_it_agrees_with_the_reference[float64-*] gradients are summed\n")
    arguments = ("--plugin", ZOO, "--backend", "sums-over-the-batch", "--precision", "float64", "--cases", 2)
    done = kit(*arguments, "--expected-failures", expected, "-k", "agrees", "-rx")
    assert done.returncode == 0, done.stdout
    assert counts(done)["xfailed"] == 2
    assert "gradients are summed" in done.stdout


def test_an_expected_failure_that_passes_is_one(kit, tmp_path):
    expected = tmp_path / "expected.txt"
    expected.write_text("test_two_models_share_nothing they did once\n")
    done = kit("--backend", "numpy", "--cases", 1, "--expected-failures", expected)
    assert done.returncode == 1
    assert "[XPASS(strict)] they did once" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a comment\ntest_it_agrees_with_the_reference[float16-*] it was so\n", ":2: no test has this name"),
        ("test_two_models_share_nothing\n", ":1: say after the test's name why it fails"),
        (None, "cannot read --expected-failures"),
    ],
)
def test_a_list_of_expected_failures_has_to_be_right(kit, tmp_path, text, message):
    expected = tmp_path / "expected.txt"
    if text is not None:
        expected.write_text(text)
    done = kit("--backend", "numpy", "--cases", 1, "--expected-failures", expected)
    assert done.returncode == 4, done.stdout
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which backend? none was named: say --backend NAME"),
        (("--backend", "nunpy"), "Did you mean 'numpy'?"),
        (("--backend", "numpy[fast=true]"), "unknown option 'fast'"),
        (("--plugin", str(FAULTS), "--backend", "segfault[moment=load,build]"), "is 2 backends: the kit takes one"),
        (("--plugin", "missing.py"), "there is no such file"),
        (("--plugin", str(ZOO)), "which backend? --plugin offers"),
        (("--backend", "numpy", "--device", "gpu"), "unknown device 'gpu'"),
        (("--backend", "numpy", "--cases", "0"), "--cases"),
    ],
)
def test_a_wrong_command_is_one_line(kit, arguments, message):
    done = kit(*arguments)
    assert done.returncode == 4
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_elsewhere_pytest_knows_none_of_its_options(tmp_path):
    (tmp_path / "test_own.py").write_text(
        "def test_own(pytestconfig):\n    assert pytestconfig.option.backend == 'mine'\n"
    )
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--backend')\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--backend", "mine", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
