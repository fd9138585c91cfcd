"""Which switches of a slip matter in a case: an LSTM's gates, for example, matter in no GRU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lstm_bench.conformance.cases import Case
from lstm_bench.conformance.slips import Array, Slip, loaded
from lstm_bench.conformance.wrong_forward import GATES

_Matters = Callable[[Case, Any], bool]


def relevant(slip: Slip, case: Case, parameters: Mapping[str, Array]) -> Slip:
    """Return the slip without the switches that change nothing in this case.

    Two slips that become equal compute the same numbers, so one model stands for both.
    """
    changes = {name: value for name, value in slip.changes().items() if _matters(name, value, case)}
    if all(np.array_equal(loaded(slip, case.model.cell, name, p), p) for name, p in parameters.items()):
        changes.pop("load", None)
    if "scaled" in changes and factor(slip.scale, case) == 1:
        del changes["scaled"]
    for name, owner in _OF.items():
        if owner not in changes:
            changes.pop(name, None)
    if "gates" in changes:  # of another cell, too
        changes["gates"] = tuple(order for order in slip.gates if len(order) == len(GATES[case.model.cell]))
    if "gate_bias" in changes:
        changes["gate_bias"] = tuple(bias for bias in slip.gate_bias if bias[0] in GATES[case.model.cell])
    return Slip(**changes)


def factor(scale: str | float, case: Case) -> float:
    """Return a ``scale`` of a slip as a number."""
    if not isinstance(scale, str):
        return scale
    batch, time = case.train.batch_size, case.time if case.model.readout == "all" else 1
    outputs = case.model.output_size if case.train.loss == "mse" else 1
    sizes = {
        "batch": batch,
        "time": time,
        "outputs": outputs,
        "labels": batch * time,
        "elements": batch * time * outputs,
    }
    return float(sizes[scale])


_OF = {"scale": "scaled", "truncation": "truncated", "rate_of": "rate", "decay_kind": "decay"}
"""Switches that only say more about another one."""


def _matters(name: str, value: Any, case: Case) -> bool:
    return all(matters(case, value) for names, matters in _WHERE if name in names)


def _cell(*cells: str) -> _Matters:
    return lambda case, value: case.model.cell in cells


def _optimizer(*optimizers: str) -> _Matters:
    return lambda case, value: case.train.optimizer in optimizers


_WHERE: tuple[tuple[frozenset[str], _Matters], ...] = tuple(
    (frozenset(names.split()), matters)
    for names, matters in (
        ("gates", lambda case, value: len(GATES[case.model.cell]) in map(len, value)),
        ("gate_bias", lambda case, value: any(gate in GATES[case.model.cell] for gate, _ in value)),
        ("forget_plus no_forget_gate coupled peephole output initial_swapped finals_swapped", _cell("lstm")),
        ("reset_before update_inverted hn_times hn_outside", _cell("gru")),
        ("gate", _cell("lstm", "gru")),
        ("gate_bias bias_times head_bias_times hn_times hn_outside biases", lambda case, value: case.model.bias),
        ("reads", lambda case, value: case.model.readout == "last"),
        ("reads detached", lambda case, value: value != "c" or case.model.cell == "lstm"),
        ("backward_as_read backward_forward exchanged", lambda case, value: case.model.bidirectional),
        ("from_zeros initial_swapped", lambda case, value: case.time % 2 == 1),
        (
            "norm_epsilon norm_decay norm_by norm_unbiased norm_detached norm_updates norm_remembers",
            lambda case, value: case.model.batch_norm,
        ),
        ("truncated", lambda case, value: value < case.time),
        ("epsilon epsilon_at", _optimizer("rmsprop", "adam")),
        ("corrected counts_from counts betas amsgrad", _optimizer("adam")),
        ("rmsprop_decay rmsprop_start centered", _optimizer("rmsprop")),
        ("momentum_times nesterov dampening", lambda case, value: case.train.momentum > 0),
        ("clips clip_epsilon clips_early", lambda case, value: case.train.clip_norm is not None),
        ("clip_biases frozen_counted", lambda case, value: case.train.clip_norm is not None),
    )
)
"""Names of switches, and a condition for each of them to matter."""
