"""A plugin for lstm-bench 0.1 is refused with one line that says what changed, and where to read on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_bench.record.store import read_folder

ROOT = Path(__file__).parents[2]
OLD = ROOT / "tests" / "fixtures" / "plugins-0.1"
SECTION = 'see "Migrating a plugin" in CHANGELOG.md'

BACKEND = (
    "backend 'pergate' was written for lstm-bench 0.1: since 0.2, build and refuses take one setting in place of "
    f"precision, device and options, {SECTION}"
)
TASK = (
    f"plugin {OLD / 'adding.py'}: Option has kinds since lstm-bench 0.2: write Choice, Flag, Integer, Integers, Number "
    f"or Text in its place, {SECTION} (in lstm_bench_tasks)"
)


def run(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "130"},
        capture_output=True,
        text=True,
        check=False,
    )


def lstm_bench(*words, cwd):
    return run("lstm_bench", *words, cwd=cwd)


@pytest.mark.parametrize(
    "words", [["run", "-b", "numpy", "--task", "adding", "--quick"], ["list"], ["check", "--backend", "numpy"]]
)
def test_an_old_task_is_one_line_when_it_is_loaded(words, tmp_path):
    done = lstm_bench(*words, "--plugin", OLD / "adding.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lstm-bench: error: {TASK}\n")


def test_an_old_backend_is_an_unsupported_row_with_the_reason(tmp_path):
    words = ["run", "-b", "pergate", "--plugin", OLD / "pergate.py", "--quick", "--results", tmp_path / "results"]
    done = lstm_bench(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert f"pergate: unsupported: {BACKEND}" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    ((attempt,), problems) = read_folder(tmp_path / "results")
    assert (attempt.status, attempt.reason, problems) == ("unsupported", BACKEND, [])


def test_a_check_of_an_old_backend_gives_the_reason(tmp_path):
    words = ["check", "--backend", "pergate", "--plugin", OLD / "pergate.py", "--precision", "float64"]
    done = lstm_bench(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"pergate (cpu, float64): unsupported: {BACKEND}\n"


def test_the_kit_gives_the_reason(tmp_path):
    words = ["-p", "no:cacheprovider", "-q", "--pyargs", "lstm_bench.conformance", "--plugin", OLD / "pergate.py"]
    done = run("pytest", *words, cwd=tmp_path)
    assert done.returncode == 1
    reasons = re.findall(r"^ERROR \S+ - (.*)$", done.stdout, re.MULTILINE)
    assert set(reasons) == {f"Failed: {BACKEND}"}
    assert " passed" not in done.stdout


def test_the_kit_does_not_begin_with_an_old_task(tmp_path):
    words = ["-p", "no:cacheprovider", "--pyargs", "lstm_bench.conformance", "--plugin", OLD / "adding.py"]
    done = run("pytest", *words, cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.strip() == f"ERROR: {TASK}"


def test_the_section_is_there_and_names_what_the_old_plugins_use():
    (section,) = re.findall(r"(?ms)^### Migrating a plugin\n(.*?)^## ", (ROOT / "CHANGELOG.md").read_text())
    rows = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    assert all(len(row) == 2 for row in rows)
    old = " ".join(before for before, _ in rows)
    for name in (
        "build(",
        "refuses(",
        "product(",
        "Option(",
        "options[",
        "State(hidden",
        "Observed(begins",
        "return None",
    ):
        assert name in old
