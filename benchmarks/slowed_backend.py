"""A plugin: the numpy backend, slowed down by a known share. A comparison has to find that share.

lstm-bench run --plugin benchmarks/slowed_backend.py -b numpy -b "slowed[by=0.05]" -t flights
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from lstm_bench import BackendInfo, Number, hookimpl

if TYPE_CHECKING:
    from lstm_bench import Backend, ModelSpec, Parameters, Setting, TrainSpec


def _load() -> Backend:
    import numpy as np

    from lstm_bench_numpy._model import NumpyBackend, NumpyModel

    class Slowed(NumpyModel):
        """Trains, and then waits for a share of the time that training took."""

        by = 0.0

        def train(self, x: Any, y: Any, order: Any) -> Any:
            begin = perf_counter_ns()
            losses = super().train(x, y, order)
            now = perf_counter_ns()
            end = now + self.by * (now - begin)
            while perf_counter_ns() < end:  # slower code would not let the processor rest, so do not sleep
                pass
            return losses

    class SlowedBackend(NumpyBackend):
        def build(
            self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
        ) -> Slowed:
            model = Slowed(spec, train, parameters, np.dtype(setting.precision), seed)
            model.by = setting.options.by
            return model

    return SlowedBackend()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="slowed",
        summary="the numpy backend, slower by a known share",
        load=_load,
        abilities=("train", "differentiate", "states", "input_gradient", "kernel_path", "product"),
        options={
            "by": Number(default=0.1, low=0, high=100, meaning="share of a training step's time that is added to it")
        },
    )
