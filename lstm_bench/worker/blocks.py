"""Blocks of steps to time, one class for each scope, and the results that are kept of them.

A block keeps a few of its results by reference, so that they can be compared after the clock has stopped. Nothing is
copied or computed for this inside the clock. Random numbers from the operating system choose which calls' results are
kept and which batches are computed, so a backend cannot know them beforehand.
"""

from __future__ import annotations

import gc
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import expect_shape, fetched
from lstm_bench.model.parameters import Parameters
from lstm_bench.model.spec import Scope
from lstm_bench.worker.reading import ReadingTime, fetch

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

MOST_STEPS, MOST_INDEX_BYTES = 1_000_000, 64 * 2**20
"""Limits on the steps of a block, and on the bytes of the indices of its batches. A step of 0.1 us needs no more."""


KEPT, MOST_KEPT_BYTES = 5, 2**20
"""Number of results that a block keeps, and the most bytes of them; one result is always kept."""


@dataclass(frozen=True)
class Block:
    """A fixed number of steps and one wait for the device.

    Attributes:
        run: takes the steps, waits, and returns what is kept: the losses for ``train``, else a list of results.
        rows: what that belongs to: the order of all steps, `(steps, B)`, for ``train``; else the number of each batch.
        put_seconds: seconds that putting the order took.
    """

    run: Callable[[], Any]
    rows: NDArray[np.intp] | tuple[int, ...]
    put_seconds: float = 0.0


@dataclass
class Segment:
    """The life of one timed model, from its first training step to its last.

    Attributes:
        orders: the order of each call of ``Model.train``, `(steps, B)`.
        losses: the losses that each call returned, `(steps,)`.
        readings: how long fetching each call's losses took.
        put_seconds: seconds that putting each call's order took.
        parameters: the parameters after the last call; ``None`` if this life is not to be computed again.
        reading_seconds: durations of two successive calls of ``Model.parameters`` after the last step.
    """

    orders: list[NDArray[np.intp]] = field(default_factory=list)
    losses: list[NDArray[Any]] = field(default_factory=list)
    readings: list[ReadingTime] = field(default_factory=list)
    put_seconds: list[float] = field(default_factory=list)
    parameters: Parameters | None = None
    reading_seconds: tuple[float, float] = (0.0, 0.0)

    def forget(self) -> None:
        """Free what is needed to compute this life again."""
        self.orders.clear()
        self.losses.clear()
        self.parameters = None


class Workload(ABC):
    """The work of one scope.

    Attributes:
        scope: ``train``, ``gradient`` or ``infer``.
        batch_size: sequences per step.
        model: the model that is timed; ``None`` after it was dropped.
    """

    scope: Scope

    def __init__(self, model: Model[Any] | None, batch_size: int) -> None:
        self.model: Any = model
        self.batch_size = batch_size
        self._draw = np.random.default_rng()

    @property
    def most_steps(self) -> int:
        """The largest number of steps in a block."""
        return MOST_STEPS

    @abstractmethod
    def block(self, steps: int) -> Block:
        """Return a new block. Everything that it needs is on the device already."""

    @abstractmethod
    def keep(self, block: Block, result: Any) -> None:
        """Fetch the result of a timed block, after its time was read and before the model is called again."""

    def renew(self) -> bool:
        """Replace the model by a new one, if the workload verifies models from their first step; whether it does."""
        return False


class TrainingWork(Workload):
    """Optimizer steps on the batches of one epoch, in a new random order in each block.

    Args:
        model: a model with the initial parameters.
        build: builds another one; ``None`` to keep this one, and no results.
        native: native sequences `(N, T, I)` and targets.
        epoch: the batches as indices into them, `(steps, B)`.

    Attributes:
        segments: the life of each model, after ``renew``.
    """

    scope: Scope = "train"

    def __init__(
        self,
        model: Model[Any] | None,
        build: Callable[[], Model[Any]] | None,
        native: tuple[Any, Any],
        epoch: NDArray[np.intp],
    ) -> None:
        super().__init__(model, epoch.shape[1])
        self._build, self._native, self._epoch = build, native, epoch
        self.segments: list[Segment] = []

    @property
    def most_steps(self) -> int:
        """The largest number of steps whose indices do not take too much memory."""
        return max(1, min(MOST_STEPS, MOST_INDEX_BYTES // (8 * self.batch_size)))

    def block(self, steps: int) -> Block:
        """Return one call of ``Model.train`` in a new order."""
        rows = self._new_order(steps)
        x, y = self._native
        begin = perf_counter()
        order = self.model.put(rows)
        put_seconds = perf_counter() - begin
        model = self.model

        def run() -> Any:
            losses = model.train(x, y, order)
            model.synchronize()
            return losses

        return Block(run, rows, put_seconds)

    def keep(self, block: Block, result: Any) -> None:
        """Fetch the losses of a call."""
        if not self.segments:
            return
        assert not isinstance(block.rows, tuple)
        results, reading = fetch(self.model, self._losses, lambda _: [result])
        segment = self.segments[-1]
        segment.orders.append(block.rows)
        segment.losses.append(expect_shape("training losses", results[0][0], (len(block.rows),)))
        segment.readings.append(reading)
        segment.put_seconds.append(block.put_seconds)

    def _losses(self, result: Any) -> list[NDArray[Any]]:
        return [np.asarray(self.model.get(result))]

    def renew(self) -> bool:
        """Replace the model by a new one that has taken one step, and begin another segment."""
        if self._build is None:
            return False
        self.end_segment()
        former, self.model = weakref.ref(self.model), None
        if former() is not None:  # it is part of a cycle, and the next model may need what it holds
            gc.collect()
        self.model = self._build()
        self.segments.append(Segment())
        settling = self.block(1)  # some frameworks allocate the optimizer's arrays in the first step
        self.keep(settling, settling.run())
        return True

    def end_segment(self) -> None:
        """Read the parameters of the model twice: reading them may not take longer the first time.

        Of all former lives one is remembered, drawn at random while they end, so that memory does not grow with them.
        """
        if not self.segments:
            return
        if len(former := self.segments[:-1]) > 1:
            remembered = next(segment for segment in former if segment.parameters is not None)
            (remembered if self._draw.integers(len(former)) == 0 else former[-1]).forget()
        begin = perf_counter()
        self.segments[-1].parameters = self.model.parameters()
        between = perf_counter()
        self.model.parameters()
        self.segments[-1].reading_seconds = between - begin, perf_counter() - between

    def _new_order(self, steps: int) -> NDArray[np.intp]:
        """Draw batches: all of the epoch, each time in another order."""
        epochs = -(-steps // len(self._epoch))
        rows = np.concatenate([self._draw.permutation(len(self._epoch)) for _ in range(epochs)])
        order: NDArray[np.intp] = self._epoch[rows[:steps]]
        return order


@dataclass(frozen=True)
class Kept:
    """The result of a timed call.

    Attributes:
        batch: number of its batch.
        arrays: what the call returned: logits, or the loss followed by the gradients in any layout.
    """

    batch: int
    arrays: list[NDArray[Any]]


class Passes(Workload):
    """Forward passes, or forward and backward passes, over some batches, round and round.

    Args:
        model: the model to time.
        batches: native sequences `(B, T, I)` and native targets.
        batch_size: B.

    Attributes:
        kept: the results of timed calls.
        readings: how long fetching those of each block took.
    """

    def __init__(self, model: Model[Any] | None, batches: Sequence[tuple[Any, Any]], batch_size: int) -> None:
        super().__init__(model, batch_size)
        self.batches = list(batches)
        self.kept: list[Kept] = []
        self.readings: list[ReadingTime] = []
        self._most_kept = 1

    def block(self, steps: int) -> Block:
        """Return a block that begins with a batch drawn at random."""
        first = int(self._draw.integers(len(self.batches)))
        return self.over([(first + step) % len(self.batches) for step in range(steps)], self.batches)

    @abstractmethod
    def held(self, batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block that computes these batches, and holds as many of its results as it may."""

    @abstractmethod
    def over(self, numbers: Sequence[int], batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block that computes the batches of these numbers."""

    def keep(self, block: Block, result: Any) -> None:
        """Fetch the results that the block has kept, in any order."""
        assert isinstance(block.rows, tuple)
        shuffled = self._draw.permutation(len(result))
        results = [result[place] for place in shuffled]
        arrays, reading = fetch(self.model, self.fetch, lambda found: chain(results, self._further(found)))
        self.kept += [Kept(block.rows[place], some) for place, some in zip(shuffled, arrays, strict=False)]
        self.readings.append(reading)
        size = sum(array.nbytes for array in arrays[0])
        self._most_kept = max(1, min(KEPT, MOST_KEPT_BYTES // max(size, 1)))

    def _further(self, found: list[list[NDArray[Any]]]) -> Iterator[Any]:
        """Compute further results to read after those of the block, which are the arrays that were found."""
        yield from ()

    @abstractmethod
    def fetch(self, result: Any) -> list[NDArray[Any]]:
        """Copy what a call returned to NumPy."""


class InferenceWork(Passes):
    """Forward passes in evaluation mode. The results of some calls, drawn at random, are kept."""

    scope: Scope = "infer"

    def fetch(self, result: Any) -> list[NDArray[Any]]:
        """Copy logits to NumPy."""
        return [np.asarray(self.model.get(result))]

    def held(self, batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block that holds all logits, and keeps those of one batch."""
        sequences, model = [x for x, _ in batches], self.model
        kept = int(self._draw.integers(len(sequences)))

        def run() -> Any:
            logits = [model.infer(x) for x in sequences]
            model.synchronize()
            return [logits[kept]]

        return Block(run, (kept,))

    def over(self, numbers: Sequence[int], batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block of forward passes."""
        kept = np.sort(self._draw.permutation(len(numbers))[: self._most_kept])
        sequences = [batches[number][0] for number in numbers]
        begins = [0, *(kept + 1)]
        parts = [(sequences[begin:end], sequences[end]) for begin, end in zip(begins, kept, strict=False)]
        after, model = sequences[begins[-1] :], self.model

        def run() -> Any:
            logits = []
            for before, chosen in parts:
                for x in before:
                    model.infer(x)
                logits.append(model.infer(chosen))
            for x in after:
                model.infer(x)
            model.synchronize()
            return logits

        return Block(run, tuple(numbers[place] for place in kept))


class GradientWork(Passes):
    """Forward and backward passes in training mode, without an update.

    The result of the last call is kept, since each call may overwrite the gradients of the call before. Small ones are
    computed and read a few times more, one call at a time.
    """

    scope: Scope = "gradient"

    def fetch(self, result: Any) -> list[NDArray[Any]]:
        """Copy the loss and then all gradients to NumPy."""
        return fetched(self.model, result)

    def held(self, batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block that holds the last result alone."""
        return self.over(range(len(batches)), batches)

    def _further(self, found: list[list[NDArray[Any]]]) -> Iterator[Any]:
        for _ in range(1, min(KEPT, MOST_KEPT_BYTES // max(1, sum(array.nbytes for array in found[0])))):
            result = self.model.differentiate(*self.batches[self._draw.integers(len(self.batches))])
            self.model.synchronize()
            yield result

    def over(self, numbers: Sequence[int], batches: Sequence[tuple[Any, Any]]) -> Block:
        """Return a block of forward and backward passes."""
        chosen = [batches[number] for number in numbers]
        before, (last_x, last_y) = chosen[:-1], chosen[-1]
        model = self.model

        def run() -> Any:
            for x, y in before:
                model.differentiate(x, y)
            result = model.differentiate(last_x, last_y)
            model.synchronize()
            return [result]

        return Block(run, (numbers[-1],))
