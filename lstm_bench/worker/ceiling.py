"""Measure two bounds on the speed of a step: the fastest matrix multiply and the shortest possible step.

The products of a step cannot be faster than the framework's product of two large square matrices, which does many
operations for each number that it reads and waits for nothing. A step cannot be shorter than a step of the smallest
model, which has almost nothing to compute. Both bounds are measured in the timed process, with its threads, precision
and libraries.

The fastest try counts, not the median as for a model. Other load on the machine can only make a try slower, so the
fastest try is closest to what the machine can do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import ModelSpec, Scope
from lstm_bench.plugin.backend import Unsupported, build_or_refuse, if_supported
from lstm_bench.record.attempt import Ceiling, Timing
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.blocks import GradientWork, InferenceWork, TrainingWork, Workload
from lstm_bench.worker.timing import elapsed_ns, time_work

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Backend
    from lstm_bench.plugin.setting import Setting
    from lstm_bench.worker.prepare import Prepared

SIZES, ON_GPU = (512, 1024, 2048, 4096, 8192), (4096, 8192)
"""Rows and columns of the square matrices, on CPUs and on GPUs. Sizes are tried in this order until the next one would
take too long, because a matrix that fills one core is far too small for many. GPUs get only the largest sizes: smaller
matrices do not fill a GPU, and XLA takes seconds to autotune each size (35 s for all five on an H200)."""

SIZE_SECONDS, FEWEST_TRIES = 0.25, 3
"""Seconds to try one size, and minimum number of tries. A small effort gets less: a quarter of the time that all blocks
of a scope take."""

FLOOR_BATCHES = 8
"""Batches of one sequence for the smallest model."""

LONG_FIRST_STEP = 10.0
"""If the first step of the recipe took more seconds, the smallest model is not measured, because it must be compiled,
too."""


def measure(prepared: Prepared, first_step_seconds: float) -> Ceiling:
    """Measure the fastest matrix multiply and the shortest step of the backend in this process.

    Args:
        prepared: the timed backend and its setting.
        first_step_seconds: duration of its first step, including JIT compilation.
    """
    effort = prepared.configuration.effort
    seconds = min(SIZE_SECONDS, effort.blocks * effort.block_seconds / 4)
    size, flops_per_second = _fastest_product(prepared.backend, prepared.setting, seconds)
    floor = _floor(prepared, seconds) if first_step_seconds <= LONG_FIRST_STEP else {}
    return Ceiling(size=size, flops_per_second=flops_per_second, floor_seconds=floor)


def _fastest_product(backend: Backend, setting: Setting, seconds: float) -> tuple[int, float | None]:
    """Return the size and FLOP/s of the fastest product; 0 and ``None`` if the backend has no ``product``."""
    found: dict[int, float] = {}
    for size in SIZES if setting.device == "cpu" else ON_GPU:
        product = if_supported(partial(backend.product, size, setting))
        if product is None:
            break
        product()  # JIT compilation
        fastest = _fastest(product, seconds)
        found[size] = 2 * size**3 / fastest
        if FEWEST_TRIES * 8 * fastest > 2 * seconds:  # twice the size takes eight times as long
            break
    if not found:
        return 0, None
    best = max(found, key=found.__getitem__)
    return best, found[best]


def _fastest(call: Callable[[], None], seconds: float) -> float:
    """Return the seconds of the fastest of many calls."""
    tries: list[int] = []
    until = perf_counter() + seconds
    while len(tries) < FEWEST_TRIES or perf_counter() < until:
        tries.append(elapsed_ns(call))
    return min(tries) / 1e9


def _floor(prepared: Prepared, seconds: float) -> dict[Scope, float]:
    """Return the seconds of a step of the smallest model, by scope; empty if the backend refuses this model."""
    recipe, effort = prepared.recipe, _short(seconds)
    labels = recipe.train.loss == "cross_entropy"
    spec = ModelSpec(
        input_size=1, hidden_sizes=(1,), output_size=2 if labels else 1, cell=recipe.model.cell, bias=recipe.model.bias
    )
    train = msgspec.structs.replace(recipe.train, batch_size=1)
    seed = prepared.configuration.seed
    parameters = initial_parameters(spec, recipe.initialisation, seed)
    floor: dict[Scope, float] = {}
    try:
        model = build_or_refuse(prepared.backend, spec, train, parameters, prepared.setting, seed=seed)
        x = np.full((FLOOR_BATCHES, 1, 1), 0.5)
        y = np.zeros(FLOOR_BATCHES, np.int64) if labels else np.full((FLOOR_BATCHES, 1), 0.5)
        order = np.arange(FLOOR_BATCHES)[:, None]
        batches = [(model.put(x[rows]), model.put(y[rows])) for rows in order]
        native = model.put(x), model.put(y)
        for scope in prepared.scopes:
            work: Workload
            if scope == "train":
                work = TrainingWork(model, None, native, order)
            else:
                work = (InferenceWork if scope == "infer" else GradientWork)(model, batches, 1)
            floor[scope] = _fastest_step(time_work(work, effort))
    except Unsupported:  # the smallest model may be refused although the recipe's model was not
        pass
    return floor


def _short(seconds: float) -> Effort:
    """Return the effort for timing a floor."""
    return Effort(
        name="floor",
        blocks=5,
        block_seconds=seconds / 12,
        warmup_blocks=2,
        warmup_seconds=seconds / 5,
        epoch_fraction=0.0,
        block_steps=2,
    )


def _fastest_step(timing: Timing) -> float:
    return min(timing.block_ns) / timing.steps_per_block / 1e9
