"""The JAX backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstm_bench import BackendInfo, Choice, Options, hookimpl, lazy


def _environ(options: Options, threads: int, device: str) -> Mapping[str, str]:
    return {
        "JAX_PLATFORMS": "cpu" if device == "cpu" else "cuda,cpu",
        "PJRT_NPROC": str(threads),  # the CPU client's pools, which look at no other variable
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # else three quarters of the GPU count as used
    }


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="jax",
        summary="pure JAX and optax; a whole block of training steps is one XLA program",
        load=lazy("lstm_bench_jax._model:JaxBackend"),
        requires=("jax", "optax"),
        install='pip install "lstm-bench[jax]"',
        options={
            "impl": Choice(
                default="scan",
                meaning="a scan over time, the same with its loop unrolled, or cuDNN's LSTM (CUDA only)",
                choices=("scan", "unrolled", "cudnn"),
            )
        },
        environ=_environ,
    )
