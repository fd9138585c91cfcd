"""Change the harness from within its own process."""

from __future__ import annotations

import sys
import time

import numpy as np

from cheating.base import Cheat, Zoo, animal
from lstm_bench_numpy._model import NumpyModel


def replace_everywhere(name: str, old, new) -> None:
    """Replace a function in every module of the harness that has it under this name."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("lstm_bench") and getattr(module, name, None) is old:
            setattr(module, name, new)


class _ReadsHalf(Cheat):
    def infer(self, x):
        return self.really_infer(x[:, x.shape[1] // 2 :])

    def train(self, x, y, order):
        return self.really_train(x[:, x.shape[1] // 2 :], y, order)


@animal("hostile", "process")
class SlowsTheClock(Zoo):
    """the clock of the worker runs at half its speed"""

    def __init__(self):
        super().__init__()
        real = time.perf_counter_ns
        replace_everywhere("perf_counter_ns", real, lambda: real() // 2)
        time.perf_counter_ns = lambda: real() // 2


@animal("hostile", "process")
class CutsTheDurations(Zoo):
    """each duration that the worker measures is cut in half"""

    def __init__(self):
        super().__init__()
        from lstm_bench.worker import timing

        real = timing.run_block

        def half(block):
            nanoseconds, result = real(block)
            return nanoseconds // 2, result

        replace_everywhere("run_block", real, half)


@animal("hostile", "process")
class SilencesTheComparison(Zoo):
    """reads half of each sequence, and every error is 0"""

    def __init__(self):
        super().__init__(_ReadsHalf)
        from lstm_bench.conformance import agreement

        replace_everywhere("relative_error", agreement.relative_error, lambda ours, reference: 0.0)


@animal("hostile", "process")
class TakesAwayTheNorm(Zoo):
    """reads half of each sequence, and numpy.linalg.norm gives 0"""

    def __init__(self):
        super().__init__(_ReadsHalf)
        np.linalg.norm = lambda *args, **how: np.float64(0)


@animal("hostile", "process")
class SpoilsTheReference(Zoo):
    """the reference reads half of each sequence, too"""

    def __init__(self):
        super().__init__()
        whole = NumpyModel._recur
        NumpyModel._recur = lambda self, x, *rest, **how: whole(self, x[:, x.shape[1] // 2 :], *rest, **how)


@animal("hostile", "process")
class EndsWell(Zoo):
    """reads half of each sequence, and every attempt ends ok"""

    def __init__(self):
        super().__init__(_ReadsHalf)
        from lstm_bench.worker.session import Session

        ended = Session.ended
        Session.ended = lambda self, status, reason: ended(self, "ok", "")
