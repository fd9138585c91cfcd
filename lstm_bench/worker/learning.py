"""Train a model by its recipe: when to evaluate it, when to stop, and which weights to keep."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lstm_bench.conformance.agreement import TOLERANCES
from lstm_bench.record.attempt import Findings
from lstm_bench.worker.ending import Mismatch
from lstm_bench.worker.training import Course, finite, train

if TYPE_CHECKING:
    from lstm_bench.model.parameters import Parameters
    from lstm_bench.plugin.backend import Model
    from lstm_bench.record.attempt import Training
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.session import Session


def train_recipe(prepared: Prepared, native: tuple[Any, Any], session: Session) -> Model[Any]:
    """Train a model. Return it with the best weights if the recipe has a ``patience``, else with the last ones.

    Args:
        prepared: the backend and the data.
        native: native sequences and targets of the first epoch.
        session: told of the progress and the result.

    Raises:
        Diverged: if a training loss was not finite.
        Mismatch: if a new model with the best weights has another validation loss than during training.
    """
    model = prepared.build()
    run = train(model, prepared.feed, _course(prepared, model), session.progress, native)
    session.found(Findings(training=run.training))
    if run.best is None:
        return model
    del model  # a backend may reuse for the next model what it has compiled for this one
    return _restored(prepared, run.best, run.training, session)


def _course(prepared: Prepared, model: Model[Any]) -> Course:
    recipe, judge = prepared.recipe, prepared.judge
    evaluates = recipe.evaluate_every is not None or judge.held_out is not None
    return Course(
        epochs=prepared.configuration.epochs,
        steps=prepared.configuration.steps,
        every=recipe.evaluate_every,
        metrics=partial(judge.metrics, model) if evaluates else None,
        validation_loss=None if judge.held_out is None else partial(judge.validation_loss, model),
        patience=recipe.patience,
        minimum_gain=recipe.minimum_gain,
        reached=judge.reached,
    )


def _restored(prepared: Prepared, best: Parameters, training: Training, session: Session) -> Model[Any]:
    """Build a new model with the best weights, and require the validation loss that they had during training."""
    model = prepared.build(best)
    restored = prepared.judge.validation_loss(model)
    training = msgspec.structs.replace(training, restored_validation_loss=finite(restored))
    session.found(Findings(training=training))
    seen, tolerance = training.best_validation_loss or 0.0, TOLERANCES[prepared.setting.precision]["forward"]
    if not abs(restored - seen) <= tolerance * abs(seen):
        raise Mismatch(
            f"the weights of step {training.best_step} had a validation loss of {seen:.6g}; put into a new model they "
            f"have {restored:.6g}"
        )
    return model
