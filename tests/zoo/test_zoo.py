from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from builders import a_configuration
from lstm_bench.analysis.groups import group_attempts
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob

WRONG = Path(__file__).parents[1] / "zoo" / "wrong_backends.py"
PLUGINS = load_plugins([WRONG])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)
RECIPE = PLUGINS.task("flights").recipe(None, {})
BATCHED = msgspec.structs.replace(RECIPE, train=msgspec.structs.replace(RECIPE.train, batch_size=4))
SHUFFLED = msgspec.structs.replace(RECIPE, shuffle=True)


def judge(animal, **changes):
    """Run an animal on flights for one epoch, in a real worker process."""
    configuration = a_configuration(
        **{"backend": animal, "recipe": RECIPE, "epochs": 1, "threads": 1, "effort": QUICK} | changes
    )
    return run_attempt(
        MeasureJob(configuration=configuration, plugin_files=(str(WRONG),)), PLUGINS.backend(animal), timeout=60
    )


@pytest.mark.parametrize("recipe", [RECIPE, BATCHED, SHUFFLED], ids=["one by one", "in batches", "shuffled"])
@pytest.mark.parametrize("animal", ["unchanged", "step-by-step", "textbook-adam"])
def test_a_right_backend_is_ok_so_that_the_zoo_proves_something(animal, recipe):
    done = judge(animal, recipe=recipe)
    assert (done.status, done.reason) == ("ok", "")


@pytest.mark.parametrize(
    ("animal", "quantity", "recipe"),
    [
        ("swaps-input-and-forget-gate", "logits", RECIPE),
        ("swaps-candidate-and-output-gate", "logits", RECIPE),
        ("adds-the-forget-bias-twice", "logits", RECIPE),
        ("transposes-recurrent-weights", "logits", RECIPE),
        ("builds-only-once", "logits", RECIPE),
        ("keeps-state-between-calls", "logits repeated", RECIPE),
        ("sums-over-the-batch", "gradients", BATCHED),
        ("keeps-state-between-training-steps", "training losses", RECIPE),
        ("trains-both-biases", "training losses", RECIPE),
        ("never-trains-the-head", "training losses", RECIPE),
        ("puts-epsilon-in-the-root", "training losses", RECIPE),
        ("takes-a-large-epsilon", "training losses", RECIPE),
        ("leaves-out-bias-correction", "training losses", RECIPE),
        ("ignores-the-order", "training losses", SHUFFLED),
        ("trains-on-the-first-batch-only", "training losses", RECIPE),
        ("returns-the-loss-after-the-update", "training losses", RECIPE),
    ],
)
def test_a_wrong_backend_is_a_mismatch_in_the_first_quantity_that_shows_it(animal, quantity, recipe):
    done = judge(animal, recipe=recipe)
    assert done.status == "mismatch"
    assert done.reason.startswith(f"{quantity} is off the float64 reference by ")
    (row,) = group_attempts([done])
    assert row.rounds("train") == row.rounds("infer") == {}


@pytest.mark.parametrize("animal", ["infers-with-its-initial-weights", "infers-one-step-late"])
def test_a_backend_that_is_right_until_it_has_trained_is_a_mismatch_in_what_is_timed(animal):
    done = judge(animal)
    assert done.status == "mismatch"
    assert done.reason.startswith("the logits of ")
    assert " are off the float64 reference by " in done.reason
    assert done.findings.agreement.disagreements == ()
    assert {"timed logits", "logits of new inputs"} & set(done.findings.timed_agreement.disagreements)


def test_rounded_weights_show_in_every_product():
    done = judge("rounds-weights-to-float16")
    assert (done.status, done.phase) == ("mismatch", "precision")
    assert done.reason == (
        "asked for float32, but layers.0.forward.weight_ih is multiplied in tf32; "
        "so is layers.0.forward.weight_hh, head.weight"
    )


@pytest.mark.parametrize(
    ("animal", "quantity", "parameter"),
    [
        ("trains-both-biases", "trained parameters", "layers.0.forward.bias"),
        ("never-trains-the-head", "trained parameters", "head.weight"),
    ],
)
def test_a_mismatch_names_the_worst_parameter(animal, quantity, parameter):
    assert judge(animal).findings.agreement.worst[quantity] == parameter


@pytest.mark.parametrize(
    ("animal", "reason"),
    [
        ("answers-nan", "logits must be finite; the backend returned 1 that are not"),
        ("squeezes-logits", "logits must have shape (1, 1); the backend returned (1,)"),
        ("returns-one-loss", "training losses must have shape (1,); the backend returned ()"),
        (
            "renames-parameters",
            "parameters must come under the canonical names; missing or superfluous: "
            "layers.0.forward.weight_ih, layers.0.kernel",
        ),
        (
            "transposes-gradients",
            "gradients layers.0.forward.weight_ih must have shape (400, 1); the backend returned (1, 400)",
        ),
        ("loses-a-weight-later", "parameters head.bias must be finite; the backend returned 1 that are not"),
    ],
)
def test_what_cannot_be_compared_is_invalid_output(animal, reason):
    done = judge(animal)
    assert (done.status, done.reason) == ("invalid-output", reason)


def test_a_loss_that_stops_being_a_number_has_diverged_and_its_curve_is_kept():
    done = judge("diverges-later", epochs=9)
    assert (done.status, done.reason) == ("diverged", "the training loss is nan at step 1000")
    assert [loss is None for loss in done.findings.training.epoch_losses] == [False] * 8 + [True]
    assert done.findings.agreement.disagreements == ()


@pytest.mark.parametrize(
    ("animal", "changes", "reason"),
    [
        ("refuses-everything", {}, "this zoo has no lstm of 100 units"),
        ("refuses-on-building", {}, "this zoo has no room"),
        ("unchanged", {"precision": "tf32"}, "NumPy has no tf32"),
        ("unchanged", {"device": "cuda:0"}, "unchanged sees no device 'cuda:0' on this machine; it sees: cpu"),
    ],
)
def test_what_a_backend_cannot_do_is_unsupported_and_not_a_failure(animal, changes, reason):
    done = judge(animal, **changes)
    assert (done.status, done.reason) == ("unsupported", reason)
    assert done.findings.versions


def test_a_recipe_that_diverges_by_itself_is_not_put_down_to_the_backend():
    hasty = msgspec.structs.replace(RECIPE.train, optimizer="sgd", learning_rate=1e30)
    done = judge("unchanged", recipe=msgspec.structs.replace(RECIPE, train=hasty))
    assert done.status == "diverged"
    assert done.reason.startswith("the training loss is ")
    assert done.findings.training.epoch_losses == (None,)
