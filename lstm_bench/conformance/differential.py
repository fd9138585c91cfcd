"""Compare everything that a model computes on a case with what the reference computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins
from lstm_bench.conformance.agreement import REFERENCE, relative_error, tolerances
from lstm_bench.conformance.cases import Case, Problem, problem_of
from lstm_bench.model.spec import Precision
from lstm_bench.plugin.backend import ABILITIES, Ability, Backend, Unsupported, build_or_refuse, load_backend
from lstm_bench.plugin.options import NO_OPTIONS, Options
from lstm_bench.plugin.setting import Setting
from lstm_bench.record.checked import Compared, Quantity
from lstm_bench.text import describe

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

EPS: dict[Precision, float] = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-9}
"""Unit roundoff: half the distance from 1 to the next number, which is the largest relative error of rounding."""

ROUNDINGS = 32
"""Sensitive cases get a wider tolerance: this multiple of the error caused by perturbing every input in its last place,
or of the error of the reference itself in float32, whichever is larger. The second is needed because batch
normalisation and 1 - sigmoid lose digits inside the model, which a perturbation of the inputs does not show."""

SMALL_GRADIENT = 0.01
"""Gradients whose norm is below this fraction of the model's largest one are compared relative to that fraction. When
terms cancel, as under batch normalisation, the norm of the sum says nothing about their rounding errors."""

WIDEST = 0.1
"""Upper limit of every tolerance."""

STAGES = ("forward", "backward", "update")


class QuantityKind(msgspec.Struct, frozen=True):
    """A kind of quantity, such as ``final h``.

    Attributes:
        name: its row in the table.
        stage: ``forward``, ``backward`` or ``update``, which chooses the tolerance.
    """

    name: str
    stage: str


OUTPUTS = QuantityKind("outputs", "forward")
FINAL_H, FINAL_C = QuantityKind("final h", "forward"), QuantityKind("final c", "forward")
LOGITS, LOSS = QuantityKind("logits", "forward"), QuantityKind("loss", "forward")
D_IH, D_HH, D_BIAS = (
    QuantityKind("dW_ih", "backward"),
    QuantityKind("dW_hh", "backward"),
    QuantityKind("db", "backward"),
)
D_NORM, D_HEAD, D_X = (
    QuantityKind("d batch norm", "backward"),
    QuantityKind("d head", "backward"),
    QuantityKind("dx", "backward"),
)
LOSSES = QuantityKind("training losses", "update")
AFTER_1, AFTER_20 = (
    QuantityKind("parameters after 1 step", "update"),
    QuantityKind("parameters after 20 steps", "update"),
)
STATISTICS = QuantityKind("batch norm statistics", "update")
TRAINED_LOGITS = QuantityKind("logits after training", "update")

KINDS = (
    OUTPUTS,
    FINAL_H,
    FINAL_C,
    LOGITS,
    LOSS,
    D_IH,
    D_HH,
    D_BIAS,
    D_NORM,
    D_HEAD,
    D_X,
    LOSSES,
    AFTER_1,
    AFTER_20,
    STATISTICS,
    TRAINED_LOGITS,
)

AFTER_GRADIENTS = "logits after gradients"

_GRADIENTS = {"weight_ih": D_IH, "weight_hh": D_HH, "bias": D_BIAS, "bias_hn": D_BIAS}


Key = tuple[QuantityKind, str]
"""The kind and name of an array."""

Arrays = dict[Key, NDArray[Any]]


class Behaviour:
    """Everything that a model has computed so far.

    Attributes:
        arrays: by kind and name.
        faults: other misbehaviour, one line each.
    """

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self.faults: list[str] = []

    def add(self, kind: QuantityKind, name: str, array: NDArray[Any]) -> None:
        """Record an array."""
        self.arrays[kind, name] = np.asarray(array)


def observe(
    build: Callable[[], Model[Any]], case: Case, problem: Problem, abilities: Collection[Ability] = tuple(ABILITIES)
) -> Behaviour:
    """Call every method that the abilities name, and record the results. An exception becomes a fault.

    Raises:
        Unsupported: if the backend refuses the model.
    """
    found = Behaviour()
    given = [problem.x, problem.y, problem.order, *problem.parameters.values(), *problem.initial.h, *problem.initial.c]
    before = [array.copy() for array in given]
    try:
        model = build()
    except Unsupported:
        raise
    except Exception as error:
        found.faults.append(f"raised {describe(error)}")
    else:
        try:
            _exercise(model, case, problem, found, abilities)
        except Exception as error:
            found.faults.append(f"raised {describe(error)}")
    if any(not np.array_equal(now, then) for now, then in zip(given, before, strict=True)):
        found.faults.append("changes the arrays that it is given")
    return found


def _exercise(
    model: Model[Any], case: Case, problem: Problem, found: Behaviour, abilities: Collection[Ability]
) -> None:
    batch = case.train.batch_size
    x, y = model.put(problem.x[:batch]), model.put(problem.y[:batch])
    all_x, all_y = model.put(problem.x), model.put(problem.y)
    natives = [model.get(native).copy() for native in (x, all_x)]

    found.add(LOGITS, "logits", model.get(model.infer(x)))
    if "states" in abilities:
        _exercise_states(model, x, case, problem, found)
    found.add(LOGITS, "logits asked for again", model.get(model.infer(x)))
    if "train" in abilities:
        _exercise_gradients(model, x, y, found, abilities)
        found.add(LOGITS, AFTER_GRADIENTS, model.get(model.infer(x)))
        _exercise_training(model, (all_x, all_y), problem.order, found)
        found.add(TRAINED_LOGITS, "logits after training", model.get(model.infer(x)))
    if any(not np.array_equal(model.get(now), then) for now, then in zip((x, all_x), natives, strict=True)):
        found.faults.append("changes its inputs in place")


def _exercise_states(model: Model[Any], x: Any, case: Case, problem: Problem, found: Behaviour) -> None:
    # Cases of even length start from zeros, the others from given states. One call of each would compile twice.
    outputs, final = model.states(x, problem.initial if case.time % 2 else None)
    found.add(OUTPUTS, "outputs", outputs)
    for kind, layers in ((FINAL_H, final.h), (FINAL_C, final.c)):
        for layer, array in enumerate(layers):
            for direction, half in zip(case.model.directions, array, strict=True):
                found.add(kind, f"{kind.name} of layers.{layer}.{direction}", half)


def _exercise_gradients(model: Model[Any], x: Any, y: Any, found: Behaviour, abilities: Collection[Ability]) -> None:
    loss, gradients = model.gradients(x, y)
    found.add(LOSS, "loss", np.asarray(loss))
    for name, gradient in gradients.items():
        owner, _, what = name.rpartition(".")
        kind = D_HEAD if owner == "head" else D_NORM if owner == "batch_norm" else _GRADIENTS.get(what, D_IH)
        found.add(kind, f"gradient of {name}", gradient)
    if "input_gradient" in abilities:
        found.add(D_X, "dx", model.input_gradient(x, y))


def _exercise_training(model: Model[Any], native: tuple[Any, Any], order: NDArray[Any], found: Behaviour) -> None:
    first = model.get(model.train(*native, model.put(order[:1])))
    for name, array in model.parameters().items():
        found.add(STATISTICS if is_statistic(name) else AFTER_1, f"{name} after 1 step", array)
    rest = model.get(model.train(*native, model.put(order[1:])))
    found.add(LOSSES, "training losses", np.concatenate((np.atleast_1d(first), np.atleast_1d(rest))))
    for name, array in model.parameters().items():
        found.add(STATISTICS if is_statistic(name) else AFTER_20, f"{name} after 20 steps", array)


def _ability(key: Key) -> Ability | None:
    """Return the ability that an array needs; ``None`` for logits, which every backend computes."""
    kind, name = key
    if kind in (OUTPUTS, FINAL_H, FINAL_C):
        return "states"
    if kind is D_X:
        return "input_gradient"
    return None if kind is LOGITS and name != AFTER_GRADIENTS else "train"


def is_statistic(name: str) -> bool:
    """Whether this is a running statistic of batch norm, which the optimizer does not train."""
    return name in ("batch_norm.mean", "batch_norm.variance")


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
        shaken = reference.observe(case, self.problem.perturbed(EPS[precision]))
        rounded = reference.observe(case, self.problem, precision) if precision == "float32" else self.theirs
        self.tolerances: dict[Key, float] = {}
        self.errors: dict[Key, float] = {}
        self.faults = list(self.ours.faults)
        gradients = [float(np.linalg.norm(a)) for (kind, _), a in self.theirs.items() if kind.stage == "backward"]
        self._floor = SMALL_GRADIENT * max(gradients, default=0.0)
        # One sensitivity per stage: the loss of a single array is luck, the largest loss is a property of the case.
        sensitivity = dict.fromkeys(STAGES, 0.0)
        for key in self.theirs:
            lost = ROUNDINGS * max(self._error(key, arrays[key]) for arrays in (shaken, rounded))
            sensitivity[key[0].stage] = max(sensitivity[key[0].stage], lost)
        bands = tolerances(precision, device)
        self._bands = {stage: max(bands[stage], min(WIDEST, sensitivity[stage])) for stage in STAGES}
        for key, expected in self.theirs.items():
            if key in self.ours.arrays:
                self._compare(key, self.ours.arrays[key], expected)
            elif not self.ours.faults and _ability(key) in {None, *abilities}:
                self.faults.append(f"gives no {key[1]}")
        for _, name in self.ours.arrays.keys() - self.theirs.keys():
            self.faults.append(f"gives {name}, which there is not")
        if self._keeps_state():
            self.faults.append("keeps state between calls: asked again, its logits are others")

    def _compare(self, key: Key, ours: NDArray[Any], expected: NDArray[Any]) -> None:
        kind, name = key
        if ours.shape != expected.shape:
            self.faults.append(f"{name}: has shape {ours.shape}, not {expected.shape}")
            return
        wanted = np.dtype("float64" if self._precision == "float64" else "float32")
        if ours.dtype != wanted and kind is not LOSS:  # the loss is a Python float
            self.faults.append(f"{name}: is {ours.dtype}, not {wanted}")
        self.tolerances[key] = self._bands[kind.stage]
        self.errors[key] = self._error(key, ours) if np.all(np.isfinite(ours)) else np.inf

    def _error(self, key: Key, array: NDArray[Any]) -> float:
        expected = self.theirs[key]
        error = relative_error(array, expected)
        size = float(np.linalg.norm(expected))
        return error * size / self._floor if key[0].stage == "backward" and 0 < size < self._floor else error

    def agrees(self, key: Key) -> bool:
        """Whether the error of this array is within its tolerance."""
        return self.errors[key] <= self.tolerances[key]

    def _keeps_state(self) -> bool:
        agree = [self.agrees(key) for key in self.errors if key[0] is LOGITS]
        return bool(agree) and agree[0] and not all(agree)

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
        return Compared(number=number, quantities=worst, faults=tuple(dict.fromkeys(self.faults)))

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
