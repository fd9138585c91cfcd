"""What is probably wrong with a backend: the known confusions, each tried against what it computed.

The forward pass is written out once more here, with a switch for each confusion, and so are the optimizers. Whatever
then computes the same as the backend, in every case that was looked at, explains it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.cases import STEPS
from lstm_bench.conformance.differential import (
    AFTER_1,
    AFTER_20,
    D_X,
    FINAL_C,
    FINAL_H,
    LOGITS,
    LOSSES,
    OUTPUTS,
    STATISTICS,
    Arrays,
    Comparison,
    Kind,
    is_statistic,
)

DECAY, EPSILON = 0.9, 1e-5
"""Of the canonical batch norm."""

Array = NDArray[Any]
Named = dict[str, Array]


@dataclass(frozen=True)
class Confusion:
    """One way to be wrong.

    Attributes:
        text: what follows "it matches if".
        stage: in which it shows first.
        compute: what a backend that is wrong in this way computes; nothing if it does not apply to the case.
    """

    text: str
    stage: str
    compute: Callable[[Comparison], Arrays]


def explain(comparisons: Sequence[Comparison]) -> list[str]:
    """The confusions that explain all of these comparisons at the first stage in which one disagrees."""
    stages = [stage for stage in ("forward", "backward", "update") if any(c.stage == stage for c in comparisons)]
    if not stages:
        return []
    concerned = [comparison for comparison in comparisons if comparison.stage == stages[0]]
    return [
        confusion.text
        for confusion in CONFUSIONS
        if confusion.stage == stages[0] and all(_matches(confusion, comparison) for comparison in concerned)
    ]


def _matches(confusion: Confusion, comparison: Comparison) -> bool:
    with np.errstate(all="ignore"):
        computed = confusion.compute(comparison)
    compared = computed.keys() & comparison.errors.keys()
    if all(comparison.agrees(key) for key in compared):
        return False  # it would not show where the backend is wrong
    return all(
        relative_error(comparison.ours.arrays[key], computed[key]) <= comparison.tolerances[key] for key in compared
    )


# --- the forward pass


@dataclass(frozen=True)
class _Formula:
    """How the forward pass is computed; the defaults are right."""

    gates: tuple[str, ...] = ()
    recurrent_transposed: bool = False
    bias_times: float = 1.0
    forget_bias_times: float = 1.0
    forget_bias_plus: float = 0.0
    reset_before: bool = False
    update_gate_inverted: bool = False
    candidate_bias_outside: bool = False
    gate: Callable[[Array], Array] = field(default=lambda z: 1 / (1 + np.exp(-z)))
    last_output: bool = False
    backward_as_read: bool = False
    norm_epsilon: float = EPSILON
    from_zeros: bool = False


_GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn": ("h",)}


def _forward(comparison: Comparison, formula: _Formula) -> Arrays:
    case, problem = comparison.case, comparison.problem
    x = problem.x[: case.train.batch_size]
    found: Arrays = {}
    given = problem.initial if case.time % 2 and not formula.from_zeros else None
    outputs, finals = _layers(comparison, formula, x, given)
    found[OUTPUTS, "outputs"] = outputs
    for layer, ends in enumerate(finals):
        for direction, end in zip(case.model.directions, ends, strict=True):
            for kind, array in zip((FINAL_H, FINAL_C), end, strict=False):
                found[kind, f"{kind.name} of layers.{layer}.{direction}"] = array
    outputs, finals = _layers(comparison, formula, x, None)
    readout = outputs if case.model.readout == "all" else np.concatenate([end[0] for end in finals[-1]], axis=-1)
    if case.model.readout == "last" and formula.last_output:
        readout = outputs[:, -1]
    p = problem.parameters
    if case.model.batch_norm:
        scale = p["batch_norm.weight"] / np.sqrt(p["batch_norm.variance"] + formula.norm_epsilon)
        readout = (readout - p["batch_norm.mean"]) * scale + p["batch_norm.bias"]
    found[LOGITS, "logits"] = readout @ p["head.weight"].T + p.get("head.bias", np.zeros(1))
    return found


def _layers(
    comparison: Comparison, formula: _Formula, x: Array, initial: Any
) -> tuple[Array, list[list[tuple[Array, ...]]]]:
    """The top layer's outputs `(B, T, D*H)`, and the final state of each layer and direction."""
    spec, p = comparison.case.model, comparison.problem.parameters
    finals = []
    for layer, hidden in enumerate(spec.hidden_sizes):
        halves, ends = [], []
        for d, direction in enumerate(spec.directions):
            prefix = f"layers.{layer}.{direction}."
            weights = {name.removeprefix(prefix): array for name, array in p.items() if name.startswith(prefix)}
            state = tuple(np.zeros((len(x), hidden)) for _ in range(2 if spec.cell == "lstm" else 1))
            if initial is not None:
                state = tuple(part[layer][d] for part in (initial.h, initial.c) if part)
            steps = []
            for t in range(x.shape[1])[:: 1 if d == 0 else -1]:
                state = _step(spec.cell, formula, weights, x[:, t], state)
                steps.append(state[0])
            halves.append(np.stack(steps if d == 0 or formula.backward_as_read else steps[::-1], axis=1))
            ends.append(state)
        x = np.concatenate(halves, axis=-1)
        finals.append(ends)
    return x, finals


def _step(cell: str, f: _Formula, weights: Named, x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
    h, hidden = state[0], state[0].shape[-1]
    names = _GATES[cell]
    w, u = weights["weight_ih"], weights["weight_hh"]
    if f.recurrent_transposed:
        u = np.concatenate([gate.T for gate in np.split(u, len(names))])
    b = f.bias_times * weights.get("bias", np.zeros(len(names) * hidden))
    order = f.gates or names
    of_x = dict(zip(order, np.split(x @ w.T + b, len(names), axis=-1), strict=True))
    of_h = dict(zip(order, np.split(h @ u.T, len(names), axis=-1), strict=True))
    if cell == "rnn":
        return (np.tanh(of_x["h"] + of_h["h"]),)
    if cell == "gru":
        b_n = f.bias_times * weights.get("bias_hn", np.zeros(hidden))
        r, z = f.gate(of_x["r"] + of_h["r"]), f.gate(of_x["z"] + of_h["z"])
        if f.reset_before:
            u_n = np.split(u, 3)[order.index("n")]
            candidate = (r * h) @ u_n.T + b_n
        elif f.candidate_bias_outside:
            candidate = r * of_h["n"] + b_n
        else:
            candidate = r * (of_h["n"] + b_n)
        n = np.tanh(of_x["n"] + candidate)
        return (z * n + (1 - z) * h,) if f.update_gate_inverted else ((1 - z) * n + z * h,)
    b_f = np.split(b, 4)[order.index("f")]
    forget = of_x["f"] + of_h["f"] + (f.forget_bias_times - 1) * b_f + f.forget_bias_plus
    i, o = (f.gate(of_x[name] + of_h[name]) for name in ("i", "o"))
    c = f.gate(forget) * state[1] + i * np.tanh(of_x["g"] + of_h["g"])
    return o * np.tanh(c), c


def _formulas() -> Iterator[tuple[str, str, _Formula]]:
    """Each formula with the cells that it is about, and its words."""
    right = _Formula()
    for cell in ("lstm", "gru"):
        ours = ", ".join(_GATES[cell])
        for order in permutations(_GATES[cell]):
            if order != _GATES[cell]:
                yield (
                    cell,
                    f"its gates are {', '.join(order)}, where they should be {ours}",
                    replace(right, gates=order),
                )
    yield "lstm", "the forget gate's bias is added twice", replace(right, forget_bias_times=2.0)
    yield "lstm", "it adds 1 to the forget gate's bias", replace(right, forget_bias_plus=1.0)
    yield "gru", "it resets h before the recurrent product, not after it", replace(right, reset_before=True)
    yield "gru", "its update gate is inverted: z * n + (1 - z) * h", replace(right, update_gate_inverted=True)
    yield "gru", "bias_hn is added outside the reset", replace(right, candidate_bias_outside=True)
    yield "any", "the recurrent weights of each gate are transposed", replace(right, recurrent_transposed=True)
    yield "any", "the bias is added twice, as b_ih and as b_hh", replace(right, bias_times=2.0)
    yield "any", "the layers' biases are left out", replace(right, bias_times=0.0)
    yield "any", "its gates are a hard sigmoid, clip(0.2 z + 0.5)", replace(right, gate=_hard(0.2))
    yield "any", "its gates are a hard sigmoid, clip(z / 6 + 0.5)", replace(right, gate=_hard(1 / 6))
    yield (
        "any",
        "the head reads the last output of the backward direction, not its final state",
        replace(right, last_output=True),
    )
    yield (
        "any",
        "the backward direction's outputs stay in the order in which it reads",
        replace(right, backward_as_read=True),
    )
    yield "any", "batch norm's epsilon is 1e-3, not 1e-5", replace(right, norm_epsilon=1e-3)
    yield "any", "it ignores the initial states", replace(right, from_zeros=True)


def _hard(slope: float) -> Callable[[Array], Array]:
    return lambda z: np.clip(slope * z + 0.5, 0, 1)


def _of_formula(cells: str, formula: _Formula) -> Callable[[Comparison], Arrays]:
    return lambda comparison: _forward(comparison, formula) if cells in ("any", comparison.case.model.cell) else {}


# --- gradients


def _scaled(times: Callable[[Comparison], float]) -> Callable[[Comparison], Arrays]:
    return lambda comparison: {
        key: times(comparison) * array
        for key, array in comparison.theirs.items()
        if key[0].stage == "backward" and key[0] is not D_X
    }


def _labels(comparison: Comparison) -> int:
    case = comparison.case
    return case.train.batch_size * (case.time if case.model.readout == "all" else 1)


# --- training


@dataclass(frozen=True)
class _Rule:
    """How a training step is made; the defaults are right."""

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
    case, problem, reference = comparison.case, comparison.problem, comparison.reference
    parameters: Named = {name: array.copy() for name, array in problem.parameters.items()}
    order = np.concatenate((rule.order(problem.order[:1]), rule.order(problem.order[1:])))  # as they are asked for
    first = {name: np.zeros_like(array) for name, array in parameters.items()}
    second = {name: np.zeros_like(array) for name, array in parameters.items()}
    found: Arrays = {}
    losses = []
    for step in range(STEPS):
        x, y = (data[order[step]] for data in (problem.x, problem.y))
        model = reference.build(case, parameters)
        loss, gradients = model.gradients(x, y)
        losses.append(loss)
        model.train(x, y, np.arange(len(x))[None])  # moves the statistics as they should be
        statistics = {name: array for name, array in model.parameters().items() if is_statistic(name)}
        count = _labels(comparison)
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
                    which: Kind = STATISTICS if is_statistic(name) else kind
                    found[which, f"{name} after {words}"] = array
    found[LOSSES, "training losses"] = np.array(losses)
    return found


def _changes(
    comparison: Comparison, rule: _Rule, gradients: Named, first: Named, second: Named, step: int
) -> Iterator[tuple[str, Array]]:
    """What each parameter moves by."""
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
        if times != 1 and comparison.case.model.cell == "gru":  # whose candidate has two biases of its own
            twice = np.ones_like(g)
            twice[: 2 * len(g) // 3] = times
            change = change * twice
        else:
            change = change * times
        yield name, train.learning_rate * change


def _rules() -> Iterator[tuple[str, tuple[str, ...], _Rule]]:
    """Each rule with the optimizers that it is about, and its words."""
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


def _of_rule(optimizers: tuple[str, ...], rule: _Rule) -> Callable[[Comparison], Arrays]:
    return lambda comparison: _train(comparison, rule) if comparison.case.train.optimizer in optimizers else {}


CONFUSIONS: tuple[Confusion, ...] = (
    *(Confusion(text, "forward", _of_formula(cells, formula)) for cells, text, formula in _formulas()),
    Confusion(
        "its gradients are those of the sum over the batch",
        "backward",
        _scaled(lambda comparison: comparison.case.train.batch_size),
    ),
    Confusion("its gradients are twice as large", "backward", _scaled(lambda comparison: 2.0)),
    Confusion("its gradients are half as large", "backward", _scaled(lambda comparison: 0.5)),
    *(Confusion(text, "update", _of_rule(optimizers, rule)) for text, optimizers, rule in _rules()),
)
