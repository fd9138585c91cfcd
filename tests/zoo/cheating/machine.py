"""Use more of the machine than was granted, or do not wait for it."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from time import sleep
from typing import ClassVar

import numpy as np

from cheating.base import USUAL, Cheat, Later, animal
from lstm_bench_numpy._model import NumpyModel


@contextmanager
def on_every_processor():
    """Let this thread, and those that it starts, run anywhere."""
    granted = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, granted)


class _Helped(Cheat):
    """While it works, another thread multiplies matrices on a processor that was not granted."""

    def multiply_until(self, done: Event) -> None:
        a = np.ones((512, 512), np.float32)
        while not done.is_set():
            a @ a

    def with_help(self, work):
        done = Event()
        with on_every_processor():
            thread = Thread(target=self.multiply_until, args=(done,))
            thread.start()
            try:
                return work()
            finally:
                done.set()
                thread.join()


@animal("machine", "processors")
class TrainsOnEveryProcessor(_Helped):
    """train uses a second processor while one is granted, and gives it back"""

    def train(self, x, y, order):
        return self.with_help(lambda: self.really_train(x, y, order))


@animal("machine", "processors")
class TrainsOnEveryProcessorWhenTimed(_Helped):
    """calls of train with more than 10 steps use a second processor while one is granted"""

    def train(self, x, y, order):
        work = lambda: self.really_train(x, y, order)  # noqa: E731
        return self.with_help(work) if len(order) > 10 else work()


@animal("machine", "processors")
class InfersInAnotherProcess(Cheat):
    """a child process on a processor that was not granted computes the logits"""

    children: ClassVar[list[int]] = []

    def __init__(self, *args):
        super().__init__(*args)
        self._child = None

    def _start(self):
        ask, self._ask = os.pipe()
        self._answer, answer = os.pipe()
        if (child := os.fork()) == 0:
            os.close(self._ask)
            os.sched_setaffinity(0, [max(range(os.cpu_count() or 1))])
            self._serve(ask, answer)
        os.close(ask)
        os.close(answer)
        self._child = child

    def _serve(self, ask: int, answer: int) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(ask, "rb") as questions:
            while head := questions.read(24):
                shape = np.frombuffer(head, np.int64)
                x = np.frombuffer(questions.read(int(shape.prod()) * 4), np.float32).reshape(shape)
                os.write(answer, np.ascontiguousarray(NumpyModel.infer(self, x)).tobytes())
        os._exit(0)

    def infer(self, x):
        if x.nbytes > 4096:  # more than a pipe takes at once
            return self.really_infer(x)
        if self._child is None:
            self._start()
        os.write(self._ask, np.array(x.shape, np.int64).tobytes() + np.ascontiguousarray(x).tobytes())
        return np.frombuffer(os.read(self._answer, 65536), np.float32).reshape(len(x), -1)

    def train(self, x, y, order):
        self._end()
        return self.really_train(x, y, order)

    def _end(self):
        if self._child is not None:
            os.close(self._ask)
            os.close(self._answer)
            os.waitpid(self._child, 0)
            self._child = None

    def __del__(self):
        self._end()


class Device:
    """A thread that does one thing after another."""

    def __init__(self) -> None:
        self._queue: SimpleQueue = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (due := self._queue.get()) is not None:
            result, done = due
            result.evaluate()
            done.set()

    def submit(self, compute) -> tuple[Later, Event]:
        due = Later(compute), Event()
        self._queue.put(due)
        return due

    def end(self) -> None:
        self._queue.put(None)


class Asynchronous(Cheat):
    """Computes on a thread, in order; native arrays are pairs of a result and an event."""

    def __init__(self, *args):
        super().__init__(*args)
        self._device = Device()
        self._latest = None

    def __del__(self):
        self._device.end()

    def submit(self, compute):
        self._latest = self._device.submit(compute)
        return self._latest

    def get(self, native):
        if isinstance(native, tuple):
            native[1].wait()
            native = native[0].value
        return super().get(native)

    def train(self, x, y, order):
        return self.submit(lambda: NumpyModel.train(self, x, y, order))

    def infer(self, x):
        return self.submit(lambda: NumpyModel.infer(self, x))

    def _drain(self):
        if self._latest is not None:
            self._latest[1].wait()

    def parameters(self):
        self._drain()
        return super().parameters()

    def gradients(self, x, y):
        self._drain()
        return super().gradients(x, y)

    def input_gradient(self, x, y):
        self._drain()
        return super().input_gradient(x, y)

    def states(self, x, initial=None):
        self._drain()
        return super().states(x, initial)

    def synchronize(self):
        self._drain()


class _WaitsTooShort(Asynchronous):
    """Training holds its caller up for half of the time that it takes, so that not too much is left; infer waits."""

    def train(self, x, y, order):
        sleep(self.share * len(order) * USUAL["train"])
        return super().train(x, y, order)

    def infer(self, x):
        logits = super().infer(x)
        self._drain()
        return logits


@animal("machine", "work")
class WaitsForNothing(_WaitsTooShort):
    """synchronize returns at once, while a thread still computes"""

    def synchronize(self):
        return None


@animal("machine", "work")
class WaitsForHalf(Asynchronous):
    """synchronize waits for half of the training steps, and of the batches, since it was called last"""

    def __init__(self, *args):
        super().__init__(*args)
        self._asked = []

    def submit(self, compute):
        self._asked.append(super().submit(compute))
        return self._asked[-1]

    def train(self, x, y, order):
        half = len(order) // 2
        first = self.submit(lambda: NumpyModel.train(self, x, y, order[:half]))
        return self.submit(lambda: np.concatenate([first[0].value, NumpyModel.train(self, x, y, order[half:])]))

    def synchronize(self):
        asked, self._asked = self._asked, []
        if asked:
            asked[(len(asked) - 1) // 2][1].wait()


@animal("machine", "work")
class WaitsForAMoment(_WaitsTooShort):
    """synchronize waits for 2 ms at most"""

    def synchronize(self):
        if self._latest is not None:
            self._latest[1].wait(0.002)
