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
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lstm_bench.backend import Unsupported
from lstm_bench.parameters import initial_parameters
from lstm_bench.result import Attempt, Ceiling, Effort, Timing
from lstm_bench.spec import ModelSpec, Scope
from lstm_bench.timing import elapsed_ns, time_scope

if TYPE_CHECKING:
    from lstm_bench.backend import Backend
    from lstm_bench.result import Cell

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


def measure(backend: Backend, cell: Cell, first_step_seconds: float) -> Ceiling:
    """The fastest product, and the shortest step, of a backend in this process.

    Args:
        backend: the one that was timed.
        cell: what it was timed with.
        first_step_seconds: what its first step took, compilation included.
    """
    seconds = min(SIZE_SECONDS, cell.effort.blocks * cell.effort.block_seconds / 4)
    size, flops_per_second = _fastest_product(backend, cell, seconds)
    floor = _floor(backend, cell, seconds) if first_step_seconds <= LONG_FIRST_STEP else {}
    return Ceiling(size=size, flops_per_second=flops_per_second, floor_seconds=floor)


def _fastest_product(backend: Backend, cell: Cell, seconds: float) -> tuple[int, float | None]:
    """The size of the fastest product, and its operations per second; 0 and ``None`` if there is none."""
    found: dict[int, float] = {}
    for size in SIZES if cell.device == "cpu" else ON_GPU:
        product = backend.product(size, precision=cell.precision, device=cell.device, options=cell.backend_options)
        if product is None:
            break
        product()  # whatever compiles, compiles here
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


def _floor(backend: Backend, cell: Cell, seconds: float) -> dict[Scope, float]:
    """Seconds of a step of the smallest model, by scope; none where the backend has no such model."""
    recipe = cell.recipe
    labels = recipe.train.loss == "cross_entropy"
    spec = ModelSpec(
        input_size=1, hidden_sizes=(1,), output_size=2 if labels else 1, cell=recipe.model.cell, bias=recipe.model.bias
    )
    train = msgspec.structs.replace(recipe.train, batch_size=1)
    how: dict[str, Any] = {"precision": cell.precision, "device": cell.device, "options": cell.backend_options}
    if backend.refuses(spec, train, **how) is not None:
        return {}
    parameters = initial_parameters(spec, recipe.initialisation, cell.seed)
    effort = Effort(
        name="floor", blocks=5, block_seconds=seconds / 12, warmup_blocks=2, warmup_seconds=seconds / 5,
        epoch_fraction=0.0, block_steps=2,
    )  # fmt: skip
    floor: dict[Scope, float] = {}
    try:
        model = backend.build(spec, train, parameters, seed=cell.seed, **how)
        x = np.full((FLOOR_BATCHES, 1, 1), 0.5)
        y = np.zeros(FLOOR_BATCHES, np.int64) if labels else np.full((FLOOR_BATCHES, 1), 0.5)
        epoch = np.arange(FLOOR_BATCHES)[:, None]
        batches = [(model.put(x[rows]), model.put(y[rows])) for rows in epoch]
        native = model.put(x), model.put(y)
        for scope in recipe.scopes:
            floor[scope] = _fastest_step(time_scope(scope, model, *native, epoch, batches, effort))
    except Unsupported:  # what only building could show; a gradient alone, which was timed, is there
        pass
    return floor


def _fastest_step(timing: Timing) -> float:
    return min(timing.block_ns) / timing.steps_per_block / 1e9


@dataclass(frozen=True)
class Achieved:
    """What a model got done.

    Attributes:
        flops_per_second: floating point operations in a second, those of its products.
        share: of the ceiling, where that is known; above 1 where the model's products are faster than that of two large
            square matrices, as smaller ones that stay in a cache can be.
    """

    flops_per_second: float
    share: float | None


def achieved(attempt: Attempt, scope: Scope, seconds_per_step: float | None = None) -> Achieved | None:
    """The operations that a scope has got done in a second; ``None`` where it was not timed or its shape is not known.

    Args:
        attempt: which tells the model, the batch's shape, and the ceiling.
        scope: what was computed.
        seconds_per_step: of this scope, where more is known than this attempt's own median.
    """
    found = attempt.findings
    if seconds_per_step is None and scope in found.timings:
        seconds_per_step = found.timings[scope].seconds_per_step
    operations = attempt.operations(scope)
    if seconds_per_step is None or operations is None:
        return None
    speed = operations / seconds_per_step
    most = None if found.ceiling is None else found.ceiling.flops_per_second
    return Achieved(speed, None if most is None else speed / most)
