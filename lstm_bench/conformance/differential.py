"""Compare everything that a model computes on a case with what the reference computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins
from lstm_bench.conformance.agreement import REFERENCE, tolerances
from lstm_bench.conformance.cases import Case, Problem, problem_of, representable
from lstm_bench.conformance.observing import observe
from lstm_bench.conformance.quantities import (
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
from lstm_bench.conformance.sensitivity import EPS, Sensitivity
from lstm_bench.model.spec import Precision
from lstm_bench.plugin.backend import ABILITIES, Ability, Backend, build_or_refuse, load_backend
from lstm_bench.plugin.options import NO_OPTIONS, Options
from lstm_bench.plugin.setting import Setting
from lstm_bench.record.checked import Compared, Quantity
from lstm_bench.text import one_line

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model


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
        case: the case, if need be with weights that suit the precision.
        problem: its weights and data.
        reference: the reference.
        abilities: of the backend.
        ours: what the backend computed.
        theirs: what the reference computed.
        sensitivity: measures errors, and how large they may be.
        tolerances: largest allowed error, by array.
        errors: norm-wise relative errors, by array; infinite if the array holds a number that is not finite. An array
            of the wrong shape is a fault and has no error; nor has one that the reference does not know well enough.
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
        self.case = case = representable(case, precision)
        self.reference, self.abilities, self._precision = reference, abilities, precision
        self.problem = problem_of(case)
        self.ours = observe(lambda: build(case, self.problem), case, self.problem, abilities)
        self.theirs = reference.observe(case, self.problem)
        self.tolerances: dict[Key, float] = {}
        self.errors: dict[Key, float] = {}
        self.faults = list(self.ours.faults)
        bands = tolerances(precision, device)
        self.sensitivity = Sensitivity(case, self.problem, self.theirs, reference, precision, bands)
        for key, expected in self.theirs.items():
            if key in self.ours.arrays:
                self._compare(key, self.ours.arrays[key], expected)
            elif not self.ours.faults and ability_of(key) in {None, *abilities}:
                self.faults.append(f"gives no {key[1]}")
        for _, name in self.ours.arrays.keys() - self.theirs.keys():
            self.faults.append(f"gives {name}, which there is not")
        self._judge_logits()

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
        if np.all(np.isfinite(ours)) and not self.sensitivity.tells(key):
            return
        self.tolerances[key] = self.sensitivity.tolerance(key)
        self.errors[key] = self.sensitivity.error(key, ours) if np.all(np.isfinite(ours)) else np.inf

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
