"""The installed package is the one that pyproject.toml describes."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from lstm_bench import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


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


def test_no_plugin_failed_to_load():
    from lstm_bench.catalog.loading import load_plugins

    assert load_plugins().failures == ()
