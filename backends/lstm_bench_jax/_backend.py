"""JAX in a worker process: its devices, its models, and the clock of its compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from lstm_bench import (
    Backend,
    JaxCompileSeconds,
    Model,
    ModelSpec,
    Parameters,
    Setting,
    TrainSpec,
    Unsupported,
    jax_peak_memory,
)
from lstm_bench_jax._float64 import Float64Model, in_64_bits
from lstm_bench_jax._model import JaxModel
from lstm_bench_jax._program import PRODUCTS, program_of


class JaxBackend(Backend):
    """JAX on the CPU or CUDA."""

    def __init__(self) -> None:
        self._compiling = JaxCompileSeconds(jax.monitoring.register_event_duration_secs_listener)

    def compile_seconds(self) -> float:
        return self._compiling.total

    def versions(self) -> Mapping[str, str]:
        return {"jax": jax.__version__, "jaxlib": version("jaxlib"), "optax": optax.__version__}

    def devices(self) -> Mapping[str, str]:
        found = {"cpu": ""}
        if jax.default_backend() == "gpu":
            found |= {f"cuda:{n}": device.device_kind for n, device in enumerate(jax.devices("gpu"))}
        return found

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        precision, on_gpu = setting.precision, setting.device.startswith("cuda")
        if precision == "tf32" and not on_gpu:
            return "tf32 needs an NVIDIA GPU of the Ampere generation or later"
        if setting.options.impl == "cudnn":
            if not on_gpu:
                return "cuDNN needs an NVIDIA GPU; impl=scan and impl=unrolled run anywhere"
            if spec.cell != "lstm" or precision not in ("float32", "tf32"):
                return f"JAX reaches cuDNN for the LSTM in float32 and tf32 only, not for {spec.cell} in {precision}"
        return None

    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[Array]:
        program = program_of(spec, train, setting.precision, setting.options.impl)
        given = program, parameters, _place(setting.device), seed
        return Float64Model(in_64_bits(JaxModel)(*given)) if setting.precision == "float64" else JaxModel(*given)

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        if setting.precision != "float64":
            return _product(size, setting)
        multiply = in_64_bits(_product)(size, setting)
        return in_64_bits(multiply)

    def peak_device_memory(self, device: str) -> int:
        if device == "cpu":
            raise Unsupported("JAX counts the memory of GPUs alone, not that of cpu")
        return jax_peak_memory(_place(device))


def _place(device: str) -> jax.Device:
    """JAX's device of a name such as ``cuda:0``."""
    kind, _, number = device.partition(":")
    return jax.devices("gpu" if kind == "cuda" else "cpu")[int(number or 0)]


def _product(size: int, setting: Setting) -> Callable[[], None]:
    """The call that ``JaxBackend.product`` returns."""
    precision = setting.precision
    dtype = {"float64": np.float64, "bfloat16": jnp.bfloat16}.get(precision, np.float32)
    random, device = np.random.default_rng(0), _place(setting.device)
    a, b = (jax.device_put(jnp.asarray(random.random((size, size)), dtype), device) for _ in range(2))
    product = jax.jit(partial(jnp.matmul, precision=PRODUCTS[precision]))

    def multiply() -> None:
        jax.block_until_ready(product(a, b))

    return multiply
