"""Compute timed training again: by the reference from its first step, and by another model of the same backend.

The reference shows that the timed calls did the specified work. It is slow and in float64, so it follows only the first
steps of a timed model. The other model of the backend follows much further. It takes the same steps in calls of few
steps, so it shows whether long calls compute what short calls compute. On CPUs honest backends reach bitwise equal
losses in calls of any length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import expect_parameters, relative_error
from lstm_bench.conformance.sensitivity import EPS, ROUNDINGS
from lstm_bench.model.flops import operations
from lstm_bench.model.parameters import Parameters, state_shapes

if TYPE_CHECKING:
    from lstm_bench.model.spec import ModelSpec, Precision
    from lstm_bench.plugin.backend import Model
    from lstm_bench.worker.blocks import Segment
    from lstm_bench.worker.prepare import Prepared

MOST_STEPS: dict[Precision, int] = {"float64": 300, "float32": 300, "tf32": 10, "bfloat16": 10}
"""Steps that the reference follows. Rounding errors grow with the steps. Over 300 steps losses were seen to differ by
up to 6.5e-6 in float32 (jax on flights and speed:tiny); over 3,000 steps by 1.3e-3."""

SLOWEST_STEP = 20 * 10**9
"""Floating point operations of a step that the reference still computes: about half a second on two cores."""

PORTION = 10**8
"""Floating point operations of a call of the reference, after which it looks at the time."""

SAME: dict[Precision, float] = {"float64": 1e-6, "float32": 1e-2, "tf32": 0.2, "bfloat16": 0.2}
"""Tolerance between two models of a backend. On CPUs no difference was seen: not in 35 attempts on six engines, and not
over 3,000 steps with NumPy, PyTorch and JAX. The tolerance leaves room for sums in another order, as on GPUs, whose
difference grows with the steps."""

DIVERGED = 1e15
"""A loss from which on coarser formats overflow sooner than float64."""

LEAST_STEPS = 2
"""Steps that are always computed again."""


@dataclass(frozen=True)
class Replay:
    """The errors of timed training.

    Attributes:
        losses: relative error of the timed losses.
        steps: number of steps that were computed again.
        parameters: error of the parameters after the last timed step, relative to how far they have moved; ``None`` if
            not all steps were computed again.
    """

    losses: float
    steps: int
    parameters: float | None = None


def by_reference(
    reference: Model[Any],
    spec: ModelSpec,
    data: tuple[NDArray[Any], NDArray[Any]],
    segment: Segment,
    precision: Precision,
    seconds: float,
) -> Replay | None:
    """Follow a timed model with the reference from its first step.

    Args:
        reference: a new model of the reference with the initial parameters.
        spec: the model's specification.
        data: sequences `(N, T, I)` and targets.
        segment: the timed model's life.
        precision: the timed model's precision.
        seconds: time after which to stop.

    Returns:
        ``None`` if a step is too long for the reference.
    """
    order = np.concatenate(segment.orders)[: MOST_STEPS[precision]]
    if operations(spec, "gradient", batch=order.shape[1], time=data[0].shape[1]) > SLOWEST_STEP:
        return None
    losses = _reference_losses(reference, spec, data, order, seconds)
    if not np.all(losses < DIVERGED):  # the recipe itself diverges, which training reports
        return None
    timed = np.concatenate(segment.losses)[: len(losses)]
    return Replay(relative_error(timed, losses), len(losses))


def losses_tolerance(prepared: Prepared, segment: Segment, again: Replay) -> float:
    """Return the largest error of losses that is allowed: the usual one, or more where training makes roundings grow.

    Args:
        prepared: what the segment was trained with.
        segment: the timed model's life.
        again: the segment's errors. Only for an error beyond the usual one is the second number computed.
    """
    usual = prepared.bands["update"]
    if again.losses <= usual:
        return usual
    data = prepared.x, prepared.y
    spec, precision = prepared.recipe.model, prepared.setting.precision
    grown = by_rounding(prepared.build_reference, spec, data, segment, precision, prepared.parameters, again.steps)
    return max(usual, grown)


def by_rounding(
    build: Callable[..., Model[Any]],
    spec: ModelSpec,
    data: tuple[NDArray[Any], NDArray[Any]],
    segment: Segment,
    precision: Precision,
    initial: Parameters,
    steps: int,
) -> float:
    """Return how far the reference's own losses are off when it computes with roundings, as ``check`` allows.

    Some training makes rounding errors grow, and then a right backend is further off the reference than usual. The
    parameters and sequences change by ``ROUNDINGS`` roundings. In float32, so many times the error of the reference in
    float32 is allowed as well, since it rounds in every step: over 300 steps of the adding problem, NumPy's losses in
    float32 were off by 4.7e-4 in one order of batches of 110, and by less than 1e-4 in the others.

    Args:
        build: builds the reference with these parameters, in float64 or in the given ``precision``.
        spec: the model's specification.
        data: sequences `(N, T, I)` and targets.
        segment: the timed model's life.
        precision: the timed model's precision.
        initial: the initial parameters.
        steps: number of steps.

    Returns:
        The relative error of the losses, at most ``SAME``.
    """
    generator = np.random.default_rng(0)
    share = ROUNDINGS[precision] * EPS[precision]

    def changed(array: NDArray[Any]) -> NDArray[Any]:
        return array * (1 + share * generator.uniform(-1, 1, array.shape))

    x, y = data
    order = np.concatenate(segment.orders)[:steps]
    other = {name: changed(value) for name, value in initial.items()}
    usual = _reference_losses(build(initial), spec, data, order, math.inf)
    moved = _reference_losses(build(other), spec, (changed(x), y), order, math.inf)
    errors = [relative_error(moved, usual)]
    if precision == "float32":
        coarse = _reference_losses(build(initial, precision="float32"), spec, data, order, math.inf)
        errors.append(ROUNDINGS[precision] * relative_error(coarse, usual))
    return min(SAME[precision], max(errors))


def _reference_losses(
    reference: Model[Any],
    spec: ModelSpec,
    data: tuple[NDArray[Any], NDArray[Any]],
    order: NDArray[np.intp],
    seconds: float,
) -> NDArray[np.float64]:
    """Train the reference by this order until the time is over. Return the losses."""
    x, y = data
    cost = operations(spec, "gradient", batch=order.shape[1], time=x.shape[1])
    portion = max(1, min(10, PORTION // cost))
    used, places = np.unique(order, return_inverse=True)
    native = reference.put(x[used]), reference.put(y[used])
    places = places.reshape(order.shape)
    portions = [places[at : at + portion] for at in range(0, len(places), portion)]
    return _follow(reference, native, [reference.put(portion) for portion in portions], seconds)


def by_another_model(
    build: Callable[[], Model[Any]],
    spec: ModelSpec,
    native: tuple[Any, Any],
    segment: Segment,
    initial: Parameters,
    portion: int,
    seconds: float,
) -> Replay:
    """Follow a timed model with another one of its backend, in calls of few steps whose losses are read each time.

    Args:
        build: builds the other model, with the initial parameters.
        spec: the model's specification.
        native: native sequences and targets.
        segment: the timed model's life.
        initial: the initial parameters.
        portion: steps in a call.
        seconds: time after which to stop.

    Raises:
        InvalidOutput: if the parameters cannot be compared.
    """
    model = build()
    order = np.concatenate(segment.orders)
    whole = len(order) - len(order) % portion
    portions = [order[at : at + portion] for at in range(0, whole, portion)]
    portions += [order[at : at + 1] for at in range(whole, len(order))]  # no call of a new length: it would compile
    losses = _follow(model, native, [model.put(rows) for rows in portions], seconds)
    timed = np.concatenate(segment.losses)[: len(losses)]
    numbers = np.isfinite(losses)
    if not np.all(numbers):  # the training diverges, which the recipe's training reports
        alike = np.array_equal(numbers, np.isfinite(timed))
        return Replay(relative_error(timed[numbers], losses[numbers]) if alike else math.nan, len(losses))
    error = relative_error(timed, losses)
    assert segment.parameters is not None
    ours = expect_parameters("parameters", segment.parameters, state_shapes(spec))
    if len(losses) < len(order):
        return Replay(error, len(losses))
    return Replay(error, len(losses), movement_error(ours, model.parameters(), initial))


def movement_error(ours: Parameters, theirs: Parameters, initial: Parameters) -> float:
    """Return how far parameters differ, relative to how far they have moved: the Frobenius norm over all of them."""
    difference, movement = (
        np.sqrt(sum(float(np.sum((a[name].astype(np.float64) - b[name]) ** 2)) for name in b))
        for a, b in ((ours, theirs), (theirs, initial))
    )
    return float(difference / (movement or 1.0))


def _follow(model: Model[Any], native: tuple[Any, Any], portions: Sequence[Any], seconds: float) -> NDArray[np.float64]:
    """Train until the time is over. Return the losses."""
    until = perf_counter() + seconds
    losses: list[NDArray[Any]] = []
    steps = 0
    for portion in portions:
        if steps >= LEAST_STEPS and perf_counter() > until:
            break
        found = model.get(model.train(*native, portion))
        losses.append(np.asarray(found, np.float64).reshape(-1))
        steps += len(losses[-1])
    return np.concatenate(losses)
