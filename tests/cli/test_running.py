from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from builders import an_attempt
from commands import FAULTS, GLANCE, GO_ON, INTERRUPTED, WRONG, lstm_bench
from lstm_bench.cli.running import exit_code
from lstm_bench.record.store import read_folder
from processes import started

pytestmark = pytest.mark.usefixtures("surroundings")


# --- run


def test_a_run_prints_the_table_with_its_baselines_and_says_how_it_was_measured(glance):
    ran, _ = glance
    assert ran.returncode == 0
    assert len(re.findall(r"^numpy [\d.]+ ", ran.stdout, re.MULTILINE)) == 1
    for words in ("ok", "baseline: same month last year", "baseline: last value", "trained 1 of", "300 epochs"):
        assert words in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_run_says_on_stderr_how_far_it_is(glance):
    first, shape, *lines, page = glance[0].stderr.splitlines()
    assert first.startswith("lstm-bench: 1 to run, effort quick, results in ")
    assert shape == "lstm-bench: flights:tutorial: 1 x 12 x 1 -> LSTM 1 x 100 -> 1, 40,901 parameters"
    assert page.startswith("lstm-bench: as a page: lstm-bench report ")
    assert page.endswith(" -o page.html")
    assert all(line.startswith("[1/1] numpy on flights:tutorial (cpu, float32)") for line in lines)
    assert "ok" in lines[-1]


def test_a_run_leaves_one_file_for_each_attempt_and_nothing_else(glance):
    _, folder = glance
    ((done,), problems) = read_folder(folder)
    assert problems == []
    assert (done.status, done.configuration.effort.name, done.configuration.epochs, done.configuration.threads) == (
        "ok",
        "quick",
        1,
        1,
    )
    assert [file.name for file in folder.iterdir()] == [f"{done.configuration.fingerprint[:12]}-{done.id}.json"]


def test_what_fails_has_a_row_beside_what_is_ok():
    ran = lstm_bench(
        "run", "--plugin", WRONG, "--plugin", FAULTS, "-b", "segfault", "-b", "answers-nan", "-b", "numpy", *GLANCE
    )
    assert ran.returncode == 1
    statuses = {a.configuration.backend: a.status for a in read_folder(Path("results/local"))[0]}
    assert statuses == {"segfault": "crashed", "answers-nan": "invalid-output", "numpy": "ok"}
    for backend, status in statuses.items():
        assert any(backend in line and status in line for line in ran.stdout.splitlines())
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(("kernel", "status", "code"), [("cudnn|openblas|mkl", "ok", 0), ("cudnn", "mismatch", 1)])
def test_a_row_whose_kernel_is_not_the_one_that_is_required_is_a_mismatch(kernel, status, code, tmp_path):
    done = lstm_bench("run", "-b", "numpy", *GLANCE, "--require-kernel", kernel, "--results", tmp_path)
    assert done.returncode == code, done.stdout
    (attempt,), _ = read_folder(tmp_path)
    assert (attempt.status, attempt.configuration.require_kernel) == (status, kernel)
    if status == "mismatch":
        assert "where --require-kernel asks for cudnn" in " ".join(done.stdout.split())


def test_results_that_cannot_be_stored_are_still_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_NOTES", str(tmp_path / "results"))
    ran = lstm_bench(
        "run", "--plugin", FAULTS, "-b", "vandal[moment=load]", "--precision", "tf32", "--results", "results"
    )
    assert ran.returncode == 1
    assert "vandal" in ran.stdout
    assert "NumPy has no tf32" in ran.stdout
    assert ran.stderr.splitlines()[-1].startswith("lstm-bench: error: cannot write results/")


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok"], 0),
        (["ok", "unsupported"], 0),
        (["unsupported"], 1),
        ([], 1),
        *((["ok", status], 1) for status in ("mismatch", "diverged", "timeout", "out-of-memory", "crashed")),
    ],
)
def test_the_exit_code_tells_whether_anything_failed(statuses, code):
    assert exit_code([an_attempt(status=status) for status in statuses]) == code


# --- Ctrl-C


def test_ctrl_c_ends_a_run_keeps_what_is_done_and_leaves_no_worker(tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    os.mkfifo(notes)
    monkeypatch.setenv("ZOO_NOTES", str(notes))
    with started(  # the seed has them take their turns in this order
        "run", "--plugin", FAULTS, "-b", "exit-3", "-b", "hang", "-b", "numpy", "--results", "here", "--seed", 3
    ) as running:
        worker = int(notes.read_text())
        assert psutil.pid_exists(worker)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
        assert not psutil.pid_exists(worker)
    assert running.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == f"lstm-bench: {INTERRUPTED}: 1; {GO_ON}"
    assert err.count("interrupted") == 1
    assert "Traceback" not in err
    assert [(a.configuration.backend, a.status) for a in read_folder(Path("here"))[0]] == [("exit-3", "crashed")]


@pytest.mark.parametrize("seen", ["round 1 of 10", "check", "time"])
def test_ctrl_c_ends_a_worker_at_work(seen):
    with started("run", "-b", "numpy", "--rigorous", "--epochs", "1", "--results", "here") as running:
        assert any(line.endswith(f"{seen}\n") for line in running.stderr)
        workers = psutil.Process(running.pid).children()
        running.send_signal(signal.SIGINT)
        last = running.stderr.read().splitlines()[-1]
        running.wait()
    assert (running.returncode, last) == (130, f"lstm-bench: {INTERRUPTED}: 0; {GO_ON}")
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert all(worker.status() == psutil.STATUS_ZOMBIE for worker in alive)
    assert list(Path("here").iterdir()) == []
