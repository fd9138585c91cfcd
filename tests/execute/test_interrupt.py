"""Ctrl-C during ``lstm_bench.run``, in a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil

from lstm_bench.record.store import read_folder
from processes import gone, soon

HANGS = """
import os, time, lstm_bench

def hang():
    with open(os.environ["NOTES"], "w") as notes:
        notes.write(str(os.getpid()))
    time.sleep(600)

@lstm_bench.hookimpl
def lstm_bench_backends():
    return [
        lstm_bench.BackendInfo(name="leaves", summary="", load=lambda: os._exit(3)),
        lstm_bench.BackendInfo(name="hangs", summary="", load=hang),
    ]
"""
PROGRAM = """
import signal, lstm_bench
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run
try:
    # The first seed has them take their turns in this order.
    lstm_bench.run(backends=["leaves", "hangs"], plugin_files="hangs.py", results="here", effort="quick")
except KeyboardInterrupt as interrupt:
    print([attempt.configuration.backend for attempt in interrupt.run.attempts])
    raise SystemExit(7)
"""


def test_ctrl_c_gets_out_of_a_run_with_what_was_measured_and_leaves_no_worker(tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text(HANGS)
    os.mkfifo(tmp_path / "notes")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            worker = int((tmp_path / "notes").read_text())
            assert psutil.pid_exists(worker)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, err) == (7, "")
    assert soon(lambda: gone(worker))
    attempts, problems = read_folder(tmp_path / "here")
    assert problems == []
    assert [attempt.configuration.backend for attempt in attempts] == ["leaves"]
    assert out == "['leaves']\n"
