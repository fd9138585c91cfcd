"""What a worker makes of a recipe: when training ends, with which weights, and what is judged and timed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from builders import a_configuration
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.text import describe
from lstm_bench.worker.ending import outcome_of
from lstm_bench.worker.protocol import MeasureJob, Progress

TASKS = Path(__file__).parents[1] / "zoo" / "small_tasks.py"
PLUGINS = load_plugins([TASKS])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def attempt(task, recipe, backend="numpy", on_message=lambda message: None, **changes):
    chosen = PLUGINS.task(task).recipe(recipe, PLUGINS.task(task).read({}))
    given = {"task": task, "recipe": chosen, "epochs": chosen.epochs, "backend": backend, "threads": 1, "effort": QUICK}
    job = MeasureJob(configuration=a_configuration(**given | changes), plugin_files=(str(TASKS),))
    return run_attempt(job, PLUGINS.backend(backend), timeout=60.0, on_message=on_message)


@pytest.fixture(scope="module")
def patient():
    said = []
    return attempt("noise", "patient", on_message=said.append), said


def test_training_ends_when_the_validation_loss_no_longer_falls(patient):
    done, _ = patient
    training = done.findings.training
    assert (done.status, training.stopped) == ("ok", "patience")
    assert training.steps == training.best_step + 3 * 6 < 200 * 6  # three epochs of 24 sequences
    losses = {point.step: point.validation_loss for point in training.curve}
    assert min(losses, key=losses.get) == training.best_step
    assert losses[training.best_step] == training.best_validation_loss


def test_it_is_the_best_weights_that_are_judged(patient):
    training, judgement = patient[0].findings.training, patient[0].findings.judgement
    assert training.restored_validation_loss == pytest.approx(training.best_validation_loss, rel=1e-6)
    metrics = {point.step: point.metrics["error"] for point in training.curve}
    assert judgement.metrics["error"] == pytest.approx(metrics[training.best_step], rel=1e-6)
    assert judgement.metrics["error"] != pytest.approx(metrics[training.steps], rel=1e-3)


def test_what_forecasts_are_drawn_beside_is_kept_in_the_attempt(patient):
    info = PLUGINS.task("flights")
    done = attempt("flights", None, epochs=1)
    options = info.read({})
    assert done.findings.observed == info.observed(info.recipe(None, options), options)
    assert len(done.findings.observed.values) == 144
    assert patient[0].findings.observed is None


def test_how_it_goes_is_told_while_it_does(patient):
    notes = [message.note for message in patient[1] if isinstance(message, Progress)]
    assert notes
    assert all(
        note.startswith("training loss ") and ", error " in note and ", validation loss " in note for note in notes
    )


def test_weights_that_cannot_be_restored_are_a_mismatch():
    done = attempt("noise", "patient", "forgets")
    assert done.status == "mismatch"
    assert done.reason.startswith(f"the weights of step {done.findings.training.best_step} had a validation loss of ")
    assert done.findings.judgement is None


def test_training_ends_at_the_target_if_that_is_at_once():
    done = attempt("noise", "aimed")
    training = done.findings.training
    assert (done.status, training.stopped, training.steps) == ("ok", "target", 0)
    assert [point.step for point in training.curve] == [0]


def test_steps_end_training_within_an_epoch():
    done = attempt("noise", "patient", steps=9)
    assert (done.status, done.findings.training.steps, done.findings.training.stopped) == ("ok", 9, "")
    assert done.findings.training.restored_validation_loss is not None


def test_what_is_about_speed_is_not_trained_or_judged_and_only_its_scopes_are_timed():
    done = attempt("shapes", "small")
    assert (done.status, done.reason) == ("ok", "")
    assert done.findings.training is None
    assert done.findings.judgement is None
    assert set(done.findings.timings) == {"infer"}
    assert "logits after training" in done.findings.agreement.errors


# --- what errors mean


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


# What the frameworks really say; on the CPU, as torch 2.13, JAX 0.10 and TensorFlow 2.21 said it.
TORCH_ON_CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
)
TENSORFLOW = (
    "{{function_node __wrapped__Fill_device_/job:localhost/replica:0/task:0/device:CPU:0}} OOM when allocating tensor "
    "with shape[8388608,8388608] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator mklcpu"
)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError(TORCH_ON_CPU),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        OutOfMemoryError("Allocation on device 0"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 281474976710656 bytes."),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 7406166528 bytes."),
        RuntimeError("INTERNAL: Failed to allocate 1024 bytes for new constant: CUDA_ERROR_OUT_OF_MEMORY"),
        RuntimeError(TENSORFLOW),
        RuntimeError("failed to allocate memory [Op:Mul]"),
    ],
    ids=str,
)
def test_an_error_that_says_so_means_that_memory_has_run_out(error):
    assert outcome_of(error) == ("out-of-memory", describe(error))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 196800, available: 101376"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        ValueError("no memory of this shape"),
    ],
    ids=str,
)
def test_an_error_about_something_else_is_a_crash(error):
    assert outcome_of(error) == ("crashed", describe(error))
