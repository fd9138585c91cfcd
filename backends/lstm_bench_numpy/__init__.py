"""The NumPy backend: in float64 it is the reference for all other backends, and it is fast enough to compete."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import BackendInfo, hookimpl, lazy


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="numpy",
        summary="the equations in NumPy; in float64 it is the reference",
        load=lazy("lstm_bench_numpy._model:NumpyBackend"),
        abilities=("train", "differentiate", "states", "input_gradient", "kernel_path", "product"),
        requires=("numpy",),
        install="pip install lstm-bench",
    )
