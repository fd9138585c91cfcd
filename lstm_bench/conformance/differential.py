"""Compare everything that a model computes on a case with what the reference computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins
from lstm_bench.conformance.agreement import REFERENCE, relative_error, tolerances
from lstm_bench.conformance.cases import CALLS, STEPS, Case, Problem, problem_of
from lstm_bench.conformance.observing import observe
from lstm_bench.conformance.quantities import (
    AFTER_1,
    AFTER_20,
    AFTER_GRADIENTS,
    AGAIN,
    ALIKE,
    D_NATIVE,
    D_TRAINED,
    FIRST_LOGITS,
    KINDS,
    LOGITS,
    LOSS,
    SECOND,
    STAGES,
    Arrays,
    Key,
    ability_of,
)
from lstm_bench.model.spec import Precision
from lstm_bench.plugin.backend import ABILITIES, Ability, Backend, build_or_refuse, load_backend
from lstm_bench.plugin.options import NO_OPTIONS, Options
from lstm_bench.plugin.setting import Setting
from lstm_bench.record.checked import Compared, Quantity
from lstm_bench.text import one_line

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

EPS: dict[Precision, float] = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-9}
"""Unit roundoff: half the distance from 1 to the next number, which is the largest relative error of rounding."""

ROUNDINGS: dict[Precision, float] = {"float64": 32, "float32": 32, "tf32": 16, "bfloat16": 16}
"""Sensitive cases get a wider tolerance: the error that the reference makes if every input changes by up to so many
roundings, or so many times the error of the reference itself in float32, whichever is larger. The second is needed
because batch normalisation and 1 - sigmoid lose digits inside the model, which a perturbation of the inputs does not
show. In bfloat16, half of the errors of PyTorch and of Keras on JAX are under a sixth of the first."""

PERTURBATIONS: dict[Precision, int] = {"float64": 1, "float32": 1, "tf32": 3, "bfloat16": 3}
"""Random perturbations, each in both directions, of which the worst counts. The first steps of RMSprop and Adam go
by the signs of gradients. The sign of a small gradient is open in a coarse format: if a perturbation does not turn it,
the opposite one does."""

SMALL_GRADIENT = 0.01
"""Gradients whose norm is below this fraction of the model's largest one are compared relative to that fraction. When
terms cancel, as under batch normalisation, the norm of the sum says nothing about their rounding errors."""

WIDEST: dict[Precision, float] = {"float64": 0.1, "float32": 0.1, "tf32": 0.5, "bfloat16": 0.5}
"""Upper limit of every tolerance, but for arrays that the reference itself loses more of."""

WIDEST_MOVED = 0.5
"""Upper limit of the error of trained parameters relative to how far they moved. Without any update it is 1."""

STEPS_AFTER = {AFTER_1: CALLS[0], AFTER_20: STEPS}
"""Optimizer steps before each kind of trained parameters."""


def parameter_of(key: Key) -> str:
    """Return the canonical name of a trained parameter."""
    return key[1].partition(" ")[0]


def without_padding(numbers: NDArray[Any], size: int) -> NDArray[Any]:
    """Return sorted numbers with zeros added or taken out, for ``size`` numbers in all, if there are enough zeros.

    Frameworks may leave out gradients that are zero, or hold parameters at zero that the canonical model does not have.
    """
    if numbers.size < size:
        return np.sort(np.pad(numbers, (0, size - numbers.size)))
    return np.delete(numbers, np.flatnonzero(numbers == 0)[: numbers.size - size])


class Comparison:
    """Compare one case on one backend with the reference.

    Attributes:
        case: the case.
        problem: its weights and data.
        ours: what the backend computed.
        theirs: what the reference computed.
        tolerances: largest allowed error, by array.
        errors: norm-wise relative errors, by array; infinite if the array holds a number that is not finite. An array
            of the wrong shape is a fault and has no error.
        faults: everything else that is wrong, one line each.
    """

    def __init__(
        self,
        case: Case,
        build: Callable[[Case, Problem], Model[Any]],
        reference: Reference,
        setting: Setting,
        abilities: Collection[Ability] = tuple(ABILITIES),
    ) -> None:
        precision, device = setting.precision, setting.device
        self.case, self.reference, self._precision = case, reference, precision
        self.problem = problem_of(case)
        self.ours = observe(lambda: build(case, self.problem), case, self.problem, abilities)
        self.theirs = reference.observe(case, self.problem)
        self.tolerances: dict[Key, float] = {}
        self.errors: dict[Key, float] = {}
        self.faults = list(self.ours.faults)
        gradients = [
            float(np.linalg.norm(array))
            for (kind, _), array in self.theirs.items()
            if kind.stage == "backward" and kind is not D_NATIVE
        ]
        self._floor = SMALL_GRADIENT * max(gradients, default=0.0)
        self._allow(tolerances(precision, device))
        for key, expected in self.theirs.items():
            if key in self.ours.arrays:
                self._compare(key, self.ours.arrays[key], expected)
            elif not self.ours.faults and ability_of(key) in {None, *abilities}:
                self.faults.append(f"gives no {key[1]}")
        for _, name in self.ours.arrays.keys() - self.theirs.keys():
            self.faults.append(f"gives {name}, which there is not")
        self._judge_logits()

    def _allow(self, bands: Mapping[str, float]) -> None:
        """Find how much the case's sensitivity allows in each stage, and for the movement of trained parameters."""
        # One sensitivity per stage: the loss of a single array is luck, the largest loss is a property of the case.
        stages, moved = dict.fromkeys(STAGES, 0.0), dict.fromkeys(STEPS_AFTER, 0.0)
        self._lost: dict[Key, float] = dict.fromkeys(self.theirs, 0.0)
        for factor, problem, arrays in self._disturbed():
            for key, array in arrays.items():
                self._lost[key] = max(self._lost[key], factor * self._error(key, array))
                stages[key[0].stage] = max(stages[key[0].stage], self._lost[key])
                if key[0] in STEPS_AFTER:
                    moved[key[0]] = max(moved[key[0]], factor * self._error_of_movement(key, array, problem))
        widest = WIDEST[self._precision]
        self._bands = {stage: max(bands[stage], min(widest, stages[stage])) for stage in STAGES}
        self._moved_bands = {kind: max(bands["moved"], min(WIDEST_MOVED, moved[kind])) for kind in STEPS_AFTER}

    def _disturbed(self) -> Iterator[tuple[float, Problem, Arrays]]:
        """Yield what the reference computes from numbers that are slightly others, and a factor on what that loses."""
        eps, reference = EPS[self._precision], self.reference
        for draw in range(PERTURBATIONS[self._precision]):
            for sign in (1, -1):
                problem = self.problem.perturbed(sign * ROUNDINGS[self._precision] * eps, draw)
                yield 1.0, problem, reference.observe(self.case, problem)
        if self._precision == "float32":
            yield ROUNDINGS["float32"], self.problem, reference.observe(self.case, self.problem, "float32")

    def _error_of_movement(self, key: Key, array: NDArray[Any], problem: Problem) -> float:
        """Return the error of a trained parameter relative to how far it moved, less what storing it rounds away."""
        name = parameter_of(key)
        movement = self.theirs[key] - self.problem.parameters[name]
        difference = float(np.linalg.norm(array - problem.parameters[name] - movement))
        stored = self._stored(key) if array.dtype == np.float32 else 0.0
        distance = float(np.linalg.norm(movement))
        return max(0.0, difference - stored) / distance if distance else 0.0

    def _stored(self, key: Key) -> float:
        """Return the most that rounding the parameters as they are stored does: once at first, and in every step."""
        size = float(np.linalg.norm(self.theirs[key]) + np.linalg.norm(self.problem.parameters[parameter_of(key)])) / 2
        return (1 + STEPS_AFTER[key[0]]) * EPS["float64" if self._precision == "float64" else "float32"] * size

    def _tolerance(self, key: Key) -> float:
        band = self._bands[key[0].stage]
        if self._lost[key] > WIDEST[self._precision]:
            return 2 * self._lost[key]
        size = float(np.linalg.norm(self.theirs[key]))
        if key[0] not in STEPS_AFTER or not size:
            return band
        distance = float(np.linalg.norm(self.theirs[key] - self.problem.parameters[parameter_of(key)]))
        return min(band, (self._moved_bands[key[0]] * distance + self._stored(key)) / size)

    def _judge_logits(self) -> None:
        """Add the faults of logits that depend on other calls."""
        agrees = {name: self.agrees((kind, name)) for kind, name in self.errors if kind is LOGITS}
        if agrees.get(FIRST_LOGITS) and not all(agrees.get(name, True) for name in (AGAIN, AFTER_GRADIENTS)):
            self.faults.append("keeps state between calls: asked again, its logits are others")
        earlier = [self.ours.arrays[LOGITS, FIRST_LOGITS]] if agrees else []
        for name in (SECOND, ALIKE):
            if name in agrees:
                own = self.ours.arrays[LOGITS, name]
                if not agrees[name] and any(np.array_equal(own, other) for other in earlier):
                    self.faults.append("answers a batch with the logits of an earlier one")
                earlier.append(own)

    def _compare(self, key: Key, ours: NDArray[Any], expected: NDArray[Any]) -> None:
        kind, name = key
        if kind in (D_NATIVE, D_TRAINED):
            ours = self.ours.arrays[key] = without_padding(ours, expected.size)
        if ours.shape != expected.shape:
            self.faults.append(f"{name}: has shape {ours.shape}, not {expected.shape}")
            return
        wanted = np.dtype("float64" if self._precision == "float64" else "float32")
        if ours.dtype != wanted and kind is not LOSS:  # the loss is a Python float
            self.faults.append(f"{name}: is {ours.dtype}, not {wanted}")
        self.tolerances[key] = self._tolerance(key)
        self.errors[key] = self._error(key, ours) if np.all(np.isfinite(ours)) else np.inf

    def _error(self, key: Key, array: NDArray[Any]) -> float:
        expected = self.theirs[key]
        error = relative_error(array, expected)
        size = float(np.linalg.norm(expected))
        return error * size / self._floor if key[0].stage == "backward" and 0 < size < self._floor else error

    def agrees(self, key: Key) -> bool:
        """Whether the error of this array is within its tolerance."""
        return self.errors[key] <= self.tolerances[key]

    @property
    def stage(self) -> str | None:
        """The first stage with a disagreement; ``None`` if all arrays agree."""
        stages = {key[0].stage for key in self.errors if not self.agrees(key)}
        return next((stage for stage in STAGES if stage in stages), None)

    def compared(self, number: int) -> Compared:
        """Summarise the comparison for the parent process: the worst array of each kind, and the faults."""
        worst: dict[str, Quantity] = {}
        for kind in KINDS:
            keys = [key for key in self.errors if key[0] is kind]
            if not keys:
                continue
            key = max(keys, key=lambda key: self.errors[key] / self.tolerances[key])
            error = self.errors[key]
            worst[kind.name] = Quantity(
                name=key[1],
                error=error if np.isfinite(error) else None,
                ulps=self._ulps(key) if np.isfinite(error) else None,
                tolerance=self.tolerances[key],
            )
        return Compared(number=number, quantities=worst, faults=tuple(dict.fromkeys(map(one_line, self.faults))))

    def _ulps(self, key: Key) -> float:
        expected = self.theirs[key].astype(np.float64)
        scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
        difference = float(np.max(np.abs(self.ours.arrays[key] - expected), initial=0.0))
        return difference / (2 * EPS[self._precision] * scale)


class Reference:
    """The reference backend, on the CPU."""

    def __init__(self, backend: Backend, options: Options = NO_OPTIONS) -> None:
        self._backend, self._options = backend, options

    @classmethod
    def of(cls, plugins: Plugins) -> Reference:
        """Load the reference from the plugins."""
        info = plugins.backend(REFERENCE)
        return cls(load_backend(info), info.read({}))

    def build(self, case: Case, parameters: Mapping[str, NDArray[Any]], precision: Precision = "float64") -> Model[Any]:
        """Build the reference model with these parameters."""
        setting = Setting(precision, "cpu", self._options)
        return build_or_refuse(self._backend, case.model, case.train, parameters, setting, seed=0)

    def observe(self, case: Case, problem: Problem, precision: Precision = "float64") -> Arrays:
        """Return everything that the reference computes on a case.

        Raises:
            RuntimeError: if the reference itself fails; the message says how.
        """
        found = observe(lambda: self.build(case, problem.parameters, precision), case, problem)
        if found.faults:
            raise RuntimeError(f"the reference fails in {case}: {'; '.join(found.faults)}")
        return found.arrays
