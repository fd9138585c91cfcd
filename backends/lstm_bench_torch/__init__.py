"""The PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Backend, BackendInfo, hookimpl


def _load() -> Backend:
    from lstm_bench_torch._model import TorchBackend

    return TorchBackend()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="torch",
        summary="PyTorch's nn.LSTM: oneDNN on the CPU, cuDNN on CUDA",
        load=_load,
        requires=("torch",),
        install='pip install "lstm-bench[torch]"',
    )
