"""How workers end: by dying, hanging, flooding, or running out of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from builders import a_backend_info, a_configuration
from faulty import faulty
from lstm_bench import Choice
from lstm_bench.execute import conversation
from lstm_bench.host.machine import THREAD_VARIABLES
from lstm_bench.host.process import KEPT_OUTPUT, MOST_OUTPUT
from lstm_bench.worker.protocol import MeasureJob
from processes import gone, soon

# --- workers that die


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("segfault", "killed in phase {!r} by SIGSEGV"),
        ("abort", "killed in phase {!r} by SIGABRT"),
        ("killed", "killed in phase {!r} by SIGKILL, which the system also sends when memory runs out"),
        ("exit-0", "left in phase {!r} with exit code 0 and without an answer"),
        ("exit-3", "left in phase {!r} with exit code 3 and without an answer"),
        ("sys-exit", "left in phase {!r} with exit code 1 and without an answer"),
        ("real-time-signal", "killed in phase {!r} by signal "),
    ],
)
@pytest.mark.parametrize(("moment", "phase"), [("load", "import"), ("train", "train")])
def test_a_worker_that_dies_has_crashed_in_the_phase_that_it_died_in(fault, reason, moment, phase):
    done = faulty(fault, moment)
    assert (done.status, done.phase) == ("crashed", phase)
    assert done.reason.startswith(reason.format(phase))


# --- workers that run out of memory


def test_a_worker_that_asks_for_more_than_there_is_has_run_out_of_memory():
    done = faulty("memory-limit")
    assert (done.status, done.reason, done.phase) == ("out-of-memory", "MemoryError", "build")


def test_native_code_that_finds_no_memory_has_run_out_of_it_and_not_crashed():
    done = faulty("bad-alloc")
    assert (done.status, done.phase) == ("out-of-memory", "build")
    assert done.reason == "killed in phase 'build' by SIGABRT, after std::bad_alloc"


def make_small_cgroup() -> Path:
    """A cgroup with little memory, for whose processes the system's memory runs out; skips where there can be none."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        folder = Path(root) / f"lstm-bench-{os.getpid()}"
        with suppress(OSError):
            folder.mkdir()
            try:
                with (folder / limit).open("r+") as file:  # which only a real cgroup has, if it has a say over memory
                    file.write(str(400 * 2**20))
                return folder
            except OSError:
                folder.rmdir()
    pytest.skip("no cgroup with limited memory can be made here: that takes root, and cgroups that can be written")


@pytest.fixture
def small_cgroup():
    folder = make_small_cgroup()
    yield folder
    assert soon(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def test_a_worker_that_the_system_ends_for_want_of_memory_has_run_out_of_it_and_not_crashed(small_cgroup):
    code = f"""
import os, pathlib, sys
sys.path[:] = {[str(Path(__file__).parents[1] / "support"), *sys.path]}
pathlib.Path({str(small_cgroup / "cgroup.procs")!r}).write_text(str(os.getpid()))
from faulty import faulty
done = faulty("glutton")
print(done.status, done.reason)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "out-of-memory killed in phase 'build' by SIGKILL, when the system had run out of memory\n"


@pytest.mark.parametrize(("moment", "counts"), [("check", False), ("inspect", False), ("train", True)])
def test_what_is_held_while_timing_and_training_counts_as_memory_and_what_the_harness_asks_for_besides_does_not(
    moment, counts
):
    memory = faulty("hoard", moment).findings.memory
    assert (memory.peak - memory.after_import > 150 * 2**20) == counts


# --- what dead workers leave


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("segfault", "Fatal Python error: Segmentation fault"),
        ("sys-exit", "no licence server"),
        ("exit-3", "out of licences"),
    ],
)
def test_the_last_words_of_a_worker_are_kept(fault, words, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    assert words in faulty(fault).output_tail


def test_what_was_found_out_before_a_crash_is_kept():
    found = faulty("segfault", "train").findings
    assert found.versions
    assert found.machine
    assert found.agreement.disagreements == ()
    assert "check" in found.seconds
    assert found.training is found.memory is None


# --- workers that raise


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("value-error", "crashed", "ValueError: no kernel for this shape"),
        ("import-error", "crashed", "ImportError: libzoo.so.3: cannot open shared object file"),
        ("memory-error", "out-of-memory", "MemoryError"),
        ("device-out-of-memory", "out-of-memory", "RuntimeError: CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
@pytest.mark.parametrize(("moment", "phase"), [("load", "import"), ("build", "build")])
def test_what_a_backend_raises_is_the_reason(fault, status, reason, moment, phase):
    done = faulty(fault, moment)
    assert (done.status, done.reason, done.phase) == (status, reason, phase)
    assert "Traceback (most recent call last)" in done.output_tail
    assert "fault_backends.py" in done.output_tail


def test_a_reason_that_is_not_unicode_is_still_the_reason():
    assert faulty("lone-surrogate").reason.startswith("ValueError: no file ")


# --- workers that do not end


@pytest.mark.parametrize("fault", ["hang", "busy-hang", "deaf-hang", "stopped"])
def test_a_worker_that_hangs_is_killed_and_becomes_a_timeout_row(fault, notes):
    done = faulty(fault, timeout=2)
    assert (done.status, done.reason) == ("timeout", "not done after 2 s, stopped in phase 'build'")
    assert gone(int(notes.read_text()))
    assert done.findings.versions


def test_a_deadline_before_the_start_is_a_timeout_too():
    done = faulty("exit-0", timeout=1e-9)
    assert (done.status, done.phase) == ("timeout", "start")


BUSY = ("busy-hang", "deaf-hang")


@pytest.mark.parametrize("fault", ["hang", *BUSY, "stopped", "family-hang", "dispersed-family-hang"])
def test_a_worker_dies_with_a_parent_that_is_killed_and_so_does_what_it_has_started(fault, notes):
    os.mkfifo(notes)
    path = [str(Path(__file__).parents[1] / "support"), *sys.path]
    code = f"import sys; sys.path[:] = {path}; from faulty import faulty; faulty({fault!r}, timeout=1000)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        family = [psutil.Process(int(pid)) for pid in notes.read_text().split()]
        begun = family[0].cpu_times().user
        hangs = soon(lambda: fault not in BUSY or family[0].cpu_times().user > begun + 0.1)
        parent.kill()
    try:
        assert hangs
        assert soon(lambda: all(gone(member.pid) for member in family))
    finally:
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()


@pytest.mark.parametrize(("fault", "status"), [("grandchild", "ok"), ("orphan", "crashed")])
def test_what_a_worker_has_started_is_not_waited_for_and_dies_with_it(fault, status, notes):
    done = faulty(fault, "load")
    assert done.status == status
    assert soon(lambda: gone(int(notes.read_text())))


# --- workers that say too much, or the wrong thing


def test_much_output_does_no_harm():
    assert faulty("chatter", "load").status == "ok"


def test_endless_output_is_stopped_and_is_not_hoarded():
    tracemalloc.start()
    try:
        done = faulty("flood", "load")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (done.status, done.phase) == ("crashed", "import")
    assert done.reason == "stopped in phase 'import': it wrote more output than the 64 MiB allowed"
    assert done.output_tail == "." * KEPT_OUTPUT
    assert peak < MOST_OUTPUT / 8


@pytest.mark.parametrize(
    ("fault", "words"), [("gibberish", "JSON is malformed"), ("wrong-answer", "Invalid enum value 'splendid'")]
)
def test_an_answer_that_cannot_be_read_is_invalid_output(fault, words):
    done = faulty(fault)
    assert (done.status, done.phase) == ("invalid-output", "build")
    assert done.reason.startswith("the worker's answer cannot be read: ")
    assert words in done.reason
    assert done.findings.versions


def test_an_answer_that_is_too_long_is_stopped():
    done = faulty("long-answer")
    assert (done.status, done.phase) == ("crashed", "build")
    assert done.reason == "stopped in phase 'build': a line of its answer was over 16 MiB long"


# --- what a worker starts from


def environment_of(info, **configuration):
    given = {"backend": "any", "backend_options": {}, "device": "cpu"} | configuration
    return conversation._worker_environment(info, MeasureJob(configuration=a_configuration(**given)))


@pytest.mark.parametrize(("device", "visible"), [("cpu", "-1"), ("cuda:0", "3")])
def test_a_worker_sees_gpus_only_if_it_is_to_use_one(device, visible, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert environment_of(a_backend_info("any"), device=device)["CUDA_VISIBLE_DEVICES"] == visible


def test_nothing_is_said_about_gpus_where_nothing_was_said(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(a_backend_info("any"), device="cuda:0")


def test_a_worker_inherits_the_environment_but_for_its_thread_counts(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = environment_of(a_backend_info("any"), threads=3)
    assert {environment[name] for name in THREAD_VARIABLES} == {"3"}
    assert environment["HTTPS_PROXY"] == "http://proxy"


def test_what_the_backend_asks_for_wins():
    asked = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "7", "ZOO": "open"}
    heard = []
    engine = Choice(default="tensorflow", meaning="", choices=("tensorflow", "jax"))
    info = a_backend_info("any", options={"engine": engine}, environ=lambda *about: heard.append(about) or asked)
    environment = environment_of(info, backend_options={"engine": "jax"}, threads=3)
    assert heard == [({"engine": "jax"}, 3, "cpu")]
    assert asked.items() <= environment.items()
