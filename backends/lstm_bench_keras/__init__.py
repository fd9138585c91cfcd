"""The Keras backend, on any of Keras's three engines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstm_bench import BackendInfo, Choice, Flag, Options, hookimpl, jax_environment, lazy
from lstm_bench.version import pip_line


def _environ(options: Options, threads: int, device: str) -> Mapping[str, str]:
    engine, count = options.engine, str(threads)
    # Keras imports parts of TensorFlow on every engine; the level hides all of TensorFlow's messages but errors.
    environ = {"KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if engine == "tensorflow":
        environ |= {
            "TF_NUM_INTRAOP_THREADS": count,
            "TF_NUM_INTEROP_THREADS": count,
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # otherwise all of the GPU's memory counts as used
        }
    elif engine == "jax":
        environ |= jax_environment(threads, device)
    else:
        environ["KERAS_TORCH_DEVICE"] = device
    return environ


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="keras",
        summary="Keras 3's layers on TensorFlow, JAX or PyTorch, many steps in one call",
        load=lazy("lstm_bench_keras._backend:KerasBackend"),
        abilities=(
            "train",
            "differentiate",
            "states",
            "input_gradient",
            "kernel_path",
            "parameter_count",
            "product",
            "compile_seconds",  # on jax alone
            "device_memory",
        ),
        requires=("keras",),
        install=pip_line("keras"),
        options={
            "engine": Choice(
                default="tensorflow",
                meaning="what Keras computes with",
                choices=("tensorflow", "jax", "torch"),
                requires={engine: (engine,) for engine in ("tensorflow", "jax", "torch")},
            ),
            "jit": Choice(
                default="auto",
                meaning="whether a compiler takes the whole step; auto: XLA on tensorflow and jax, none on torch",
                choices=("auto", "on", "off"),
            ),
            "unroll": Flag(default=False, meaning="whether the loop over time is written out"),
            "read": Choice(
                default="once",
                meaning="where a training step on tensorflow reads the weights: once, or in the loop over time, for "
                "each step of which XLA then keeps a copy",
                choices=("once", "loop"),
            ),
        },
        environ=_environ,
    )
