"""What CONTRIBUTING.md shows is a stranger's: it must get its row, by file and by entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples import python_blocks
from lstm_bench.store import read_folder

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("lstm-bench")


@pytest.fixture
def source() -> str:
    """The backend."""
    return python_blocks(ROOT / "CONTRIBUTING.md")["lstm_bench_backends"]


def run(arguments, cwd, **environment):
    return subprocess.run(
        [COMMAND, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def row_of(folder):
    (attempt,), problems = read_folder(folder)
    assert problems == []
    return attempt


def test_it_gets_its_row_through_a_file(source, tmp_path):
    (tmp_path / "pergate.py").write_text(source)
    done = run(["run", "--backend", "pergate", "--plugin", "pergate.py", "--quick", "--epochs", "2"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pergate" in done.stdout
    attempt = row_of(tmp_path / "results" / "local")
    assert (attempt.status, attempt.cell.backend) == ("ok", "pergate")
    assert set(attempt.findings.timings) == {"train", "infer"}


def test_it_is_held_against_the_reference_where_it_does_not_refuse(source, tmp_path):
    (tmp_path / "pergate.py").write_text(source)
    done = run(["check", "--backend", "pergate", "--plugin", "pergate.py", "--precision", "float64"], tmp_path)
    assert done.returncode == 0, done.stdout
    assert "pergate (cpu, float64)  agrees: 2 cases" in done.stdout
    assert "left out in" in done.stdout


def test_it_gets_its_row_through_an_entry_point(source, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    metadata = site / "pergate-1.0.dist-info"
    metadata.mkdir(parents=True)
    work.mkdir()
    (site / "pergate.py").write_text(source)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pergate\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lstm_bench]\npergate = pergate\n")
    listed = run(["list", "backends"], work, PYTHONPATH=str(site))
    assert re.search(r"pergate +installed +one LSTM layer, gate by gate", listed.stdout), listed.stderr
    done = run(["run", "--backend", "pergate", "--quick", "--epochs", "2"], work, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert row_of(work / "results" / "local").status == "ok"


def test_it_passes_the_kit(source, tmp_path):
    (tmp_path / "pergate.py").write_text(source)
    line = next(line for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("pytest --py"))
    done = subprocess.run(
        [sys.executable, "-m", *line.split(), "-p", "no:cacheprovider", "-rs"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pergate has one LSTM layer, in one direction" in done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 8


def test_a_task_gets_its_row_and_its_model_learns(tmp_path):
    (tmp_path / "adding.py").write_text(python_blocks(ROOT / "CONTRIBUTING.md")["lstm_bench_tasks"])
    done = run(["run", "-b", "numpy", "--task", "adding[time=5]", "--plugin", "adding.py", "--quick"], tmp_path)
    assert done.returncode == 0, done.stderr
    attempt = row_of(tmp_path / "results" / "local")
    assert attempt.status == "ok"
    assert [point.step for point in attempt.findings.training.curve] == [0, 100]
    before, after = (point.metrics["rmse"] for point in attempt.findings.training.curve)
    assert after < before
    assert "baseline: always 1" in done.stdout
