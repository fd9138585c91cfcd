from __future__ import annotations

import subprocess
import sys

import pytest

from commands import lstm_bench

pytestmark = pytest.mark.usefixtures("surroundings")


# --- help


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", ["run", "report", "list", "data", "env", "--debug", "--version"]),
        ("run", ["--backend", "--task", "--device", "--quick", "--rigorous", "--epochs", "--timeout", "--plugin"]),
        ("report", ["[FOLDER]", "--format", "--output", "--all"]),
        ("list", ["backends|tasks|recipes|formats|charts"]),
        ("plot", ["KIND [FOLDER]", "--output", ".svg, .png or .json", "--where", "--all", "--dark"]),
        ("data", ["fetch", "list", "path", "LSTM_BENCH_DATA", "LSTM_BENCH_CACHE"]),
        ("data fetch", ["[TASK]...", "--plugin"]),
        ("data list", ["[TASK]...", "damaged"]),
        ("data path", ["[TASK]"]),
        ("env", ["bug report"]),
    ],
)
def test_every_command_has_help(command, words):
    helped = lstm_bench(*command.split(), "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith(f"Usage: lstm-bench {command}".rstrip())
    assert [word for word in words if word not in helped.stdout] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "recipes"],
        ["list", "charts"],
        ["plot", "--help"],
        ["data", "path"],
        ["--version"],
    ],
)
def test_help_and_list_import_no_framework(arguments):
    code = f"""
import sys
sys.argv = ["lstm-bench", *{arguments}]
from lstm_bench.cli import main
try:
    main()
finally:
    heavy = {{"numpy", "pandas", "torch", "tensorflow", "keras", "jax", "altair", "vl_convert", "jinja2"}}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "[]\n")
    assert ran.stdout


def test_python_runs_it_as_a_module_under_its_own_name():
    done = subprocess.run(
        [sys.executable, "-m", "lstm_bench", "run", "--no-such-option"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: lstm-bench run ")
