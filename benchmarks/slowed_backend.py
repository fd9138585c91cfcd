"""A plugin with the numpy backend, slowed down by a known share: what a comparison has to find.

lstm-bench run --plugin benchmarks/slowed_backend.py -b numpy -b "slowed[by=0.05]" -t flights
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from lstm_bench import BackendInfo, Option, hookimpl

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Backend


def _load() -> Backend:
    from lstm_bench_numpy._model import NumpyBackend, NumpyModel

    class Slowed(NumpyModel):
        """Does its work, and then nothing for a share of the time that it took."""

        by = 0.0

        def train(self, x: Any, y: Any, order: Any) -> Any:
            begin = perf_counter_ns()
            losses = super().train(x, y, order)
            now = perf_counter_ns()
            end = now + self.by * (now - begin)
            while perf_counter_ns() < end:  # sleeping would let the processor rest, which is not what slower code does
                pass
            return losses

    class SlowedBackend(NumpyBackend):
        def build(self, *arguments: Any, options: Mapping[str, str], precision: str, seed: int, device: str) -> Any:
            import numpy as np

            spec, train, parameters = arguments
            model = Slowed(spec, train, parameters, np.dtype(precision), seed)
            model.by = float(options["by"])
            return model

    return SlowedBackend()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="slowed",
        summary="the numpy backend, slower by a known share",
        load=_load,
        options={"by": Option(default="0.1", meaning="share of a training step's time that is added to it")},
    )
