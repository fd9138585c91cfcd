"""Compare a model with the float64 reference: logits, loss, gradients and some training steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.errors import LSTMBenchError
from lstm_bench.model.parameters import Parameters, parameter_shapes, state_shapes
from lstm_bench.model.spec import ModelSpec, Precision
from lstm_bench.record.attempt import Agreement

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

REFERENCE = "numpy"
"""Name of the backend that, in float64, is the reference for all others."""

CALLS, MORE_CALLS = (1, 3, 3, 3), (30, 30, 30)
"""Steps of the calls of ``Model.train`` that are compared, and of more calls if they are cheap. A wrong update rule
shows only in training, and a slip that comes later only in more of it. The second of three equal calls gets the array
of the first."""

STEPS, MOST_STEPS = sum(CALLS), sum(CALLS + MORE_CALLS)

# Norm-wise relative errors. Observed on flights with torch and NumPy, float32: logits 7e-8, gradients 1.4e-7 and
# parameters after ten steps 1.1e-7; float64: 2e-16, 2.8e-16, 8.8e-17. The tolerances are wider, because small random
# models have larger errors: float32 up to 2.4e-7, 1.5e-6 and, over twenty steps, 8.6e-6; bfloat16 forward up to 7.9e-3
# on flights, and 2.4e-2 on a small tanh RNN, which exceeds its tolerance. tf32 on an H200: forward up to 7.0e-4,
# gradients 4.5e-3, parameters 2.6e-4 over twenty steps. "moved" is the error of trained parameters relative to how far
# they moved: in small models that are not sensitive, float32 up to 1.3e-4 with torch and NumPy, and 2.3e-4 with JAX.
TOLERANCES: dict[Precision, dict[str, float]] = {
    "float64": {"forward": 1e-12, "backward": 1e-11, "update": 1e-9, "moved": 1e-9},
    "float32": {"forward": 1e-5, "backward": 1e-4, "update": 1e-4, "moved": 1e-3},
    "tf32": {"forward": 1e-2, "backward": 1e-1, "update": 1e-1, "moved": 1e-1},
    "bfloat16": {"forward": 1e-2, "backward": 1e-1, "update": 1e-1, "moved": 1e-1},
}

APPROXIMATED = 1e-4
"""Tolerance of the forward pass in float32 on a GPU. cuDNN's kernels for small hidden sizes keep the weights in
registers and compute tanh and sigmoid to 7e-6 only (H200, cuDNN 9.19: LSTM and GRU up to 192 units, tanh RNN up to
384). A tanh RNN of three layers had an error of 2.5e-5. TF32 has an error of 4e-4, which is still above this tolerance;
the precision test detects TF32, too."""

BANDS = {
    "logits": "forward",
    "logits repeated": "forward",
    "loss": "forward",
    "gradients": "backward",
    "training losses": "update",
    "trained parameters": "update",
}
"""The stage whose tolerance applies to each quantity."""


def tolerances(precision: Precision, device: str) -> dict[str, float]:
    """Return the largest allowed relative error of ``forward``, ``backward`` and ``update``.

    ``moved`` is that of trained parameters relative to how far they moved.

    Args:
        precision: the precision of the model.
        device: the device that it computes on.
    """
    bands = TOLERANCES[precision]
    return bands | {"forward": APPROXIMATED} if precision == "float32" and device != "cpu" else dict(bands)


class InvalidOutput(LSTMBenchError):
    """A backend returned something that cannot be compared: a wrong shape, a missing name, or NaN."""


def relative_error(ours: NDArray[Any], reference: NDArray[Any]) -> float:
    """Return ``||ours - reference|| / ||reference||``, Frobenius, in float64; ``||ours||`` if the reference is 0."""
    reference = reference.astype(np.float64)
    scale = float(np.linalg.norm(reference))
    return float(np.linalg.norm(ours.astype(np.float64) - reference)) / (scale or 1.0)


def fetched(model: Model[Any], nested: Any) -> list[NDArray[Any]]:
    """Copy native arrays to NumPy. They may be nested in tuples, lists and mappings."""
    if isinstance(nested, Mapping):
        nested = tuple(nested.values())
    if isinstance(nested, tuple | list):
        return [array for part in nested for array in fetched(model, part)]
    return [model.get(nested)]


def error_in_any_layout(ours: Iterable[NDArray[Any]], reference: Iterable[NDArray[Any]]) -> float:
    """Return the relative error of all numbers together, sorted, for gradients without names or a common layout.

    ``Model.differentiate`` returns such gradients. Zeros may be missing on either side, because some frameworks hold
    parameters at zero.
    """
    a, b = (np.concatenate([np.ravel(array).astype(np.float64) for array in arrays]) for arrays in (ours, reference))
    size = max(a.size, b.size)
    return relative_error(*(np.sort(np.pad(numbers, (0, size - numbers.size))) for numbers in (a, b)))


def expect(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array if it has this shape and is finite.

    Args:
        what: name of the array, for the message.
        array: an output of a backend.
        shape: the expected shape.

    Raises:
        InvalidOutput: saying what is wrong with it.
    """
    expect_shape(what, array, shape)
    if not np.all(np.isfinite(array)):
        raise InvalidOutput(
            f"{what} must be finite; the backend returned {int(np.sum(~np.isfinite(array)))} that are not"
        )
    return array


def expect_shape(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array if it has this shape.

    Args:
        what: name of the array, for the message.
        array: an output of a backend.
        shape: the expected shape.

    Raises:
        InvalidOutput: if it has another shape.
    """
    if np.shape(array) != shape:
        raise InvalidOutput(f"{what} must have shape {shape}; the backend returned {np.shape(array)}")
    return array


def expect_parameters(what: str, parameters: Parameters, shapes: Mapping[str, tuple[int, ...]]) -> Parameters:
    """Return the parameters if they have these names and shapes and are finite.

    Raises:
        InvalidOutput: naming the parameter and what is wrong with it.
    """
    if set(parameters) != set(shapes):
        odd = sorted(set(parameters) ^ set(shapes))
        raise InvalidOutput(f"{what} must come under the canonical names; missing or superfluous: {', '.join(odd)}")
    for name, shape in shapes.items():
        expect(f"{what} {name}", parameters[name], shape)
    return parameters


def logits_shape(spec: ModelSpec, x: NDArray[Any]) -> tuple[int, ...]:
    """Return the shape of the logits for sequences ``x`` `(B, T, I)`: `(B, O)` or `(B, T, O)`."""
    return (len(x), spec.output_size) if spec.readout == "last" else (*x.shape[:2], spec.output_size)


def training_order(epoch: NDArray[np.intp], steps: int) -> NDArray[np.intp]:
    """Return batches to train on, for ``compare_fresh``.

    Args:
        epoch: the batches of an epoch, `(batches, B)`.
        steps: number of training steps.
    """
    order = epoch[np.arange(steps) % len(epoch)]
    calls = _split(order)
    for first, second in ((1, 2), (4, 5)):
        if len(calls[second]) == len(calls[first]):
            calls[second][...] = calls[first]
    return order


def _split(order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Split batches into the batches of each call of ``Model.train``. Returns views; the last ones may be empty."""
    return np.split(order, list(accumulate(CALLS + MORE_CALLS))[:-1])


def compare_fresh(
    build: Callable[[], Model[Any]],
    build_reference: Callable[[], Model[Any]],
    spec: ModelSpec,
    bands: Mapping[str, float],
    x: NDArray[Any],
    y: NDArray[Any],
    order: NDArray[np.intp],
    native: tuple[Any, Any] | None = None,
    *,
    trains: bool = True,
) -> Agreement:
    """Compare two new models: logits, and if the backend trains, loss, gradients and some training steps.

    Logits are computed twice, because only the second call shows a state that is kept between calls.

    Args:
        build: builds the tested model.
        build_reference: builds the reference, with the same parameters, in float64.
        spec: the model.
        bands: the ``tolerances`` of the tested model.
        x: sequences `(N, T, I)`.
        y: their targets.
        order: batches to train on, `(steps, B)`, as ``training_order`` returns them. The first is the batch for
            everything else.
        native: ``x`` and ``y`` as the backend's native arrays, if they have been put already.
        trains: whether the backend can train.

    Raises:
        InvalidOutput: if the model returns something that cannot be compared.
    """
    model, reference = build(), build_reference()
    first = order[0]
    ours = _Bound(model, x, y, order, native)
    # The reference gets only the sequences that it needs: a large data set in float64 would take gigabytes.
    used, places = np.unique(order, return_inverse=True)
    theirs = _Bound(reference, x[used], y[used], places.reshape(order.shape))

    shape = logits_shape(spec, x[first])
    expected = theirs.logits()
    errors = {"logits": relative_error(expect("logits", ours.logits(), shape), expected)}
    errors["logits repeated"] = relative_error(expect("logits", ours.logits(), shape), expected)

    worst = _compare_training(ours, theirs, spec, errors) if trains else {}
    return _agreement(errors, {name: bands[BANDS[name]] for name in errors}, worst)


def _compare_training(ours: _Bound, theirs: _Bound, spec: ModelSpec, errors: dict[str, float]) -> dict[str, str]:
    """Add the errors of loss, gradients and training to ``errors``. Return the worst parameter of each, by quantity.

    Raises:
        InvalidOutput: if the model returns something that cannot be compared.
    """
    worst = {}
    loss, gradients = ours.model.gradients(ours.x_batch, ours.y_batch)
    true_loss, true_gradients = theirs.model.gradients(theirs.x_batch, theirs.y_batch)
    errors["loss"] = relative_error(expect("loss", np.asarray(loss), ()), np.asarray(true_loss))
    errors["gradients"], worst["gradients"] = _worst(
        expect_parameters("gradients", gradients, parameter_shapes(spec)), true_gradients
    )
    true_losses = theirs.train()
    if np.all(np.isfinite(true_losses)):  # otherwise the recipe itself diverges, which training reports
        losses = ours.train()
        errors["training losses"] = relative_error(expect("training losses", losses, true_losses.shape), true_losses)
        trained = expect_parameters("parameters", ours.model.parameters(), state_shapes(spec))
        errors["trained parameters"], worst["trained parameters"] = _worst(trained, theirs.model.parameters())
    return worst


def compare_gradients(
    model: Model[Any],
    reference: Model[Any],
    spec: ModelSpec,
    tolerance: float,
    batch: tuple[NDArray[Any], NDArray[Any]],
    before: Agreement,
) -> Agreement:
    """Compare gradients of a model whose state lasts for many steps.

    Args:
        model: the tested model.
        reference: the reference with the same parameters.
        spec: the model's specification.
        tolerance: largest relative error.
        batch: sequences `(B, T, I)` and targets.
        before: the result of ``compare_fresh``.

    Returns:
        ``before`` with the error of ``gradients of a lasting state`` added.

    Raises:
        InvalidOutput: if the model returns something that cannot be compared.
    """
    name = "gradients of a lasting state"
    x, y = batch
    _, gradients = model.gradients(model.put(x), model.put(y))
    _, expected = reference.gradients(reference.put(x), reference.put(y))
    error, worst = _worst(expect_parameters("gradients", gradients, parameter_shapes(spec)), expected)
    return _agreement(
        before.errors | {name: error}, before.tolerances | {name: tolerance}, before.worst | {name: worst}
    )


def compare_trained(
    model: Model[Any],
    build_reference: Callable[[Parameters], Model[Any]],
    spec: ModelSpec,
    bands: Mapping[str, float],
    x: NDArray[Any],
    before: Agreement,
) -> Agreement:
    """Compare a trained model's logits with those of the reference with the same parameters.

    Args:
        model: the trained model.
        build_reference: builds the reference with given parameters.
        spec: the model.
        bands: the ``tolerances`` of ``model``.
        x: sequences `(B, T, I)`.
        before: the result of ``compare_fresh``.

    Returns:
        ``before`` with the error of ``logits after training`` added.

    Raises:
        InvalidOutput: if the model returns something that cannot be compared.
    """
    parameters = expect_parameters("parameters", model.parameters(), state_shapes(spec))
    reference = build_reference(parameters)
    ours = expect("logits", model.get(model.infer(model.put(x))), logits_shape(spec, x))
    theirs = reference.get(reference.infer(reference.put(x)))
    # Ten times the tolerance of new weights, because trained weights are larger and terms of the logits can cancel
    # (8e-8 was seen on flights). At most the tolerance of training, because that of a GPU is wide already (1.2e-5
    # seen).
    return _agreement(
        before.errors | {"logits after training": relative_error(ours, theirs)},
        before.tolerances | {"logits after training": min(10 * bands["forward"], bands["update"])},
        before.worst,
    )


class _Bound:
    """A model with its data as native arrays."""

    def __init__(
        self,
        model: Model[Any],
        x: NDArray[Any],
        y: NDArray[Any],
        order: NDArray[np.intp],
        native: tuple[Any, Any] | None = None,
    ) -> None:
        self.model, self._order = model, order
        self._x, self._y = native or (model.put(x), model.put(y))
        self.x_batch, self.y_batch = model.put(x[order[0]]), model.put(y[order[0]])

    def logits(self) -> NDArray[Any]:
        return self.model.get(self.model.infer(self.x_batch))

    def train(self) -> NDArray[Any]:
        """Train in ``CALLS`` and ``MORE_CALLS``, as far as the order goes. Return all losses."""
        losses = []
        native: dict[bytes, Any] = {}
        for rows in _split(self._order):
            if len(rows):
                order = native.setdefault(rows.tobytes(), self.model.put(rows))
                losses.append(self.model.get(self.model.train(self._x, self._y, order)))
                expect_shape("training losses", losses[-1], (len(rows),))
        return np.concatenate(losses)


def _worst(ours: Parameters, reference: Parameters) -> tuple[float, str]:
    errors = {name: relative_error(ours[name], reference[name]) for name in reference}
    name = max(errors, key=lambda name: errors[name])
    return errors[name], name


def _agreement(errors: Mapping[str, float | None], tolerances: Mapping[str, float], worst: dict[str, str]) -> Agreement:
    return Agreement(
        errors={n: e if e is not None and math.isfinite(e) else None for n, e in errors.items()},
        tolerances=dict(tolerances),
        worst=worst,
    )
