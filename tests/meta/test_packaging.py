"""What pyproject.toml promises is what is installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lstm_bench import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "pandas", "numpy")


def test_the_installed_entry_points_are_those_of_the_project():
    wanted = PROJECT["project"]["entry-points"]["lstm_bench"]
    installed = {
        entry.name: entry.value
        for entry in importlib.metadata.distribution("lstm-bench").entry_points
        if entry.group == "lstm_bench"
    }
    assert installed == wanted, "entry points are written at install time: run `pip install -e .` again"


def test_the_installed_version_is_that_of_the_source():
    assert importlib.metadata.version("lstm-bench") == __version__, "run `pip install -e .` again"


def test_every_plugin_folder_is_in_the_wheel_and_known_to_import_linter():
    folders = {
        str(path.relative_to(ROOT)) for kind in ("backends", "tasks") for path in (ROOT / kind).glob("lstm_bench_*")
    }
    assert folders | {"lstm_bench"} == set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    names = {Path(folder).name for folder in folders}
    contracts = {contract["type"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    assert names == set(contracts["independence"]["modules"])
    assert names <= set(contracts["forbidden"]["forbidden_modules"])


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"]])
def test_help_and_list_import_no_framework_no_numpy_and_no_pandas(arguments):
    code = (
        "import sys; from lstm_bench.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted(set(sys.modules) & set({FRAMEWORKS!r})), file=sys.stderr)"
    ).replace("{FRAMEWORKS!r}", repr(FRAMEWORKS))
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


def test_no_plugin_failed_to_load():
    from lstm_bench.plugins import load_plugins

    assert load_plugins().failures == ()
