"""What a worker makes of a recipe: when training ends, with which weights, and what is judged and timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import a_cell
from lstm_bench.plugins import load_plugins
from lstm_bench.protocol import Job, Progress
from lstm_bench.result import Effort
from lstm_bench.runner import run_attempt

TASKS = Path(__file__).parent / "zoo" / "small_tasks.py"
PLUGINS = load_plugins([TASKS])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def attempt(task, recipe, backend="numpy", on_message=lambda message: None, **changes):
    chosen = PLUGINS.task(task).recipe(recipe, {})
    given = {"task": task, "recipe": chosen, "epochs": chosen.epochs, "backend": backend, "threads": 1, "effort": QUICK}
    job = Job(cell=a_cell(**given | changes), plugin_files=(str(TASKS),))
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
