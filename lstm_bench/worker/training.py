"""The training loop: batch order, evaluation on the way, and early stopping.

Backends do not see this loop. They only get steps to take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import expect
from lstm_bench.errors import LSTMBenchError
from lstm_bench.model.parameters import Parameters, named_generator
from lstm_bench.model.spec import Recipe
from lstm_bench.plugin.task import Dataset, Split, Task
from lstm_bench.record.attempt import KEPT_LOSSES, CurvePoint, Stopped, Training

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model


class Diverged(LSTMBenchError):
    """A training loss was not finite.

    Attributes:
        training: record of the run so far.
    """

    def __init__(self, message: str, training: Training) -> None:
        super().__init__(message)
        self.training = training


def epoch_orders(count: int, batch_size: int, *, shuffle: bool, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the batches of each epoch as indices `(steps, batch_size)`, the same for every backend.

    Args:
        count: number of training sequences.
        batch_size: sequences in a batch. An incomplete batch at the end of an epoch is left out.
        shuffle: whether to draw a new order for each epoch.
        seed: seed of the run.

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


class Feed:
    """The training and validation data of a recipe, epoch by epoch, the same for every backend.

    Args:
        task: the task that draws later epochs.
        dataset: the loaded data.
        recipe: its share of validation data, batch size and shuffling are used.
        seed: seed of the run.

    Attributes:
        first: training data of the first epoch.
        validation: validation data, never trained on; ``None`` if the recipe holds none out.
        steps_per_epoch: batches in an epoch.

    Raises:
        LSTMBenchError: if there are fewer sequences than a batch takes, or too few to hold out.
    """

    def __init__(self, task: Task[Any], dataset: Dataset, recipe: Recipe, seed: int) -> None:
        self._task, self._dataset, self._recipe, self._seed = task, dataset, recipe, seed
        whole = len(dataset.train.x)
        self._learnt = whole - round(recipe.validation * whole)
        if recipe.validation and self._learnt in (0, whole):
            raise LSTMBenchError(f"{recipe.validation:g} of {whole} sequences cannot be held out for validation")
        self._whole_first = task.epoch(dataset, 0)
        self.first = self._part(self._whole_first)
        held = slice(self._learnt, None)
        self.validation = Split(x=dataset.train.x[held], y=dataset.train.y[held]) if recipe.validation else None
        self.steps_per_epoch = len(next(self.orders()))

    def _part(self, split: Split) -> Split:
        return Split(x=split.x[: self._learnt], y=split.y[: self._learnt])

    def orders(self) -> Iterator[NDArray[np.intp]]:
        """Yield the batches of each epoch, `(steps, batch size)`."""
        recipe = self._recipe
        return epoch_orders(self._learnt, recipe.train.batch_size, shuffle=recipe.shuffle, seed=self._seed)

    def epochs(
        self, put: Callable[[NDArray[Any]], Any], native: tuple[Any, Any] | None = None
    ) -> Iterator[tuple[Any, Any, NDArray[np.intp]]]:
        """Yield the native sequences, native targets and batches of each epoch. Data that stay the same are put once.

        Args:
            put: makes native arrays.
            native: native arrays of ``first``, if they have been put already.
        """
        x, y = native or (None, None)
        last = None if native is None else self._whole_first
        for number, order in zip(count(), self.orders(), strict=False):
            split = self._task.epoch(self._dataset, number) if number else self._whole_first
            if last is None or split.x is not last.x or split.y is not last.y:
                last, part = split, self._part(split)
                x, y = put(part.x), put(part.y)
            yield x, y, order


@dataclass(frozen=True, kw_only=True)
class Course:
    """When to evaluate a model during training, and when to stop.

    Attributes:
        epochs: largest number of epochs.
        steps: largest number of optimizer steps; ``None`` for no limit beside ``epochs``.
        every: steps between evaluations; ``None`` to evaluate after each epoch.
        metrics: computes the task's metrics; ``None`` to compute none during training.
        validation_loss: computes the validation loss; ``None`` to compute none.
        patience: as in ``Recipe``.
        minimum_gain: as in ``Recipe``.
        reached: whether the metrics have reached the target, which ends training.
    """

    epochs: int
    steps: int | None = None
    every: int | None = None
    metrics: Callable[[], Mapping[str, float]] | None = None
    validation_loss: Callable[[], float] | None = None
    patience: int | None = None
    minimum_gain: float = 0.0
    reached: Callable[[Mapping[str, float]], bool] = lambda metrics: False


@dataclass
class Trained:
    """The result of a training run.

    Attributes:
        training: record of the run.
        best: parameters with the smallest validation loss; ``None`` without ``patience``.
    """

    training: Training
    best: Parameters | None


def train(
    model: Model[Any],
    feed: Feed,
    course: Course,
    on_progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    native: tuple[Any, Any] | None = None,
) -> Trained:
    """Train a model.

    Args:
        model: the model to train.
        feed: the data.
        course: when to evaluate and when to stop.
        on_progress: called with the steps taken, the largest number of steps, and a note on losses and metrics.
        native: native arrays of the first epoch's data, if they have been put already.

    Raises:
        Diverged: as soon as a loss is not finite.
    """
    run = _Run(model, course, feed.steps_per_epoch, on_progress)
    if course.every is not None:
        run.evaluate()
    epochs = feed.epochs(model.put, native)
    while not run.over:
        run.epoch(*next(epochs))
    return Trained(run.so_far(), run.best)


@dataclass
class _Run:
    """A training run so far.

    Attributes:
        step: optimizer steps taken.
        seconds: time in ``Model.train``.
        firsts: losses of the first steps.
        means: mean training loss of each epoch.
        least: validation loss that a later one must fall below.
        without_gain: evaluations since the last improvement.
        note: last losses and metrics, for the progress display.
    """

    model: Model[Any]
    course: Course
    steps_per_epoch: int
    on_progress: Callable[[int, int, str], None]
    step: int = 0
    seconds: float = 0.0
    firsts: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    stopped: Stopped = ""
    best: Parameters | None = None
    best_step: int | None = None
    least: float = math.inf
    without_gain: int = 0
    note: str = ""

    @property
    def total(self) -> int:
        """Largest number of steps."""
        whole = self.course.epochs * self.steps_per_epoch
        return whole if self.course.steps is None else min(whole, self.course.steps)

    @property
    def over(self) -> bool:
        return self.step >= self.total or self.stopped != ""

    def epoch(self, x: Any, y: Any, order: NDArray[np.intp]) -> None:
        """Take the steps of an epoch, or fewer if training ends, and evaluate the model when it is due."""
        losses: list[float] = []
        while len(losses) < len(order) and not self.over:
            begin = len(losses)
            until = min(len(order), begin + self.total - self.step)
            if self.course.every is not None:
                until = min(until, begin + self.course.every - self.step % self.course.every)
            losses += self.take(x, y, order[begin:until]).tolist()
            self.note = f"training loss {np.mean(losses[begin:]):.4g}"
            if self.step == self.total or self._due(len(losses) == len(order)):
                self.evaluate()
            self.on_progress(self.step, self.total, self.note)
        if losses:
            self.means.append(float(np.mean(losses)))

    def _due(self, epoch_ends: bool) -> bool:
        """Whether an evaluation is due now. The one after the last step is not counted."""
        return epoch_ends if self.course.every is None else self.step % self.course.every == 0

    def take(self, x: Any, y: Any, order: NDArray[np.intp]) -> NDArray[np.float64]:
        """Take one step for each row of ``order`` `(steps, B)`. Return the losses `(steps,)`."""
        rows = self.model.put(order)
        begin = perf_counter()
        losses = np.asarray(self.model.get(self.model.train(x, y, rows)), np.float64)
        self.seconds += perf_counter() - begin
        if losses.shape != (len(order),):
            expect("training losses", losses, (len(order),))
        self.step += len(order)
        self.firsts += losses[: max(0, KEPT_LOSSES - len(self.firsts))].tolist()
        if not np.all(np.isfinite(losses)):
            self.means.append(float(losses.mean()))
            step = self.step - len(order) + int(np.argmin(np.isfinite(losses))) + 1
            raise Diverged(f"the training loss is {losses[~np.isfinite(losses)][0]} at step {step}", self.so_far())
        return losses

    def evaluate(self) -> None:
        """Evaluate the model, and stop if the target or the patience is reached."""
        course = self.course
        if course.metrics is None and course.validation_loss is None:
            return
        metrics = {} if course.metrics is None else course.metrics()
        loss = None if course.validation_loss is None else course.validation_loss()
        self.curve.append(
            CurvePoint(
                step=self.step,
                seconds=self.seconds,
                metrics={name: finite(value) for name, value in metrics.items()},
                validation_loss=None if loss is None else finite(loss),
            )
        )
        shown = {**metrics, **({} if loss is None else {"validation loss": loss})}
        self.note = ", ".join([*filter(None, [self.note]), *(f"{name} {value:.4g}" for name, value in shown.items())])
        if loss is not None and self.step > 0:
            self._update_best(loss)
        if metrics and course.reached(metrics):
            self.stopped = "target"

    def _update_best(self, loss: float) -> None:
        """Update best step and patience with a validation loss. NaN is not an improvement."""
        if loss < self.least - (self.course.minimum_gain if self.best_step is not None else 0):
            self.least, self.best_step, self.without_gain = loss, self.step, 0
            if self.course.patience is not None:
                self.best = self.model.parameters()
            return
        self.without_gain += 1
        if self.without_gain == self.course.patience:
            self.stopped = "patience"

    def so_far(self) -> Training:
        return Training(
            steps=self.step,
            seconds=self.seconds,
            first_losses=tuple(finite(loss) for loss in self.firsts),
            epoch_losses=tuple(finite(loss) for loss in self.means),
            curve=tuple(self.curve),
            stopped=self.stopped,
            best_step=self.best_step,
            best_validation_loss=None if self.best_step is None else finite(self.least),
        )


def finite(value: float) -> float | None:
    """Return the value as a plain float, or ``None`` for NaN and infinities, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
