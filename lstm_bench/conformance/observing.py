"""Call every method of a model on a case, and record what it computes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import fetched
from lstm_bench.conformance.cases import Case, Problem, split_calls
from lstm_bench.conformance.quantities import (
    AFTER_1,
    AFTER_20,
    AFTER_GRADIENTS,
    AGAIN,
    ALIKE,
    D_HEAD,
    D_IH,
    D_NATIVE,
    D_NORM,
    D_TRAINED,
    D_X,
    FINAL_C,
    FINAL_H,
    FIRST_LOGITS,
    GRADIENT_KINDS,
    LOGITS,
    LOSS,
    LOSSES,
    NATIVE_LOSS,
    OUTPUTS,
    SECOND,
    STATISTICS,
    TRAINED_LOGITS,
    Arrays,
    QuantityKind,
    is_statistic,
)
from lstm_bench.plugin.backend import ABILITIES, Ability, Unsupported
from lstm_bench.text import describe

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model


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
    build: Callable[[], Model[Any]],
    case: Case,
    problem: Problem,
    abilities: Collection[Ability] = tuple(ABILITIES),
    found: Behaviour | None = None,
) -> Behaviour:
    """Call every method that the abilities name, and record the results. An exception becomes a fault.

    Args:
        build: builds the model.
        case: the case.
        problem: its weights and data.
        abilities: of the backend.
        found: where to record; its ``add`` may raise, which ends the observation.

    Raises:
        Unsupported: if the backend refuses the model.
    """
    found = found or Behaviour()
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
    x, y, all_x, all_y = map(model.put, (*_batch(case, problem, 0), problem.x, problem.y))
    natives = [model.get(native).copy() for native in (x, all_x)]

    def logits(kind: QuantityKind, name: str, batch: Any) -> None:
        found.add(kind, name, model.get(model.infer(batch)))

    logits(LOGITS, FIRST_LOGITS, x)
    if "states" in abilities:
        _exercise_states(model, x, case, problem, found)
    # Each batch is dropped after its use, so that the next one may take its place in memory, under its address.
    logits(LOGITS, SECOND, model.put(_batch(case, problem, 1)[0]))
    logits(LOGITS, ALIKE, model.put(_begins_alike(case, problem)))
    logits(LOGITS, AGAIN, x)
    if "train" in abilities:
        _exercise_gradients(model, x, y, found, abilities)
        if "differentiate" in abilities:
            _exercise_differentiation(model, case, problem, found)
        logits(LOGITS, AFTER_GRADIENTS, x)
        _exercise_training(model, (all_x, all_y), problem.order, found)
        logits(TRAINED_LOGITS, "logits after training", x)
        logits(TRAINED_LOGITS, "logits of a second batch after training", model.put(_batch(case, problem, 1)[0]))
        if "differentiate" in abilities:
            _exercise_differentiation(model, case, problem, found, after_training=True)
    if any(not np.array_equal(model.get(now), then) for now, then in zip((x, all_x), natives, strict=True)):
        found.faults.append("changes its inputs in place")


def _batch(case: Case, problem: Problem, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return sequences `(B, T, I)` and targets of one of the problem's batches, unshuffled."""
    size = case.train.batch_size
    rows = slice(number * size, (number + 1) * size)
    return problem.x[rows], problem.y[rows]


def _begins_alike(case: Case, problem: Problem) -> NDArray[Any]:
    """Return a batch that has its first number in common with the first batch."""
    batch = _batch(case, problem, 2)[0].copy()
    batch[0, 0, 0] = problem.x[0, 0, 0]
    return batch


def _exercise_states(model: Model[Any], x: Any, case: Case, problem: Problem, found: Behaviour) -> None:
    # Cases of even length start from zeros, the others from given states. One call of each would compile twice.
    outputs, final = model.states(x, problem.initial if case.time % 2 else None)
    found.add(OUTPUTS, "outputs", outputs)
    for kind, layers in ((FINAL_H, final.h), (FINAL_C, final.c)):
        for layer, array in enumerate(layers):
            for direction, half in zip(case.model.directions, array, strict=True):
                found.add(kind, f"{kind.name} of layers.{layer}.{direction}", half)


def _exercise_gradients(model: Model[Any], x: Any, y: Any, found: Behaviour, abilities: Collection[Ability]) -> None:
    before = model.parameters()
    loss, gradients = model.gradients(x, y)
    found.add(LOSS, "loss", np.asarray(loss))
    for name, gradient in gradients.items():
        owner, _, what = name.rpartition(".")
        kind = D_HEAD if owner == "head" else D_NORM if owner == "batch_norm" else GRADIENT_KINDS.get(what, D_IH)
        found.add(kind, f"gradient of {name}", gradient)
    if "input_gradient" in abilities:
        found.add(D_X, "dx", model.input_gradient(x, y))
    _require_unchanged(model, before, "gradients", found)


def _exercise_differentiation(
    model: Model[Any], case: Case, problem: Problem, found: Behaviour, *, after_training: bool = False
) -> None:
    before = model.parameters()
    then = " after training" if after_training else ""
    for number, which in enumerate(("the first batch", "a second batch")):
        loss, gradients = model.differentiate(*map(model.put, _batch(case, problem, number)))
        model.synchronize()
        found.add(LOSSES if after_training else LOSS, f"{NATIVE_LOSS} of {which}{then}", model.get(loss))
        flat = np.concatenate([np.ravel(array) for array in fetched(model, gradients)])
        found.add(D_TRAINED if after_training else D_NATIVE, f"native gradients of {which}{then}", np.sort(flat))
    _require_unchanged(model, before, "differentiate", found)


def _require_unchanged(model: Model[Any], before: Mapping[str, NDArray[Any]], method: str, found: Behaviour) -> None:
    now = model.parameters()
    if any(name not in now or not np.array_equal(now[name], array, equal_nan=True) for name, array in before.items()):
        found.faults.append(f"{method} changes the parameters")


def _exercise_training(model: Model[Any], native: tuple[Any, Any], order: NDArray[Any], found: Behaviour) -> None:
    first, second, _, last = split_calls(order)
    repeated = model.put(second)
    losses = [model.get(model.train(*native, model.put(first)))]
    for name, array in model.parameters().items():
        found.add(STATISTICS if is_statistic(name) else AFTER_1, f"{name} after 1 step", array)
    losses += [model.get(model.train(*native, batches)) for batches in (repeated, repeated, model.put(last))]
    found.add(LOSSES, "training losses", np.concatenate([np.atleast_1d(some) for some in losses]))
    for name, array in model.parameters().items():
        found.add(STATISTICS if is_statistic(name) else AFTER_20, f"{name} after 20 steps", array)
