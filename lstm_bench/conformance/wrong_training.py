"""The training step with a switch for each known confusion.

The optimizers are written out here a second time, so that they share no code with any backend. The reference computes
the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.cases import STEPS, split_calls
from lstm_bench.conformance.differential import Comparison
from lstm_bench.conformance.quantities import AFTER_1, AFTER_20, LOSSES, STATISTICS, Arrays, QuantityKind, is_statistic

DECAY = 0.9
"""Decay of the canonical batch norm's running statistics."""

Array = NDArray[Any]
Named = dict[str, Array]


def wrong_trainings() -> Iterator[tuple[str, Callable[[Comparison], Arrays]]]:
    """Yield the text of each confusion, and a function that trains a case in that wrong way.

    The function returns nothing if the confusion does not apply to the case's optimizer.
    """
    for text, optimizers, rule in _rules():
        yield text, _of_rule(optimizers, rule)


def _of_rule(optimizers: tuple[str, ...], rule: _Rule) -> Callable[[Comparison], Arrays]:
    return lambda comparison: _train(comparison, rule) if comparison.case.train.optimizer in optimizers else {}


@dataclass(frozen=True)
class _Rule:
    """Switches of the optimizers. The defaults are correct.

    Attributes:
        epsilon: of RMSprop and Adam.
        epsilon_in_root: add epsilon under the square root.
        corrected: apply Adam's bias correction.
        rmsprop_decay: decay of RMSprop's mean square.
        biases: how many biases share a canonical one; each moves by the full update.
        frozen: do not train parameters whose names start with this.
        clips: ``global`` clips by the norm of all gradients, ``each`` by each gradient's own norm, ``values`` clips
            every number, ``never`` does not clip.
        nesterov: use Nesterov momentum.
        dampening: scale each gradient by ``1 - momentum`` from the second step on.
        order: changes the batch order `(steps, B)` of one call.
        norm_decay: decay of batch norm's running statistics.
        unbiased: keep the unbiased batch variance.
    """

    epsilon: float = 1e-8
    epsilon_in_root: bool = False
    corrected: bool = True
    rmsprop_decay: float = 0.9
    biases: int = 1
    frozen: str = " "
    clips: str = "global"
    nesterov: bool = False
    dampening: bool = False
    order: Callable[[Array], Array] = field(default=lambda order: order)
    norm_decay: float = DECAY
    unbiased: bool = False


def _train(comparison: Comparison, rule: _Rule) -> Arrays:
    """Train a case for ``STEPS`` steps with one rule, on the reference's gradients."""
    case, problem, reference = comparison.case, comparison.problem, comparison.reference
    parameters: Named = {name: array.copy() for name, array in problem.parameters.items()}
    order = np.concatenate([rule.order(of_call) for of_call in split_calls(problem.order)])
    first = {name: np.zeros_like(array) for name, array in parameters.items()}
    second = {name: np.zeros_like(array) for name, array in parameters.items()}
    found: Arrays = {}
    losses = []
    for step in range(STEPS):
        x, y = (data[order[step]] for data in (problem.x, problem.y))
        model = reference.build(case, parameters)
        loss, gradients = model.gradients(x, y)
        losses.append(loss)
        model.train(x, y, np.arange(len(x))[None])  # updates batch norm's statistics correctly
        statistics = {name: array for name, array in model.parameters().items() if is_statistic(name)}
        count = _label_count(comparison)
        for name, now in statistics.items():
            batch = (now - DECAY * parameters[name]) / (1 - DECAY)
            if rule.unbiased and name.endswith("variance"):
                batch = batch * count / max(count - 1, 1)
            parameters[name] = rule.norm_decay * parameters[name] + (1 - rule.norm_decay) * batch
        for name, change in _changes(comparison, rule, dict(gradients), first, second, step + 1):
            if not name.startswith(rule.frozen):
                parameters[name] = parameters[name] - change
        for after, kind in ((1, AFTER_1), (STEPS, AFTER_20)):
            if step + 1 == after:
                words = "1 step" if after == 1 else f"{STEPS} steps"
                for name, array in parameters.items():
                    which: QuantityKind = STATISTICS if is_statistic(name) else kind
                    found[which, f"{name} after {words}"] = array
    found[LOSSES, "training losses"] = np.array(losses)
    return found


def _changes(
    comparison: Comparison, rule: _Rule, gradients: Named, first: Named, second: Named, step: int
) -> Iterator[tuple[str, Array]]:
    """Yield what one optimizer step subtracts from each parameter. Updates the moments ``first`` and ``second``."""
    train = comparison.case.train
    if train.clip_norm is not None and rule.clips != "never":
        norms = {name: float(np.linalg.norm(g)) for name, g in gradients.items()}
        together = float(np.linalg.norm(list(norms.values())))
        for name, g in gradients.items():
            if rule.clips == "values":
                gradients[name] = np.clip(g, -train.clip_norm, train.clip_norm)
            else:
                norm = together if rule.clips == "global" else norms[name]
                gradients[name] = g * min(1.0, train.clip_norm / norm) if norm else g
    for name, g in gradients.items():
        m, v = first[name], second[name]
        if train.optimizer == "sgd":
            m[...] = train.momentum * m + (g * (1 - train.momentum) if rule.dampening and step > 1 else g)
            change = g + train.momentum * m if rule.nesterov else m.copy()
        else:
            decay = 0.999 if train.optimizer == "adam" else rule.rmsprop_decay
            v[...] = decay * v + (1 - decay) * g * g
            corrected = train.optimizer == "adam" and rule.corrected
            scale = v / (1 - decay**step) if corrected else v
            root = np.sqrt(scale + rule.epsilon) if rule.epsilon_in_root else np.sqrt(scale) + rule.epsilon
            if train.optimizer == "adam":
                m[...] = 0.9 * m + 0.1 * g
                change = (m / (1 - 0.9**step) if corrected else m) / root
            else:
                change = g / root
        times = rule.biases if name.startswith("layers") and name.endswith(".bias") else 1
        if (
            times != 1 and comparison.case.model.cell == "gru"
        ):  # bias and bias_hn are both canonical, so the candidate's biases move once
            twice = np.ones_like(g)
            twice[: 2 * len(g) // 3] = times
            change = change * twice
        else:
            change = change * times
        yield name, train.learning_rate * change


def _rules() -> Iterator[tuple[str, tuple[str, ...], _Rule]]:
    """Yield the text of each wrong rule, the optimizers that it applies to, and the rule."""
    right, every = _Rule(), ("sgd", "rmsprop", "adam")
    scaling = ("rmsprop", "adam")
    yield "both of two biases are trained, so that their sum moves twice as far", every, replace(right, biases=2)
    yield "the epsilon stands within the root", scaling, replace(right, epsilon_in_root=True)
    yield "the epsilon is 1e-7, not 1e-8", scaling, replace(right, epsilon=1e-7)
    yield "the epsilon is 1e-3, not 1e-8", scaling, replace(right, epsilon=1e-3)
    yield "Adam's bias correction is left out", ("adam",), replace(right, corrected=False)
    yield "RMSprop's decay is 0.99, not 0.9", ("rmsprop",), replace(right, rmsprop_decay=0.99)
    yield "momentum is Nesterov's", ("sgd",), replace(right, nesterov=True)
    yield "momentum is dampened", ("sgd",), replace(right, dampening=True)
    yield "gradients are clipped each by its own norm, not by the norm of all", every, replace(right, clips="each")
    yield "gradients are clipped value by value, not by the norm of all", every, replace(right, clips="values")
    yield "gradients are not clipped", every, replace(right, clips="never")
    yield "the head is not trained", every, replace(right, frozen="head")
    yield "the head's weight is not trained", every, replace(right, frozen="head.weight")
    yield (
        "every step of a call trains on its first batch",
        every,
        replace(right, order=lambda order: np.broadcast_to(order[0], order.shape)),
    )
    yield (
        "it trains on the sequences as they come, whatever the order says",
        every,
        replace(right, order=lambda order: np.arange(order.size).reshape(order.shape) % (3 * order.shape[1])),
    )
    yield "batch norm's running variance is unbiased", every, replace(right, unbiased=True)
    yield "batch norm's decay is 0.99, not 0.9", every, replace(right, norm_decay=0.99)
    yield "batch norm's decay is 0.1, not 0.9", every, replace(right, norm_decay=0.1)


def _label_count(comparison: Comparison) -> int:
    """Count the targets of a batch: one for each sequence, or one for each time step."""
    case = comparison.case
    return case.train.batch_size * (case.time if case.model.readout == "all" else 1)
