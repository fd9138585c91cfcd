"""What a process could at most do, and what share of that a model gets.

Two things bound the speed of a step. Its products cannot be faster than the framework's product of two large square
matrices, which reads few numbers for what it computes and has nothing to wait for. And a step cannot be shorter than
the call of one in which there is nothing to compute: that of the smallest model there is. Both are measured in the
process that was timed, with its threads, precision and libraries.

Both are bounds, so it is the fastest of all tries that counts, and not the median as for a model: whatever else the
machine does can only make one slower, and the least disturbed try is nearest to what the machine can do.
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
from lstm_bench.worker.timing import elapsed_ns, time_scope

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Backend
    from lstm_bench.plugin.setting import Setting
    from lstm_bench.worker.prepare import Prepared

SIZES, ON_GPU = (512, 1024, 2048, 4096, 8192), (4096, 8192)
"""Of matrices, rows and columns. What is large enough for one core is nothing to a GPU, so each is tried until the next
would take too long. On a GPU only the largest are: small ones do not fill it, and XLA takes seconds to find the best
kernel of each (35 s for all five on an H200)."""

SIZE_SECONDS, FEWEST_TRIES = 0.25, 3
"""How long one size is tried at most, and how often at least. Where all blocks of a scope last less than four times as
long, as with a small effort, it is a quarter of that."""

FLOOR_BATCHES = 8

LONG_FIRST_STEP = 10.0
"""Seconds of a recipe's first step beyond which the smallest model is not built: it is compiled, too."""


def measure(prepared: Prepared, first_step_seconds: float) -> Ceiling:
    """The fastest product, and the shortest step, of a backend in this process.

    Args:
        prepared: the backend that was timed, and how.
        first_step_seconds: of its first step, including JIT compilation.
    """
    effort = prepared.configuration.effort
    seconds = min(SIZE_SECONDS, effort.blocks * effort.block_seconds / 4)
    size, flops_per_second = _fastest_product(prepared.backend, prepared.setting, seconds)
    floor = _floor(prepared, seconds) if first_step_seconds <= LONG_FIRST_STEP else {}
    return Ceiling(size=size, flops_per_second=flops_per_second, floor_seconds=floor)


def _fastest_product(backend: Backend, setting: Setting, seconds: float) -> tuple[int, float | None]:
    """The size of the fastest product, and its operations per second; 0 and ``None`` if there is none."""
    found: dict[int, float] = {}
    for size in SIZES if setting.device == "cpu" else ON_GPU:
        product = if_supported(partial(backend.product, size, setting))
        if product is None:
            break
        product()  # this compiles what compiles
        fastest = _fastest(product, seconds)
        found[size] = 2 * size**3 / fastest
        if FEWEST_TRIES * 8 * fastest > 2 * seconds:  # twice the size takes eight times as long
            break
    if not found:
        return 0, None
    best = max(found, key=found.__getitem__)
    return best, found[best]


def _fastest(call: Callable[[], None], seconds: float) -> float:
    """Seconds of the fastest of many calls."""
    tries: list[int] = []
    until = perf_counter() + seconds
    while len(tries) < FEWEST_TRIES or perf_counter() < until:
        tries.append(elapsed_ns(call))
    return min(tries) / 1e9


def _floor(prepared: Prepared, seconds: float) -> dict[Scope, float]:
    """Seconds of a step of the smallest model, by scope; none where the backend has no such model."""
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
            floor[scope] = _fastest_step(time_scope(scope, model, *native, order, batches, effort))
    except Unsupported:  # a gradient alone, which was timed, is there; what only building could show may not be
        pass
    return floor


def _short(seconds: float) -> Effort:
    """The effort of a floor."""
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
