"""The benchmarks still run: each once, with as little as it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments], stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return done.stdout


def test_overhead_shows_a_ratio_for_each_scope():
    out = run("overhead.py", "--backend", "numpy", "--shape", "flights", "--rounds", "1", "--pairs", "1")
    rows = [line.split() for line in out.splitlines()[2:]]
    assert [row[3] for row in rows] == ["train", "gradient", "infer"]
    assert all(float(row[6]) > 0 for row in rows)


def test_verdicts_are_recorded_and_judged(tmp_path):
    path = tmp_path / "rounds.json"
    run("verdicts.py", "record", "default", "--slower", "0.5", "--trials", "1", "-o", path)
    content = json.loads(path.read_text())
    assert [sorted(each) for each in content["recorded"]] == [["one", "same", "slower"]] * 3
    assert all(len(blocks) == 10 for each in content["recorded"] for blocks in each.values())
    rows = [
        line.split(" | ") for line in run("verdicts.py", "judge", path).splitlines() if line.startswith("| default")
    ]
    assert [(row[1], row[2]) for row in rows[::3]] == [
        ("nothing", "1 as they were run"), ("50%", "1 as they were run"),
    ]  # fmt: skip
    assert rows[3][3] == "100.0%"
