"""The forward pass with a switch for each known confusion.

The formulas are written out here a second time, so that they share no code with any backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.differential import Comparison
from lstm_bench.conformance.quantities import FINAL_C, FINAL_H, LOGITS, OUTPUTS, Arrays

EPSILON = 1e-5
"""Epsilon of the canonical batch norm."""

Array = NDArray[Any]
Named = dict[str, Array]


def wrong_forward_passes() -> Iterator[tuple[str, Callable[[Comparison], Arrays]]]:
    """Yield the text of each confusion, and a function that computes a case in that wrong way.

    The function returns nothing if the confusion does not apply to the case's cell.
    """
    for cell, text, formula in _formulas():
        yield text, _of_formula(cell, formula)


def _of_formula(cell: str, formula: _Formula) -> Callable[[Comparison], Arrays]:
    return lambda comparison: _forward(comparison, formula) if cell in ("any", comparison.case.model.cell) else {}


@dataclass(frozen=True)
class _Formula:
    """Switches of the forward pass. The defaults are correct.

    Attributes:
        gates: the order in which the weights' gates are read; empty for the canonical order.
        recurrent_transposed: transpose the recurrent weights of each gate.
        bias_times: factor on every bias of the recurrent layers.
        forget_bias_times: factor on the forget gate's bias.
        forget_bias_plus: constant added to the forget gate before its activation.
        reset_before: reset a GRU's ``h`` before the recurrent product instead of after it.
        update_gate_inverted: swap ``z`` and ``1 - z`` in a GRU.
        candidate_bias_outside: add ``bias_hn`` outside the reset.
        gate: the gates' activation.
        last_output: read out ``outputs[:, -1]`` instead of the final states.
        backward_as_read: leave the backward direction's outputs in the order of reading, last time step first.
        norm_epsilon: batch norm's epsilon.
        from_zeros: ignore the initial states.
    """

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
    """Compute outputs, final states and logits of a case with one formula."""
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
    """Compute the top layer's outputs `(B, T, D*H)` and the final state of each layer and direction."""
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
    """Compute one time step from `(B, I)` and the state `(B, H)`: ``(h, c)`` for an LSTM, ``(h,)`` otherwise."""
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
    """Yield the cell that each wrong formula applies to (or ``any``), its text, and the formula."""
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
