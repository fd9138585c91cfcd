"""The training loop: which sequence is seen when, how good the model is on the way, when it ends.

Backends know nothing of it: they are given steps to take.
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


class Feed:
    """What a recipe feeds to a model, epoch by epoch; the same for every backend.

    Args:
        task: whose data it is.
        dataset: loaded.
        recipe: says what is held out for validation, and how batches are made.
        seed: the run's seed.

    Attributes:
        first: what is learnt from in the first epoch.
        validation: what is never learnt from; ``None`` if nothing is held out.

    Raises:
        LSTMBenchError: if there are fewer sequences than a batch takes, or none to hold out.
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
        """Each epoch's batches, `(steps, batch size)`."""
        recipe = self._recipe
        return epoch_orders(self._learnt, recipe.train.batch_size, shuffle=recipe.shuffle, seed=self._seed)

    def epochs(
        self, put: Callable[[NDArray[Any]], Any], native: tuple[Any, Any] | None = None
    ) -> Iterator[tuple[Any, Any, NDArray[np.intp]]]:
        """For each epoch its native sequences and targets, and its batches. Data that stay the same are put once.

        Args:
            put: makes native arrays.
            native: those of ``first``, where they have been put already.
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
    """When a training run is looked at, and when it ends.

    Attributes:
        epochs: passes over the data, at most.
        steps: optimizer steps, at most; ``None`` for no other limit.
        every: steps between looks; ``None`` for one after each epoch, if there is anything to look at.
        metrics: how good the model is; ``None`` if nobody asks before the end.
        validation_loss: likewise its loss on what is held out.
        patience: as in ``Recipe``.
        minimum_gain: as in ``Recipe``.
        reached: whether metrics are so good that training may end.
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
    """What came of a training run.

    Attributes:
        training: its record.
        best: the parameters with the least validation loss, if ``patience`` asked for them.
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
        model: to be trained.
        feed: on what.
        course: for how long.
        on_progress: told the steps taken, those there are at most, and how it goes.
        native: what is learnt from in the first epoch, where it has been put already.

    Raises:
        Diverged: as soon as a loss was not finite.
    """
    run = _Run(model, course, feed.steps_per_epoch, on_progress)
    if course.every is not None:
        run.look()
    epochs = feed.epochs(model.put, native)
    while not run.over:
        run.epoch(*next(epochs))
    return Trained(run.so_far(), run.best)


@dataclass
class _Run:
    """A training run until now."""

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
    """The validation loss that a later one has to fall below."""
    without_gain: int = 0
    note: str = ""

    @property
    def total(self) -> int:
        """Steps that are taken at most."""
        whole = self.course.epochs * self.steps_per_epoch
        return whole if self.course.steps is None else min(whole, self.course.steps)

    @property
    def over(self) -> bool:
        return self.step >= self.total or self.stopped != ""

    def epoch(self, x: Any, y: Any, order: NDArray[np.intp]) -> None:
        """Take an epoch's steps, or those that are left, and look at the model where it is due."""
        losses: list[float] = []
        while len(losses) < len(order) and not self.over:
            begin = len(losses)
            until = min(len(order), begin + self.total - self.step)
            if self.course.every is not None:
                until = min(until, begin + self.course.every - self.step % self.course.every)
            losses += self.take(x, y, order[begin:until]).tolist()
            self.note = f"training loss {np.mean(losses[begin:]):.4g}"
            if self.step == self.total or self._due(len(losses) == len(order)):
                self.look()
            self.on_progress(self.step, self.total, self.note)
        if losses:
            self.means.append(float(np.mean(losses)))

    def _due(self, epoch_ends: bool) -> bool:
        """Whether it is time to look, but for the end of all."""
        return epoch_ends if self.course.every is None else self.step % self.course.every == 0

    def take(self, x: Any, y: Any, order: NDArray[np.intp]) -> NDArray[np.float64]:
        """Take the steps of these rows; their losses."""
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

    def look(self) -> None:
        """See how good the model is by now, and whether that is the end."""
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
            self._weigh(loss)
        if metrics and course.reached(metrics):
            self.stopped = "target"

    def _weigh(self, loss: float) -> None:
        """Whether a validation loss is a gain; NaN is none."""
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
    """The value as a plain float, or ``None`` in place of NaN and infinities, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
