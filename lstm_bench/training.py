"""The training loop: which sequence is seen when, and what the losses were. Backends know nothing of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.agreement import expect
from lstm_bench.errors import LSTMBenchError
from lstm_bench.parameters import named_generator
from lstm_bench.result import KEPT_LOSSES, Training

if TYPE_CHECKING:
    from lstm_bench.backend import Model


class Diverged(LSTMBenchError):
    """A training loss stopped being a finite number. ``training`` holds the run until then."""

    def __init__(self, message: str, training: Training) -> None:
        super().__init__(message)
        self.training = training


def epoch_orders(count: int, batch_size: int, *, shuffle: bool, seed: int) -> Iterator[NDArray[np.intp]]:
    """For each epoch the indices of its batches, `(steps, batch_size)`, the same for every backend.

    Args:
        count: sequences to learn from.
        batch_size: sequences per step; what is left at an epoch's end and fills no batch is not seen in that epoch.
        shuffle: whether each epoch draws its own order.
        seed: the run's seed.

    Raises:
        LSTMBenchError: if there are fewer sequences than a batch takes.
    """
    steps = count // batch_size
    if steps == 0:
        raise LSTMBenchError(f"a batch takes {batch_size} sequences, but there are only {count} to learn from")
    generator = named_generator(seed, "order")
    while True:
        indices = generator.permutation(count) if shuffle else np.arange(count)
        yield indices[: steps * batch_size].reshape(steps, batch_size)


def train_epochs(
    model: Model[Any],
    x: Any,
    y: Any,
    orders: Iterator[NDArray[np.intp]],
    epochs: int,
    on_epoch: Callable[[int], None],
) -> Training:
    """Train for some epochs and keep the loss curve.

    Args:
        model: to be trained.
        x: native sequences.
        y: native targets.
        orders: each epoch's batches.
        epochs: how many.
        on_epoch: told after each epoch how many are done.

    Raises:
        Diverged: at the end of the first epoch in which a loss was not finite.
    """
    begin = perf_counter()
    steps = 0
    firsts: list[float] = []
    means: list[float] = []

    def so_far() -> Training:
        return Training(
            steps=steps,
            seconds=perf_counter() - begin,
            first_losses=tuple(finite(loss) for loss in firsts),
            epoch_losses=tuple(finite(loss) for loss in means),
        )

    for epoch in range(epochs):
        order = next(orders)
        losses = np.asarray(model.get(model.train(x, y, model.put(order))), np.float64)
        if losses.shape != (len(order),):
            expect("training losses", losses, (len(order),))
        steps += len(order)
        firsts += losses[: max(0, KEPT_LOSSES - len(firsts))].tolist()
        means.append(float(losses.mean()))
        if not math.isfinite(means[-1]):
            step = steps - len(order) + int(np.argmin(np.isfinite(losses))) + 1
            raise Diverged(f"the training loss is {losses[~np.isfinite(losses)][0]} at step {step}", so_far())
        on_epoch(epoch + 1)
    return so_far()


def finite(value: float) -> float | None:
    """The value as a plain float, or ``None`` in place of NaN and infinities, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
