"""The forward pass of the canonical model with all slips of ``Slip``.

The formulas are written out here a second time, so that they share no code with any backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lstm_bench.conformance.slips import Array, Slip
from lstm_bench.conformance.tape import Variable, apply, joined, linear, mean, rearranged
from lstm_bench.model.spec import ModelSpec

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import State

GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn": ("h",)}
"""The gates of each cell in the canonical order of the rows."""

Weights = dict[str, Variable]
Step = tuple[Variable, ...]


class Pass(NamedTuple):
    """What a forward pass computes, on a tape.

    Attributes:
        logits: `(B, O)` or `(B, T, O)`.
        outputs: of the top layer `(B, T, D*H)`.
        finals: the final state of each layer and direction: h `(B, H)`, and c of an LSTM.
        statistics: batch norm's running statistics after a training step, by canonical name.
    """

    logits: Variable
    outputs: Variable
    finals: list[list[Step]]
    statistics: dict[str, Array]


def forward(
    spec: ModelSpec,
    slip: Slip,
    parameters: Mapping[str, Variable],
    x: Variable,
    initial: State | None = None,
    *,
    training: bool = False,
) -> Pass:
    """Compute a forward pass of the whole model from ``x`` `(B, T, I)`, with everything wrong that the slip names."""
    if slip.reversed:
        x = rearranged(x, lambda array: array[:, ::-1])
    outputs, finals = _layers(spec, slip, parameters, x, None if slip.from_zeros else initial)
    readout = outputs
    if spec.readout == "last":
        if slip.reads == "last":
            readout = outputs[:, -1]
        elif slip.reads == "mean":
            readout = mean(outputs, (1,))[:, 0]
        else:
            part = -1 if slip.reads == "c" else 0  # the last part of the state is c, or h where there is no c
            readout = joined([end[part] for end in finals[-1]], -1)
            if slip.exchanged == "all" and spec.bidirectional:
                readout = joined([end[part] for end in finals[-1][::-1]], -1)
    statistics: dict[str, Array] = {}
    if spec.batch_norm and slip.norm_by != "none":
        readout, statistics = _normalised(slip, parameters, readout, training=training)
    logits = linear(readout, parameters["head.weight"], slip.product)
    if spec.bias:
        logits = logits + slip.head_bias_times * parameters["head.bias"]
    return Pass(logits, outputs, finals, statistics)


def _normalised(
    slip: Slip, p: Mapping[str, Variable], v: Variable, *, training: bool
) -> tuple[Variable, dict[str, Array]]:
    """Apply batch norm. Return the running statistics after this batch, too."""
    axes = tuple(range(v.value.ndim - 1))
    running = {kind: p[f"batch_norm.{kind}"].value for kind in ("mean", "variance")}
    center = mean(v, axes)
    variance = mean((v - center) * (v - center), axes)
    count = v.value.size // v.value.shape[-1]
    unbiased = count / max(count - 1, 1)
    new = {"mean": center.value.reshape(-1), "variance": variance.value.reshape(-1)}
    if slip.norm_unbiased:
        new["variance"] = new["variance"] * unbiased
    by_batch = slip.norm_by == "batch" or (training and slip.norm_by == "usual")
    if not by_batch:
        center, variance = (Variable(running[kind], v.tape) for kind in ("mean", "variance"))
    elif slip.norm_detached:
        center, variance = center.detached(), variance.detached()
    if by_batch and slip.norm_unbiased == "all":
        variance = variance * unbiased
    epsilon = slip.norm_epsilon
    scale = apply(lambda s: (s + epsilon) ** -0.5, lambda s: -0.5 * (s + epsilon) ** -1.5, variance)
    normal = (v - center) * scale * p["batch_norm.weight"] + p["batch_norm.bias"]
    for _ in range(slip.norm_updates):
        running = {kind: slip.norm_decay * old + (1 - slip.norm_decay) * new[kind] for kind, old in running.items()}
    return normal, {f"batch_norm.{kind}": array for kind, array in running.items()}


def _layers(
    spec: ModelSpec, slip: Slip, p: Mapping[str, Variable], x: Variable, initial: Any
) -> tuple[Variable, list[list[Step]]]:
    """Compute the top layer's outputs and the final state of each layer and direction."""
    finals = []
    for layer, hidden in enumerate(spec.hidden_sizes):
        halves, ends = [], []
        names = spec.directions[::-1] if slip.exchanged == "weights" else spec.directions
        for d, name in enumerate(names):
            prefix = f"layers.{layer}.{name}."
            own = {key.removeprefix(prefix): value for key, value in p.items() if key.startswith(prefix)}
            zeros = np.zeros((len(x.value), hidden))
            given = [zeros] * (2 if spec.cell == "lstm" else 1)
            if initial is not None:
                given = [part[layer][d] for part in (initial.h, initial.c) if part]
                given = given[::-1] if slip.initial_swapped else given
            backward = d == 1 and not slip.backward_forward
            state = tuple(Variable(array, x.tape) for array in given)
            outputs, end = _direction(spec.cell, slip, own, x, state, backward=backward)
            halves.append(outputs)
            ends.append(end)
        x = joined(halves[::-1] if slip.exchanged in ("outputs", "all") else halves, -1)
        finals.append(ends)
    return x, finals


def _direction(
    cell: str, slip: Slip, own: Weights, x: Variable, state: Step, *, backward: bool
) -> tuple[Variable, Step]:
    """Run one direction of one layer over all time steps. Return its outputs `(B, T, H)` and its final state."""
    weights = _as_read(cell, slip, own)
    z = linear(x, weights["weight_ih"], slip.product)
    if "bias" in weights:
        z = z + weights["bias"]
    steps: list[Variable] = []
    count = x.value.shape[1]
    for n, t in enumerate(range(count)[:: -1 if backward else 1]):
        early = n < count - slip.truncated and slip.truncated > 0
        chunks = slip.truncation == "chunks"
        if slip.truncated and (n % slip.truncated == 0 if chunks else n == count - slip.truncated):
            state = tuple(part.detached() for part in state)
        elif slip.detached:
            state = tuple(
                part.detached() if kind == slip.detached else part for kind, part in zip("hc", state, strict=False)
            )
        state = _step(cell, slip, weights, z[:, t], state)
        if slip.state is not _RIGHT.state:
            state = tuple(apply(slip.state, np.ones_like, part) for part in state)
        steps.append(state[0].detached() if early and slip.truncation == "only" else state[0])
    in_time = steps[::-1] if backward and not slip.backward_as_read else steps
    return joined(in_time, 1, new_axis=True), state


_RIGHT = Slip()


def _as_read(cell: str, slip: Slip, own: Weights) -> Weights:
    """Return a direction's weights in the way in which the slip reads them."""
    weights, gates = dict(own), GATES[cell]
    if slip.recurrent is not None:
        how = slip.recurrent
        weights["weight_hh"] = rearranged(weights["weight_hh"], lambda array: how(array, len(gates)))
    for order in slip.gates:
        if len(order) == len(gates):
            weights |= {
                name: rearranged(weights[name], partial(reordered, given=order, wanted=gates))
                for name in ("weight_ih", "weight_hh", "bias")
                if name in weights
            }
    if "bias" in weights:
        hidden = weights["weight_hh"].value.shape[1]
        times = np.full(len(gates) * hidden, slip.bias_times)
        for gate, factor in slip.gate_bias:
            if gate in gates:
                times[gates.index(gate) * hidden :][:hidden] *= factor
        weights["bias"] = weights["bias"] * times
        if "bias_hn" in weights:
            weights["bias_hn"] = weights["bias_hn"] * (slip.bias_times * slip.hn_times)
    return weights


def reordered(array: Array, given: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """Reorder rows that are stacked as the gates ``given`` into the order of the gates ``wanted``."""
    rows = dict(zip(given, np.split(array, len(given)), strict=True))
    return np.concatenate([rows[gate] for gate in wanted])


def _step(cell: str, slip: Slip, weights: Weights, x: Variable, state: Step) -> Step:
    """Compute one time step from the inputs' part of the gates `(B, G*H)` and the state `(B, H)`."""
    h, hidden = state[0], state[0].value.shape[-1]
    of_h = linear(h, weights["weight_hh"], slip.product)

    def part(v: Variable, k: int) -> Variable:
        return v[:, k * hidden : (k + 1) * hidden]

    if cell == "rnn":
        return (apply(*slip.candidate, x + of_h),)
    if cell == "gru":
        sum_r, sum_z = (part(x, k) + part(of_h, k) for k in range(2))
        r, z = apply(*slip.gate, sum_r), apply(*slip.gate, sum_z)
        b_n = weights.get("bias_hn", Variable(np.zeros(hidden), x.tape))
        if slip.reset_before:
            rows = weights["weight_hh"][2 * hidden :]
            recurrent = linear(r * h, rows, slip.product) + b_n
        else:
            recurrent = r * part(of_h, 2) + b_n if slip.hn_outside else r * (part(of_h, 2) + b_n)
        n = apply(*slip.candidate, part(x, 2) + recurrent)
        return (z * n + (1.0 - z) * h if slip.update_inverted else (1.0 - z) * n + z * h,)
    c = state[1]
    sums = x + of_h
    z_i, z_f, z_g, z_o = (part(sums, k) for k in range(4))
    if slip.forget_plus:
        z_f = z_f + slip.forget_plus
    if slip.peephole:
        z_i, z_f = z_i + weights["peephole_i"] * c, z_f + weights["peephole_f"] * c
    i, g = apply(*slip.gate, z_i), apply(*slip.candidate, z_g)
    f = 1.0 - i if slip.coupled else apply(*slip.gate, z_f)
    c = (c if slip.no_forget_gate else f * c) + i * g
    if slip.peephole:
        z_o = z_o + weights["peephole_o"] * c
    return apply(*slip.gate, z_o) * apply(*slip.output, c), c
