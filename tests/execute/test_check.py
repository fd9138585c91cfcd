from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_bench.conformance.cases import draw_case
from lstm_bench.version import pip_line

pytestmark = pytest.mark.one_interpreter

COMMAND = Path(sys.executable).with_name("lstm-bench")
WRONG = Path(__file__).parents[1] / "zoo" / "wrong_backends.py"

DIES = """
import os
from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy._model import NumpyBackend


class Dies(NumpyBackend):
    def build(self, spec, train, parameters, setting, *, seed):
        if spec.cell == "gru":
            os.abort()
        if spec.cell == "rnn":
            raise ValueError("no rnn here")
        return super().build(spec, train, parameters, setting, seed=seed)


@hookimpl
def lstm_bench_backends():
    yield BackendInfo(name="dies", summary="in every GRU", load=Dies)
"""


PICKY = """
from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy._model import NumpyBackend, NumpyModel


class Widens(NumpyModel):
    def infer(self, x):
        logits = super().infer(x)
        return logits.astype("float64") if self._spec.bidirectional else logits


class Picky(NumpyBackend):
    def refuses(self, spec, train, setting):
        return "one output is too few" if spec.output_size == 1 else None

    def build(self, spec, train, parameters, setting, *, seed):
        if spec.cell == "gru" and len(spec.hidden_sizes) > 1:
            raise ValueError(f"{sum(spec.hidden_sizes)} units are too many, {spec.input_size} features are not")
        if spec.cell == "gru" and spec.input_size == 1:
            raise ValueError("too little comes in")
        return Widens(spec, train, parameters, setting.precision, 0)


@hookimpl
def lstm_bench_backends():
    yield BackendInfo(name="picky", summary="about sizes", load=Picky)
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def check(*arguments):
    return subprocess.run([COMMAND, "check", *map(str, arguments)], capture_output=True, text=True)


def test_a_right_backend_agrees_and_its_errors_are_shown():
    done = check("-b", "numpy", "--cases", 6)
    assert done.returncode == 0, done.stderr
    assert "numpy (cpu, float32)  agrees: 6 cases" in done.stdout
    assert "numpy in float64 is the reference itself" in done.stdout
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()]
    for quantity in ("outputs", "final h", "logits", "loss", "dW_ih", "dW_hh", "dx", "parameters after 20 steps"):
        assert rows.count(quantity) == 2


def test_a_wrong_backend_is_named_with_the_command_that_shows_it_again():
    done = check("--plugin", WRONG, "-b", "sums-over-the-batch", "-b", "unchanged", "--cases", 6)
    assert done.returncode == 1
    assert "unchanged (cpu, float64)  agrees: 6 cases" in done.stdout
    wrong = sum(draw_case(0, number).train.batch_size > 1 for number in range(6))
    assert f"sums-over-the-batch (cpu, float64)  disagrees: 6 cases, wrong in {wrong}" in done.stdout
    assert "disagrees: gradient of " in done.stdout
    assert (
        "sums-over-the-batch (cpu, float64): it matches if its gradients are those of the sum over the batch"
        in done.stdout
    )
    again = next(line for line in done.stdout.splitlines() if line.startswith("again: lstm-bench check"))
    repeated = check(*shlex.split(again)[3:])
    assert repeated.returncode == 1
    assert "disagrees: 1 case, wrong in 1" in repeated.stdout


def test_a_case_that_kills_the_worker_is_a_failure_and_the_others_still_run(tmp_path):
    (tmp_path / "dies.py").write_text(DIES)
    done = check("--plugin", "dies.py", "-b", "dies", "--precision", "float32", "--cases", 12, "--format", "json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert (found["verdict"], found["status"]) == ("disagrees", "ok")
    by_number = {case["number"]: case for case in found["cases"]}
    assert sorted(by_number) == list(range(12))
    for number, case in by_number.items():
        faults = {0: [], 1: [f"killed in case {number} by SIGABRT"], 2: ["raised ValueError: no rnn here"]}
        assert case["faults"] == faults[number % 3]


def first(holds):
    """The first case of whose model this holds."""
    return next(case for case in (draw_case(0, number) for number in range(60)) if holds(case.model))


@pytest.mark.parametrize(
    ("case", "fault", "kept"),
    [
        (
            first(lambda model: model.cell == "gru" and len(model.hidden_sizes) > 1 and model.output_size > 1),
            r"raised ValueError: (\d+) units are too many, (\d+) features are not",
            {"cell": "gru", "hidden_sizes": [1, 1]},
        ),
        (
            first(lambda model: model.cell == "rnn" and model.bidirectional and model.output_size > 1),
            "logits: is float64, not float32",
            {"cell": "rnn", "hidden_sizes": [1], "bidirectional": True},
        ),
    ],
    ids=["raised, with numbers", "another dtype"],
)
def test_of_what_only_misbehaves_the_smallest_case_is_looked_for_too(tmp_path, case, fault, kept):
    (tmp_path / "picky.py").write_text(PICKY)
    picky = ("--plugin", "picky.py", "-b", "picky", "--precision", "float32", "--format", "json")
    (found,) = json.loads(check(*picky, "--case", case).stdout)
    assert re.fullmatch(fault, found["cases"][0]["faults"][0])
    assert found["diagnosis"] is None
    assert json.loads(found["smallest"])["model"] == {"input_size": 1, "output_size": 2, "bias": False} | kept
    (again,) = json.loads(check(*picky, "--case", found["smallest"]).stdout)
    assert re.fullmatch(fault, again["cases"][0]["faults"][0])
    assert again["smallest"] == found["smallest"]


def test_the_command_is_of_the_failure_that_is_told(tmp_path):
    (tmp_path / "dies.py").write_text(DIES)
    done = check("--plugin", "dies.py", "-b", "dies", "--precision", "float32", "--cases", 3)
    assert "dies (cpu, float32): case 2: raised ValueError: no rnn here" in done.stdout
    again = next(line for line in done.stdout.splitlines() if line.startswith("again: "))
    assert json.loads(shlex.split(again)[-1])["model"]["cell"] == "rnn"


def test_without_hypothesis_the_case_is_shown_as_it_is(tmp_path):
    (tmp_path / "dies.py").write_text(f"import sys\nsys.modules['hypothesis'] = None\n{DIES}")
    case = first(lambda model: model.cell == "rnn")
    done = check("--plugin", "dies.py", "-b", "dies", "--precision", "float32", "--case", case)
    assert f"no smaller case was looked for: {pip_line('check')}" in done.stdout
    assert str(case) in done.stdout


def test_what_nothing_explains_is_said_to_be_so():
    done = check("--plugin", WRONG, "-b", "scales-gradients-oddly", "--cases", 3, "--precision", "float64")
    assert "scales-gradients-oddly (cpu, float64): no known confusion explains it" in done.stdout


def test_what_is_refused_is_left_out_with_the_reason():
    done = check("--plugin", WRONG, "-b", "refuses-everything", "--cases", 1, "--precision", "float64")
    assert done.returncode == 1
    (units,) = draw_case(0, 0).model.hidden_sizes
    assert (
        f"refuses-everything (cpu, float64): left out in 1 case: this zoo has no lstm of {units} units" in done.stdout
    )


def test_markdown_is_markdown():
    done = check("-b", "numpy", "--cases", 1, "--precision", "float32", "--format", "md")
    assert "### float32" in done.stdout
    assert "| quantity | numpy |\n| --- | ---: |\n| outputs | " in done.stdout
    assert re.search(r"\| dW\\_ih \| \d\.\de-\d\d \((&lt;1|\d+)%\) \|", done.stdout)
    assert "| cases | 1 |" in done.stdout


def test_markdown_shows_in_full_what_disagrees():
    arguments = ("--plugin", WRONG, "-b", "sums-over-the-batch", "-b", "unchanged", "--precision", "float64")
    done = check(*arguments, "--cases", 3, "--format", "md")
    assert done.returncode == 1
    assert "| quantity | sums-over-the-batch | unchanged |" in done.stdout
    assert "### sums-over-the-batch (cpu, float64)" in done.stdout
    assert "### unchanged" not in done.stdout
    assert "it matches if its gradients are those of the sum over the batch" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-b", "nunpy"], "Did you mean 'numpy'?"),
        (["-b", "numpy:recipe"], "a backend has no recipes"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--case", "{"], "cannot read the case '{'"),
        (["--cases", "0"], "--cases"),
        (["--plugin", "nowhere.py"], "there is no such file"),
    ],
)
def test_a_wrong_command_is_one_line_and_nothing_runs(arguments, words):
    done = check(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_said():
    done = check("-b", "numpy", "--device", "cuda:7", "--precision", "float32")
    assert done.returncode == 1
    assert "numpy sees no device 'cuda:7' on this machine; it sees: cpu" in done.stdout


GIBBERS = """
import os
from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy._model import NumpyBackend


class Gibbers(NumpyBackend):
    def devices(self):
        for number in os.listdir("/proc/self/fd"):
            if int(number) > 2:
                try:
                    os.write(int(number), b"gibberish\\n")
                except OSError:
                    pass
        return super().devices()


@hookimpl
def lstm_bench_backends():
    yield BackendInfo(name="gibbers", summary="on every pipe", load=Gibbers)
"""


def test_an_answer_that_cannot_be_read_is_said_to_be_so(tmp_path):
    (tmp_path / "gibbers.py").write_text(GIBBERS)
    done = check("--plugin", "gibbers.py", "-b", "gibbers", "--precision", "float32", "--cases", 2)
    assert done.returncode == 1
    assert "gibbers (cpu, float32): invalid-output: the worker's answer cannot be read" in done.stdout
    assert "Traceback" not in done.stderr
