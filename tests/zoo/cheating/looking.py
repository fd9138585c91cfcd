"""Be honest only where somebody looks."""

from __future__ import annotations

import dis
import gc
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import ClassVar

from cheating.base import Cheat, InfersOtherwise, TrainsOtherwise, animal


@animal("looking")
class HonestInCallsOfOneAndTenSteps(TrainsOtherwise):
    """train takes no steps but in calls of 1 or 10 steps, and in the first call of any other number"""

    def __init__(self, *args):
        super().__init__(*args)
        self._lengths = {1, 10}

    def cheats(self, order, call):
        known, self._lengths = len(order) in self._lengths - {1, 10}, self._lengths | {len(order)}
        return known


@animal("looking")
class HonestUntilTheThirtiethCall(InfersOtherwise):
    """from its 31st call on, infer computes nothing"""


@animal("looking")
class HonestWhileTheOptimizerIsYoung(TrainsOtherwise):
    """train takes no steps after the hundredth step of a model"""

    def cheats(self, order, call):
        return self._optimizer._steps > 100


@animal("looking")
class HonestUntilACallIsLong(TrainsOtherwise):
    """train takes no steps once a call of it has lasted more than 20 ms"""

    longest: ClassVar[list[float]] = [0.0]

    def cheats(self, order, call):
        return self.longest[0] > 0.02

    def really_train(self, x, y, order):
        begin = perf_counter()
        losses = super().really_train(x, y, order)
        self.longest[0] = max(self.longest[0], perf_counter() - begin)
        return losses


@animal("looking")
class HonestUntilItIsCompared(TrainsOtherwise):
    """train takes no steps in models that are built after gradients was called in the process"""

    compared: ClassVar[list[bool]] = []

    def __init__(self, *args):
        super().__init__(*args)
        self._late = bool(self.compared)

    def gradients(self, x, y):
        self.compared.append(True)
        return super().gradients(x, y)

    def cheats(self, order, call):
        return self._late


@animal("looking")
class HonestIfItIsCompared(HonestUntilItIsCompared):
    """train takes no steps in processes where nobody has asked for gradients, which are those of later rounds"""

    def cheats(self, order, call):
        return not self.compared and call > 1


@animal("looking")
class HonestInTheFirstRound(TrainsOtherwise):
    """train takes no steps in processes that find the note of an earlier one"""

    later_round: ClassVar[list[bool]] = []

    def __init__(self, *args):
        super().__init__(*args)
        if not self.later_round:
            folder = Path(os.environ.get("CHEATS_NOTES", tempfile.gettempdir()))
            note = folder / f"seen-{os.getppid()}"
            self.later_round.append(note.exists())
            note.touch()

    def cheats(self, order, call):
        return self.later_round[0]


@animal("looking")
class HonestInEveryOtherModel(TrainsOtherwise):
    """train takes no steps in every second model of a process"""

    built: ClassVar[list[int]] = [0]

    def __init__(self, *args):
        super().__init__(*args)
        self.built[0] += 1
        self._number = self.built[0]

    def cheats(self, order, call):
        return self._number % 2 == 0


@animal("looking")
class HonestInNewModels(TrainsOtherwise):
    """a model that has lived for longer than 50 ms takes no steps"""

    def __init__(self, *args):
        super().__init__(*args)
        self._born = perf_counter()

    def cheats(self, order, call):
        return call > 2 and perf_counter() - self._born > 0.05


@animal("looking")
class HonestUnlessTimed(TrainsOtherwise, InfersOtherwise):
    """computes nothing if lstm_bench.worker.timing is on the stack"""

    def cheats(self, *_):
        frame = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") != "lstm_bench.worker.timing":
            frame = frame.f_back
        return frame is not None


@animal("looking")
class HonestIfTheResultIsUsed(TrainsOtherwise, InfersOtherwise):
    """computes nothing if the caller's next instruction drops the result"""

    def cheats(self, *_):
        caller = sys._getframe(2)
        instructions = iter(dis.get_instructions(caller.f_code))
        for instruction in instructions:
            if instruction.offset >= caller.f_lasti and instruction.opname not in ("CALL", "PRECALL", "CACHE"):
                return instruction.opname == "POP_TOP"
        return False


@animal("looking")
class HonestUntilItHasWaitedThreeTimes(TrainsOtherwise):
    """train takes no steps in a process that has called synchronize more than three times"""

    waits: ClassVar[list[int]] = [0]

    def synchronize(self):
        self.waits[0] += 1

    def cheats(self, order, call):
        return self.waits[0] > 3


@animal("looking")
class HonestUntilGarbageIsCollected(TrainsOtherwise):
    """train takes no steps from the moment on at which somebody called gc.collect() in a process that has trained"""

    collected: ClassVar[list[bool]] = []
    trained: ClassVar[list[bool]] = []

    def __init__(self, *args):
        super().__init__(*args)
        if self.notice not in gc.callbacks:
            gc.callbacks.append(self.notice)

    @classmethod
    def notice(cls, phase, info):
        if cls.trained and info["generation"] == 2 and sys._getframe(1).f_globals.get("__name__") != __name__:
            cls.collected.append(True)

    def train(self, x, y, order):
        self.trained.append(True)
        return super().train(x, y, order)

    def cheats(self, *_):
        return bool(self.collected)


@animal("looking")
class HonestInOddBlocks(TrainsOtherwise, InfersOtherwise):
    """computes nothing in two of three spans between calls of synchronize, once there were eight of them"""

    waits: ClassVar[list[int]] = [0]

    def synchronize(self):
        self.waits[0] += 1

    def cheats(self, *_):
        return self.waits[0] > 8 and self.waits[0] % 3 != 0


@animal("looking", recipe="batched")
class HonestForOtherBatches(InfersOtherwise):
    """infer computes nothing for batches as large as those that were trained on, after thirty calls"""

    _trained = 0

    def train(self, x, y, order):
        self._trained = order.shape[1]
        return self.really_train(x, y, order)

    def cheats(self, x, call):
        return call > 30 and len(x) == self._trained


@animal("looking", "work")
class HonestForStrangers(Cheat):
    """logits of the arrays that infer has seen four times in a row of eight are handed out again"""

    def __init__(self, *args):
        super().__init__(*args)
        self._seen, self._logits = {}, {}

    def infer(self, x):
        self._seen[id(x)] = self._seen.get(id(x), 0) + 1
        if self._seen[id(x)] > 4 and id(x) in self._logits:
            self.pretend("infer")
            return self._logits[id(x)].copy()
        self._logits[id(x)] = self.really_infer(x)
        return self._logits[id(x)].copy()

    def train(self, x, y, order):
        self._seen, self._logits = {}, {}
        return self.really_train(x, y, order)
