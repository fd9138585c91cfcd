"""Compare the backend with the reference on the recipe's model and first batches, before timing and after training."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance import agreement, denormals, precision
from lstm_bench.conformance.extent import agreement_extent, training_steps
from lstm_bench.conformance.lasting import make_lasting
from lstm_bench.record.attempt import Agreement, Extent, Findings
from lstm_bench.worker.blocks import Segment
from lstm_bench.worker.ending import Mismatch
from lstm_bench.worker.replay import by_reference, losses_tolerance

if TYPE_CHECKING:
    from lstm_bench.model.parameters import Parameters
    from lstm_bench.model.spec import ModelSpec
    from lstm_bench.plugin.backend import Model
    from lstm_bench.record.attempt import Training
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.session import Session


LEAST_RATE, MASKED_STEPS = 1e-30, 8
"""A learning rate that changes no weight, and training steps to compare the masks of."""

RECIPE_SECONDS = 0.2
"""Seconds for which the reference follows the recipe's training."""


def verify(prepared: Prepared, native: tuple[Any, Any], session: Session) -> Agreement:
    """Detect the precision of the backend's products, and compare the backend with the reference.

    The precision comes first, because the comparison would show a coarser product only as a large error.

    Args:
        prepared: the backend and the data.
        native: native sequences and targets of the first epoch.
        session: told of the findings.

    Raises:
        Mismatch: if the precision is not the requested one, or an error exceeds its tolerance.
        InvalidOutput: if the backend returns something that cannot be compared.
    """
    # Each framework draws its own masks, so the comparison leaves dropout out. The comparison after training shows
    # whether evaluation is free of dropout.
    dropless = msgspec.structs.replace(prepared.recipe.model, dropout=0.0)
    with session.phase("precision"):
        _verify_precision(prepared, dropless, session)
    with session.phase("check"):
        found = _compare(prepared, dropless, native)
        _require_agreement(found, session)
        if prepared.trains and prepared.recipe.model.dropout > 0:
            _require_new_masks(prepared, native)
    return found


def _require_new_masks(prepared: Prepared, native: tuple[Any, Any]) -> None:
    """Require that each training step draws new dropout masks.

    All steps train on one batch, at a learning rate that changes no weight, so only the masks change the loss.

    Raises:
        Mismatch: if all losses are equal.
    """
    still = msgspec.structs.replace(prepared.recipe.train, learning_rate=LEAST_RATE)
    model = prepared.build(train=still)
    order = np.repeat(prepared.order[:1], MASKED_STEPS, axis=0)
    losses = model.get(model.train(*native, model.put(order)))
    if np.ptp(losses) <= 1e-7 * abs(float(np.mean(losses))):
        raise Mismatch(f"dropout does not draw a new mask for each step: {MASKED_STEPS} steps on a batch lose the same")


def verify_recipe_losses(prepared: Prepared, training: Training, before: Agreement, session: Session) -> Agreement:
    """Compare the losses of the recipe's first training steps with those of the reference.

    Returns:
        ``before`` with the error added, if the reference can compute these steps.

    Raises:
        Mismatch: if they disagree.
    """
    if prepared.recipe.model.dropout > 0 or not training.first_losses:  # each framework draws its own masks
        return before
    order = prepared.order[: len(training.first_losses)]
    losses = np.array(training.first_losses[: len(order)], np.float64)
    recipe = Segment(orders=[order], losses=[losses])
    data = prepared.x, prepared.y
    reference, precision = prepared.build_reference(), prepared.setting.precision
    again = by_reference(reference, prepared.recipe.model, data, recipe, precision, RECIPE_SECONDS)
    if again is None:
        return before
    found = msgspec.structs.replace(
        before,
        errors=before.errors | {"losses of the recipe": again.losses},
        tolerances=before.tolerances | {"losses of the recipe": losses_tolerance(prepared, recipe, again)},
    )
    _require_agreement(found, session)
    return found


def verify_trained(prepared: Prepared, model: Model[Any], before: Agreement, session: Session) -> None:
    """Compare a trained model's logits with those of the reference with the same parameters.

    Raises:
        Mismatch: if they disagree.
        InvalidOutput: if the model returns something that cannot be compared.
    """
    found = agreement.compare_trained(
        model, prepared.build_reference, prepared.recipe.model, prepared.bands, prepared.x[prepared.order[0]], before
    )
    _require_agreement(found, session)


def _verify_precision(prepared: Prepared, spec: ModelSpec, session: Session) -> None:
    """Detect the precision of the products, and whether denormal numbers are kept.

    Raises:
        Mismatch: if the precision is not the requested one.
    """
    asked = prepared.setting.precision
    shape = precision.affordable(spec, (prepared.order.shape[1], *prepared.x.shape[1:]))

    def build(parameters: Parameters) -> Model[Any]:
        return prepared.build(parameters, spec)

    products = precision.product_precisions(build, spec, prepared.parameters, shape)
    session.found(Findings(observed_precision=precision.coarsest(products)))
    if (difference := precision.difference(asked, products)) is not None:
        raise Mismatch(difference)
    session.found(Findings(observed_denormals=denormals.detect_denormals(build, prepared.parameters, shape, asked)))


def _compare(prepared: Prepared, spec: ModelSpec, native: tuple[Any, Any]) -> Agreement:
    """Compare two new models, on as much of the recipe's batches as the reference can compute in seconds."""
    x, y, order = prepared.x, prepared.y, prepared.order
    batch, time = order.shape[1], x.shape[1]
    whole = Extent(steps=training_steps(spec, batch=batch, time=time), sequences=batch, time=time)
    extent = agreement_extent(spec, batch=whole.sequences, time=whole.time, steps=whole.steps)
    rows = agreement.training_order(order, extent.steps)
    put_already: tuple[Any, Any] | None = native
    if extent != whole:
        x, y, rows = _cut(spec, x, y, rows, extent)
        put_already = None
    found = agreement.compare_fresh(
        partial(prepared.build, spec=spec),
        partial(prepared.build_reference, spec=spec),
        spec,
        prepared.bands,
        x,
        y,
        rows,
        put_already,
        trains=prepared.trains,
    )
    if prepared.trains:
        lasting = {name: array.astype(np.float64) for name, array in prepared.parameters.items()}
        make_lasting(lasting, spec, prepared.configuration.seed)
        found = agreement.compare_gradients(
            prepared.build(lasting, spec),
            prepared.build_reference(lasting, spec),
            spec,
            prepared.bands["backward"],
            (x[rows[0]], y[rows[0]]),
            found,
        )
    return found if extent == whole else msgspec.structs.replace(found, extent=extent)


def _cut(
    spec: ModelSpec, x: NDArray[Any], y: NDArray[Any], rows: NDArray[np.intp], extent: Extent
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Cut sequences, targets and batches to a smaller extent."""
    used, places = np.unique(rows[:, : extent.sequences], return_inverse=True)
    targets = y[used] if spec.readout == "last" else y[used, : extent.time]
    return x[used, : extent.time], targets, places.reshape(len(rows), -1)


def _require_agreement(found: Agreement, session: Session) -> None:
    session.found(Findings(agreement=found))
    if found.disagreements:
        name = found.disagreements[0]
        off = found.shown_error(name) + (f" at {found.worst[name]}" if name in found.worst else "")
        raise Mismatch(
            f"{name} is off the float64 reference by {off}, more than {found.tolerances[name]:.0e}"
            + (f"; so is {', '.join(found.disagreements[1:])}" if len(found.disagreements) > 1 else "")
        )
