from __future__ import annotations

import os
import platform
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import get_args

import msgspec
import psutil
import pytest

from builders import a_backend_info, a_configuration, some_findings
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt, worker_environment
from lstm_bench.host import disturbance
from lstm_bench.host.machine import THREAD_VARIABLES
from lstm_bench.host.process import KEPT_OUTPUT, MOST_OUTPUT
from lstm_bench.record.attempt import Phase
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import Ended, Entered, Found, Job, Progress, decode_job, decode_message, encode
from processes import gone, soon

FAULTS = Path(__file__).parents[1] / "zoo" / "fault_backends.py"
PLUGINS = load_plugins([FAULTS])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def attempt(backend, *, timeout=60.0, on_message=lambda message: None, times_only=False, **changes):
    """Run a backend on flights for one epoch, in a real worker process."""
    recipe = PLUGINS.task("flights").recipe(None, {})
    configuration = a_configuration(
        **{"backend": backend, "recipe": recipe, "epochs": 1, "threads": 1, "effort": QUICK} | changes
    )
    job = Job(configuration=configuration, plugin_files=(str(FAULTS),), times_only=times_only)
    return run_attempt(job, PLUGINS.backend(backend), timeout=timeout, on_message=on_message)


def faulty(fault, moment="build", **how):
    return attempt(fault, backend_options={"moment": moment}, **how)


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Where faulty backends leave a process's id."""
    path = tmp_path / "notes"
    monkeypatch.setenv("ZOO_NOTES", str(path))
    return path


@pytest.fixture(scope="module")
def good():
    """An attempt that ended well, and all that its worker said."""
    said = []
    return attempt("numpy", on_message=said.append, epochs=2), said


def test_an_attempt_that_ends_well_has_found_out_everything(good):
    found, (done, _) = good[0].findings, good
    assert (done.status, done.reason, done.phase, done.output_tail) == ("ok", "", "evaluate", "")
    assert set(found.seconds) == set(get_args(Phase)) - {"start"}
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.machine.python == platform.python_version()
    assert next(iter(found.versions)) == "numpy"
    assert found.agreement.disagreements == ()
    assert "logits after training" in found.agreement.errors
    assert found.training.steps == 240
    assert len(found.training.epoch_losses) == 2
    assert found.training.epoch_losses[1] < found.training.epoch_losses[0]
    assert set(found.judgement.baselines) == {"same month last year", "last value"}
    assert found.judgement.metrics[found.judgement.metric] > 0
    assert {scope: len(timing.block_ns) for scope, timing in found.timings.items()} == {"train": 2, "infer": 2}
    assert found.memory.peak >= found.memory.after_import / 2 > 0
    assert found.memory.device_peak is None
    assert found.disturbance.seconds >= found.seconds["time"]
    assert "matmul by" in found.kernel_path
    assert "matmul by" in found.training_kernel_path
    assert found.batch_shape == (1, 12, 1)
    assert found.ceiling.flops_per_second > 0
    assert set(found.ceiling.floor_seconds) == {"train", "infer"}


def test_a_worker_has_the_threads_that_it_was_given_and_no_more(good):
    threads = good[0].findings.threads
    assert threads.affinity == 1
    assert threads.libraries
    assert set(threads.libraries.values()) == {1}


def test_a_listener_hears_the_phases_in_order_the_steps_and_the_end(good):
    done, said = good
    assert [m.phase for m in said if isinstance(m, Entered)] == list(done.findings.seconds)
    last = [m for m in said if isinstance(m, Progress)][-1]
    assert (last.done, last.total) == (240, 240)
    assert last.note == f"training loss {done.findings.training.epoch_losses[-1]:.4g}"
    assert [m for m in said if isinstance(m, Found)][-1] == Found(done.findings)
    assert said[-1] == Ended("ok", "")


def test_what_only_times_looks_at_what_ran_and_not_at_what_could():
    done = attempt("numpy", times_only=True)
    assert (done.status, done.times_only) == ("ok", True)
    assert set(done.findings.seconds) == {"import", "data", "build", "put", "first step", "time", "inspect"}
    assert "matmul by" in done.findings.kernel_path
    assert done.findings.ceiling is None
    assert done.findings.batch_shape == (1, 12, 1)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not forget a peak")
def test_memory_that_was_taken_to_see_what_could_be_reached_is_not_the_recipes():
    done = faulty("hoards", "load")
    assert done.status == "ok"
    assert done.findings.ceiling.flops_per_second > 0
    assert done.findings.memory.peak - done.findings.memory.after_import < 200 * 2**20


@pytest.mark.parametrize(
    ("kernel", "status", "reason"),
    [
        ("numpy", "ok", ""),
        ("oneDNN|NumPy", "ok", ""),
        ("oneDNN", "mismatch", "infer and train ran on 'numpy loop over time, matmul by "),
        ("num", "mismatch", "infer and train ran on 'numpy loop over time, matmul by "),
    ],
)
@pytest.mark.parametrize("times_only", [False, True])
def test_a_worker_that_runs_on_another_kernel_than_is_required_is_a_mismatch(kernel, status, reason, times_only):
    done = attempt("numpy", require_kernel=kernel, times_only=times_only)
    assert (done.status, done.reason[: len(reason)]) == (status, reason)
    if status == "mismatch":
        assert done.reason.endswith(f", where --require-kernel asks for {kernel}")
        assert done.phase == "inspect"
        assert done.findings.kernel_path
        assert done.findings.training is None
        assert set(done.findings.timings) == {"train", "infer"}


def test_a_backend_that_cannot_tell_what_ran_is_a_mismatch_only_where_a_kernel_is_required():
    done = faulty("tight-lipped", "load", times_only=True)
    assert (done.status, done.findings.kernel_path) == ("ok", "")
    done = faulty("tight-lipped", "load", times_only=True, require_kernel="oneDNN")
    assert done.status == "mismatch"
    assert done.reason == (
        "the backend cannot tell what infer and train ran on, where --require-kernel asks for oneDNN"
    )


def test_every_attempt_has_an_id_of_its_own_that_sorts_by_time(good):
    assert good[0].id < attempt("numpy", precision="tf32").id


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
sys.path[:] = {[str(Path(__file__).parent), *sys.path]}
pathlib.Path({str(small_cgroup / "cgroup.procs")!r}).write_text(str(os.getpid()))
from test_attempt import faulty
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


# --- machines that do something else


@pytest.fixture
def busy():
    """Another process at work on the processor on which a worker of one thread runs."""
    first = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{first}}}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        yield
        other.kill()


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.delenv(disturbance.VARIABLE)


LONGER = msgspec.structs.replace(QUICK, block_seconds=0.2)


@pytest.mark.usefixtures("busy", "judged")
def test_an_attempt_beside_a_busy_process_is_carried_out_and_disturbed():
    done = attempt("numpy", effort=LONGER)
    assert done.status == "disturbed"
    assert done.reason.startswith("other processes used ")
    assert done.findings.disturbance.crowded > disturbance.MOST_BY_OTHERS
    assert done.findings.judgement is not None
    assert done.findings.memory is not None


@pytest.mark.usefixtures("busy")
def test_a_disturbance_that_is_not_to_be_judged_is_recorded():
    done = attempt("numpy", effort=LONGER)
    assert (done.status, done.reason) == ("ok", "")
    assert disturbance.verdict(done.findings.disturbance)


@pytest.mark.usefixtures("busy", "judged")
def test_what_is_worse_than_a_disturbance_is_what_is_told():
    assert faulty("value-error", "inspect", effort=LONGER).status == "crashed"


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
    path = [str(Path(__file__).parent), *sys.path]
    code = f"import sys; sys.path[:] = {path}; from test_attempt import faulty; faulty({fault!r}, timeout=1000)"
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


@pytest.mark.parametrize(("device", "visible"), [("cpu", "-1"), ("cuda:0", "3")])
def test_a_worker_sees_gpus_only_if_it_is_to_use_one(device, visible, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert worker_environment(a_backend_info("any"), {}, 1, device)["CUDA_VISIBLE_DEVICES"] == visible


def test_nothing_is_said_about_gpus_where_nothing_was_said(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(a_backend_info("any"), {}, 1, "cuda:0")


def test_a_worker_inherits_the_environment_but_for_its_thread_counts(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = worker_environment(a_backend_info("any"), {}, 3, "cpu")
    assert {environment[name] for name in THREAD_VARIABLES} == {"3"}
    assert environment["HTTPS_PROXY"] == "http://proxy"


def test_what_the_backend_asks_for_wins():
    asked = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "7", "ZOO": "open"}
    heard = []
    info = a_backend_info("any", environ=lambda *about: heard.append(about) or asked)
    environment = worker_environment(info, {"engine": "jax"}, 3, "cpu")
    assert heard == [({"engine": "jax"}, 3, "cpu")]
    assert asked.items() <= environment.items()


@pytest.mark.parametrize(
    "message",
    [Entered("first step"), Progress(1, 2), Found(some_findings()), Ended("mismatch", "two\nlines, and \N{SNOWMAN}")],
    ids=lambda message: type(message).__name__,
)
def test_messages_are_one_line_and_come_out_as_they_went_in(message):
    line = encode(message)
    assert b"\n" not in line
    assert decode_message(line) == message


def test_jobs_are_one_line_and_come_out_as_they_went_in():
    job = Job(configuration=a_configuration(backend_options={"a": "b\nc"}), plugin_files=("/x y.py",), data_dir="/d")
    assert b"\n" not in encode(job)
    assert decode_job(encode(job)) == job
