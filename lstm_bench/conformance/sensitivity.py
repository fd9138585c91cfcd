"""How much of a case's results depends on the last digits of what is given, and how large an error may be therefore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.cases import CALLS, STEPS, Case, Problem
from lstm_bench.conformance.quantities import AFTER_1, AFTER_20, D_NATIVE, LOSSES, NATIVE_LOSS, STAGES, Arrays, Key
from lstm_bench.model.spec import Precision

if TYPE_CHECKING:
    from lstm_bench.conformance.differential import Reference

EPS: dict[Precision, float] = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-9}
"""Unit roundoff: half the distance from 1 to the next number, which is the largest relative error of rounding."""

ROUNDINGS: dict[Precision, float] = {"float64": 32, "float32": 32, "tf32": 16, "bfloat16": 16}
"""Sensitive cases get a wider tolerance: what changes in the reference if every given number changes by up to so many
roundings, or so many times the error of the reference itself in float32, whichever is larger. The second is needed
because batch normalisation and 1 - sigmoid lose digits inside the model, which a perturbation of the inputs does not
show."""

COARSE_FORWARD = 0.5
"""In coarse formats, outputs are allowed this part of what so many roundings change, since half of the roundings of a
gradient come after them. In bfloat16, half of the errors of PyTorch and of Keras on JAX are under a third of what 8
roundings change, in outputs and in gradients."""

PERTURBATIONS: dict[Precision, int] = {"float64": 1, "float32": 1, "tf32": 4, "bfloat16": 4}
"""Random perturbations, each in both directions. For each number of a result, the worst counts. The first steps of
RMSprop and Adam go by the signs of gradients. The sign of a small gradient is open in a coarse format: if a
perturbation does not turn it, the opposite one does."""

SMALL_GRADIENT: dict[Precision, float] = {"float64": 0.01, "float32": 0.01, "tf32": 0.1, "bfloat16": 0.1}
"""Gradients whose norm is below this fraction of the model's largest one are compared relative to that fraction. When
terms cancel, as under batch normalisation, the norm of the sum says nothing about their rounding errors. In bfloat16,
PyTorch's bias gradients there have a fiftieth of the norm and the same rounding error, a fifth of what is left."""

WIDEST: dict[Precision, float] = {"float64": 0.1, "float32": 0.1, "tf32": 0.5, "bfloat16": 0.5}
"""Upper limit of every tolerance. In coarse formats, an array of which the reference itself loses more says nothing:
only its shape, dtype and finiteness count."""

WIDEST_MOVED = 0.5
"""Upper limit for the error of trained parameters relative to how far they moved, which is 1 without any update. In
coarse formats, a single array may be off by more if the signs of many of its gradients are open."""

COARSE = ("tf32", "bfloat16")
"""The coarse formats."""

STEPS_AFTER = {AFTER_1: CALLS[0], AFTER_20: STEPS}
"""Optimizer steps before each kind of trained parameters."""


def parameter_of(key: Key) -> str:
    """Return the canonical name of a trained parameter."""
    return key[1].partition(" ")[0]


class Sensitivity:
    """How large errors may be in one case and precision.

    Args:
        case: the case.
        problem: its weights and data.
        theirs: what the reference computes from them.
        reference: the reference.
        precision: the precision to judge.
        bands: the ``tolerances`` of cases that are not sensitive.
    """

    def __init__(
        self,
        case: Case,
        problem: Problem,
        theirs: Arrays,
        reference: Reference,
        precision: Precision,
        bands: Mapping[str, float],
    ) -> None:
        self._case, self._problem, self._theirs = case, problem, theirs
        self._reference, self._precision = reference, precision
        norms = [
            float(np.linalg.norm(array))
            for (kind, _), array in theirs.items()
            if kind.stage == "backward" and kind is not D_NATIVE
        ]
        self._least_gradient = SMALL_GRADIENT[precision] * max(norms, default=0.0)
        losses = theirs.get((LOSSES, LOSSES.name), np.zeros(1))
        self._usual_loss = float(np.sqrt(np.mean(losses**2)))
        self._changes = {key: np.zeros(np.shape(array)) for key, array in theirs.items()}
        self._movements = {key: change.copy() for key, change in self._changes.items() if key[0] in STEPS_AFTER}
        self._measure()
        # One sensitivity per stage: the loss of a single array is luck, the largest loss is a property of the case.
        most = {stage: max((self._lost(k) for k in theirs if k[0].stage == stage), default=0.0) for stage in STAGES}
        moved = {kind: max((self._moved(k) for k in theirs if k[0] is kind), default=0.0) for kind in STEPS_AFTER}
        self._bands = {stage: max(bands[stage], min(WIDEST[precision], most[stage])) for stage in STAGES}
        least = max(bands["moved"], self._bands["backward"])  # a step is no more exact than its gradients
        self._moved_bands = {kind: max(least, min(WIDEST_MOVED, moved[kind])) for kind in STEPS_AFTER}
        for key, change in self._signs(bands["backward"]).items():  # each says nothing of other arrays
            for some in (self._changes, self._movements):
                some[key] = np.maximum(some[key], change)

    def error(self, key: Key, array: NDArray[Any], expected: NDArray[Any] | None = None) -> float:
        """Return the relative error of an array. Small gradients and losses are compared on the scale of larger ones.

        The loss of one batch may become tiny in training. It is the square of a difference then, which has few digits.

        Args:
            key: the array's kind and name.
            array: the array.
            expected: what it should be; what the reference computes if not given.
        """
        expected = self._theirs[key] if expected is None else expected
        return self._relative(key, relative_error(array, expected), float(np.linalg.norm(expected)))

    def _relative(self, key: Key, error: float, size: float) -> float:
        """Return a relative error of an array of this norm, on the scale of larger ones if it is a small one."""
        least = self._least_gradient if key[0].stage == "backward" else 0.0
        if key[0] is LOSSES and key[1].startswith(NATIVE_LOSS):
            least = self._usual_loss
        return error * size / least if 0 < size < least else error

    def tells(self, key: Key) -> bool:
        """Whether an array is known well enough to be compared."""
        return self._precision not in COARSE or self._lost(key) <= WIDEST[self._precision]

    def tolerance(self, key: Key) -> float:
        """Return the largest allowed error of an array."""
        band = max(self._bands[key[0].stage], min(WIDEST[self._precision], self._lost(key)))
        size = float(np.linalg.norm(self._theirs[key]))
        if key[0] not in STEPS_AFTER or not size:
            return band
        own = self._moved(key)
        moved = max(self._moved_bands[key[0]], own if self._precision in COARSE else min(WIDEST_MOVED, own))
        return min(band, (moved * self._distance(key) + self._stored(key)) / size)

    def _lost(self, key: Key) -> float:
        """Return what the reference loses of an array."""
        size = float(np.linalg.norm(self._theirs[key]))
        return self._relative(key, float(np.linalg.norm(self._changes[key])) / (size or 1.0), size)

    def _moved(self, key: Key) -> float:
        """Return what the reference loses of a trained parameter, relative to how far it moved."""
        return float(np.linalg.norm(self._movements[key])) / (self._distance(key) or 1.0)

    def _measure(self) -> None:
        """Find how far each number of the reference may change, and each number of what parameters moved by."""
        coarse = self._precision in COARSE
        for factor, problem, arrays in self._disturbed():
            for key, array in arrays.items():
                change = array - self._theirs[key]
                part = COARSE_FORWARD if coarse and key[0].stage == "forward" else 1.0
                self._changes[key] = np.maximum(self._changes[key], part * factor * np.abs(change))
                if key in self._movements:
                    name = parameter_of(key)
                    change = np.abs(change - (problem.parameters[name] - self._problem.parameters[name]))
                    if array.dtype == np.float32:  # what storing it rounds away is allowed without the factor
                        size = float(np.linalg.norm(change))
                        change *= max(0.0, size - self._stored(key)) / (size or 1.0)
                    self._movements[key] = np.maximum(self._movements[key], factor * change)

    def _signs(self, error: float) -> dict[Key, NDArray[Any]]:
        """Return what the sign of a gradient decides, where an allowed relative error leaves the sign open.

        The first step of RMSprop and Adam has the sign of the gradient, and nearly the same length for every gradient.
        A sum over labels may cancel, and labels cannot be perturbed.
        """
        train, problem = self._case.train, self._problem
        length = {"rmsprop": 10**0.5, "adam": 1.0}.get(train.optimizer, 0.0) * train.learning_rate
        model, rows = self._reference.build(self._case, problem.parameters), problem.order[0]
        gradients = model.gradients(model.put(problem.x[rows]), model.put(problem.y[rows]))[1]
        norms = {name: float(np.linalg.norm(gradient)) for name, gradient in gradients.items()}
        floor = SMALL_GRADIENT[self._precision] * max(norms.values())
        return {
            key: 2 * length * (np.abs(gradients[name]) <= error * max(norms[name], floor) / array.size**0.5)
            for key, array in self._theirs.items()
            if key[0] in STEPS_AFTER and (name := parameter_of(key)) in gradients
        }

    def _disturbed(self) -> Iterator[tuple[float, Problem, Arrays]]:
        """Yield what the reference computes from numbers that are slightly others, and a factor on the changes."""
        roundings, eps = ROUNDINGS[self._precision], EPS[self._precision]
        for draw in range(PERTURBATIONS[self._precision]):
            for sign in (1, -1):
                problem = self._problem.perturbed(sign * roundings * eps, draw)
                yield 1.0, problem, self._reference.observe(self._case, problem)
        if self._precision == "float32":
            yield roundings, self._problem, self._reference.observe(self._case, self._problem, "float32")

    def _distance(self, key: Key) -> float:
        """Return how far a parameter moved, or a small part of the farthest way if that is more, as for gradients."""
        ways = {
            other: float(np.linalg.norm(array - self._problem.parameters[parameter_of(other)]))
            for other, array in self._theirs.items()
            if other[0] is key[0]
        }
        return max(ways[key], SMALL_GRADIENT[self._precision] * max(ways.values()))

    def _stored(self, key: Key) -> float:
        """Return the most that rounding a parameter as it is stored does: once at first, and in every step."""
        eps = EPS["float64" if self._precision == "float64" else "float32"]
        before, after = self._problem.parameters[parameter_of(key)], self._theirs[key]
        return (1 + STEPS_AFTER[key[0]]) * eps * float(np.linalg.norm(before) + np.linalg.norm(after)) / 2
