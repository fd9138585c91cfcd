"""The JAX backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstm_bench import BackendInfo, Choice, Options, hookimpl, jax_environment, lazy
from lstm_bench.version import pip_line


def _environ(options: Options, threads: int, device: str) -> Mapping[str, str]:
    return jax_environment(threads, device)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="jax",
        summary="pure JAX and optax; a whole block of training steps is one XLA program",
        load=lazy("lstm_bench_jax._backend:JaxBackend"),
        abilities=(
            "train",
            "differentiate",
            "states",
            "input_gradient",
            "kernel_path",
            "product",
            "compile_seconds",
            "device_memory",
        ),
        requires=("jax", "optax"),
        install=pip_line("jax"),
        options={
            "impl": Choice(
                default="scan",
                meaning="a scan over time, the same with its loop unrolled, or cuDNN's LSTM (CUDA only)",
                choices=("scan", "unrolled", "cudnn"),
            )
        },
        environ=_environ,
    )
