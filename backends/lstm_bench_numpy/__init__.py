"""The NumPy backend: the reference that the others are held against, and a fast one in its own right."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Backend, BackendInfo, hookimpl


def _load() -> Backend:
    from lstm_bench_numpy._model import NumpyBackend

    return NumpyBackend()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="numpy",
        summary="the equations in NumPy; in float64 it is the reference",
        load=_load,
        requires=("numpy",),
        install="pip install lstm-bench",
    )
