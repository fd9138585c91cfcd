"""The benchmarks still run: each once, as short as its options allow."""

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


def test_rounds_are_recorded(tmp_path):
    path = tmp_path / "rounds.json"
    run("verdicts.py", "record", "default", "--slower", "0.5", "--rounds", "1", "-o", path)
    content = json.loads(path.read_text())
    (found,) = content["recorded"]
    assert sorted(found) == ["one", "same", "slower"]
    assert {len(blocks) for blocks in found.values()} == {10}
    assert (content["about"]["rounds"], content["about"]["slower"]) == (3, 0.5)


def test_recorded_rounds_are_judged(tmp_path):
    path = tmp_path / "rounds.json"
    drifts, noise = (1.0, 1.1, 0.9, 1.2, 1.0, 1.3), (1.0, 1.001, 0.999, 1.0)
    recorded = [
        {name: [factor * drift * each for each in noise] for name, factor in (("one", 1), ("same", 1), ("slower", 1.5))}
        for drift in drifts
    ]
    about = {
        "effort": "default",
        "rounds": 3,
        "blocks": 4,
        "slower": 0.5,
        "task": "flights",
        "threads": 1,
        "processor": "some",
        "system": "any",
        "disturbed": 0,
    }
    path.write_text(json.dumps({"about": about, "recorded": recorded}))
    lines = run("verdicts.py", "judge", path, "--drawn", "20").splitlines()
    assert [line.strip("| ").split(" | ")[1:] for line in lines[2:8]] == [
        [share, trials, *shares]
        for share, shares in (("nothing", ("0.0%", "0.0%", "100.0%")), ("50%", ("100.0%", "0.0%", "0.0%")))
        for trials in ("2 as they were run", "20 of 6 recorded rounds", "the same, by a percentile bootstrap")
    ]
