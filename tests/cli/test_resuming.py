"""A run that is killed half-way goes on where it was, with ``--resume``."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from lstm_bench.record.store import read_folder
from processes import COMMAND, started

pytestmark = pytest.mark.one_interpreter

SIZES = 4
GRID = (
    "run",
    "-b",
    "numpy",
    "-t",
    "speed[batch=1,time=2,features=1,layers=1,outputs=1]",
    *(word for size in range(1, SIZES + 1) for word in ("--hidden", str(size))),
    "--quick",
    "--threads",
    "1",
    "--results",
    "here",
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "here"


def files(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*.json")} if folder.is_dir() else {}


def test_a_grid_that_is_killed_half_way_is_finished_and_no_finished_cell_is_run_again(here):
    with started(*GRID) as running:
        for line in running.stderr:
            if line.startswith(f"[{SIZES // 2}/{SIZES}]") and ": ok in" in line:
                break
        running.kill()
    before = files(here)
    assert SIZES // 2 - 1 <= len(before) < SIZES  # the last one is told of before it is written

    done = subprocess.run([COMMAND, *GRID, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} attempts of run " in done.stderr.splitlines()[0]
    after = files(here)
    assert before.items() <= after.items()
    attempts, problems = read_folder(here)
    assert problems == []
    assert Counter(attempt.configuration.recipe.model.hidden_sizes for attempt in attempts) == {
        (size,): 1 for size in range(1, SIZES + 1)
    }
    assert len({attempt.run for attempt in attempts}) == 1
    assert sum(": ok in" in line for line in done.stderr.splitlines()) == SIZES - len(before)
    assert len([line for line in done.stdout.splitlines() if line.startswith("numpy ")]) >= SIZES


def test_with_nothing_to_go_on_from_everything_is_run(here):
    one = [*GRID[:7], "--quick", "--threads", "1", "--results", "here", "--resume"]
    done = subprocess.run([COMMAND, *one], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "are there already" not in done.stderr
    assert len(files(here)) == 1
