"""Test in the worker that the harness itself still works, since a plugin may have changed what it relies on."""

from __future__ import annotations

import os
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import numpy as np

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.model.parameters import parameter_shapes
from lstm_bench.model.spec import ModelSpec
from lstm_bench.worker import timing
from lstm_bench.worker.blocks import Block
from lstm_bench.worker.ending import Implausible

if TYPE_CHECKING:
    from lstm_bench.worker.prepare import Prepared

KNOWN_LOGIT = -0.9694323789595081
"""The logit of the model below, by ``equations.py`` of the NumPy backend."""


NAP, TICK = 0.05, 0.012
"""Seconds to sleep, and by how many clocks may differ: one of them counts in ticks of 10 ms."""


def require_intact(prepared: Prepared) -> None:
    """Require that clocks agree, that errors are computed right, and that the reference gives a known number.

    Raises:
        Implausible: naming what is wrong.
    """
    _require_right_clocks()
    error = relative_error(np.array([3.0, 4.0]), np.array([3.0, 0.0]))
    if abs(error - 4 / 3) > 1e-15:
        raise Implausible(f"a plugin has changed how errors are computed: 4/3 comes out as {error:.3g}")
    logit = known_logit(prepared)
    if abs(logit - KNOWN_LOGIT) > 1e-12:
        raise Implausible(
            f"a plugin has changed the reference: its logit of a known model is {logit:.6g}, not {KNOWN_LOGIT:.6g}"
        )


def _require_right_clocks() -> None:
    """Time a short sleep as blocks are timed, and by the clocks of the system.

    Raises:
        Implausible: if a block seems to take less time than it does.
    """
    begin, began = os.times().elapsed, perf_counter()
    nanoseconds, _ = timing.run_block(Block(lambda: sleep(NAP), ()))
    seconds = min(perf_counter() - began, os.times().elapsed - begin)
    if nanoseconds / 1e9 < min(NAP, seconds - TICK):
        raise Implausible(
            f"a plugin has changed the clock: a sleep of {NAP * 1e3:.0f} ms was timed as {nanoseconds / 1e6:.0f} ms"
        )


def known_logit(prepared: Prepared) -> float:
    """Return the reference's logit of a small model whose parameters and inputs are simple numbers."""
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1)
    parameters = {
        name: np.cos(np.arange(np.prod(shape, dtype=int), dtype=np.float64) + place).reshape(shape)
        for place, (name, shape) in enumerate(parameter_shapes(spec).items())
    }
    reference = prepared.build_reference(parameters, spec)
    x = np.sin(np.arange(10.0)).reshape(1, 5, 2)
    return float(reference.get(reference.infer(reference.put(x)))[0, 0])
