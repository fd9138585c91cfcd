from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from faulty import QUICK, attempt, faulty
from lstm_bench.host import disturbance
from lstm_bench.record.attempt import Phase
from lstm_bench.worker.protocol import Ended, Entered, Found, Progress


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
    phases = [m.phase for m in said if isinstance(m, Entered)]
    assert list(dict.fromkeys(phases)) == list(done.findings.seconds)
    last = [m for m in said if isinstance(m, Progress)][-1]
    assert (last.done, last.total) == (240, 240)
    assert last.note == f"training loss {done.findings.training.epoch_losses[-1]:.4g}"
    assert [m for m in said if isinstance(m, Found)][-1] == Found(done.findings)
    assert said[-1] == Ended("ok", "")


def test_what_only_times_looks_at_what_ran_and_not_at_what_could():
    done = attempt("numpy", times_only=True)
    assert (done.status, done.times_only) == ("ok", True)
    assert set(done.findings.seconds) == {"import", "data", "build", "put", "first step", "time", "inspect", "verify"}
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


@pytest.mark.one_interpreter
@pytest.mark.usefixtures("busy", "judged")
def test_an_attempt_beside_a_busy_process_is_carried_out_and_disturbed():
    done = attempt("numpy", effort=LONGER)
    assert done.status == "disturbed"
    assert done.reason.startswith("other processes used ")
    assert done.findings.disturbance.crowded > disturbance.MOST_BY_OTHERS
    assert done.findings.judgement is not None
    assert done.findings.memory is not None


@pytest.mark.one_interpreter
@pytest.mark.usefixtures("busy")
def test_a_disturbance_that_is_not_to_be_judged_is_recorded():
    done = attempt("numpy", effort=LONGER)
    assert (done.status, done.reason) == ("ok", "")
    assert disturbance.verdict(done.findings.disturbance)


@pytest.mark.one_interpreter
@pytest.mark.usefixtures("busy", "judged")
def test_what_is_worse_than_a_disturbance_is_what_is_told():
    assert faulty("value-error", "inspect", effort=LONGER).status == "crashed"
