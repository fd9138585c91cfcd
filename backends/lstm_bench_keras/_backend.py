"""Keras in a worker process, on the engine that Keras was imported with."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from lstm_bench import (
    Backend,
    LSTMBenchError,
    Model,
    ModelSpec,
    Options,
    Parameters,
    Precision,
    Setting,
    TrainSpec,
    Unsupported,
)
from lstm_bench_keras._model import Engine, Program
from lstm_bench_keras._network import Network

_POLICIES = {"float64": "float64", "float32": "float32", "tf32": "float32", "bfloat16": "mixed_bfloat16"}
"""Keras's names. Its mixed policy keeps parameters in float32, as the precision ``bfloat16`` does."""

MOST_IDLE = 64
"""Most programs that are kept for models to come."""


class KerasBackend(Backend):
    """Keras on TensorFlow, JAX or PyTorch."""

    def __init__(self) -> None:
        self._idle: list[tuple[Hashable, Program]] = []
        self._engine_name = keras.backend.backend()
        module = importlib.import_module(f"lstm_bench_keras._{self._engine_name}")
        self._engine: Engine = module.ENGINE()

    def versions(self) -> Mapping[str, str]:
        return {"keras": str(keras.__version__), **self._engine.versions()}

    def devices(self) -> Mapping[str, str]:
        gpu = self._engine.gpu()
        return {"cpu": ""} | ({} if gpu is None else {"cuda:0": gpu})

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        if setting.precision == "tf32" and not setting.device.startswith("cuda"):
            return "tf32 needs an NVIDIA GPU of the Ampere generation or later"
        if setting.precision == "float64" and self._engine_name != "tensorflow":
            return f"Keras rounds float64 to float32 between its operations on {self._engine_name}; tensorflow has it"
        if (
            self._engine_name == "jax"
            and setting.precision == "bfloat16"
            and (spec.cell, spec.bias, setting.options.unroll) == ("gru", False, False)
        ):
            # keras.src.backend.jax.rnn.gru makes them with jnp.zeros, so that its scan gives float32 for bfloat16.
            return "on jax, Keras's GRU without biases adds float32 zeros, which fails in bfloat16; unroll=true works"
        if setting.options.read == "loop" and self._engine_name != "tensorflow":
            return (
                f"read=loop is for engine=tensorflow alone: on {self._engine_name}, Keras reads the weights its own way"
            )
        return None

    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[Any]:
        if setting.options.engine != self._engine_name:
            raise LSTMBenchError(
                f"Keras computes with {self._engine_name} in this process, not with {setting.options.engine}; "
                f"set KERAS_BACKEND before it is imported"
            )
        if (setting.device == "cpu") != (self._engine.gpu() is None):
            raise LSTMBenchError("Keras computes on the GPU where it sees one: hide it with CUDA_VISIBLE_DEVICES=-1")
        self._engine.prepare(setting.precision)
        kind = spec, train, setting
        program = self._take(kind) or self._program(spec, train, setting.precision, setting.options)
        model = program.model(parameters, seed)
        weakref.finalize(model, self._give_back, kind, program).atexit = False
        return model

    def _program(self, spec: ModelSpec, train: TrainSpec, precision: Precision, options: Options) -> Program:
        with _floatx("float64" if precision == "float64" else "float32"):
            network = Network(spec, _POLICIES[precision], unroll=options.unroll)
            if options.jit == "on" and not network.compiles:
                raise Unsupported("cuDNN's kernels do not go into an XLA program; jit=auto and jit=off use them")
            jit = network.compiles and self._jits(options)
            return self._engine.program(network, train, precision, jit, read_once=options.read == "once")

    def _jits(self, options: Options) -> bool:
        """Whether a compiler takes the whole step, if it can."""
        return self._engine.jits if options.jit == "auto" else options.jit == "on"

    def _take(self, kind: Hashable) -> Program | None:
        """A program of this kind whose model is gone, if there is one; what was compiled for it is compiled already."""
        for n, (other, program) in enumerate(self._idle):
            if other == kind:
                del self._idle[n]
                return program
        return None

    def _give_back(self, kind: Hashable, program: Program) -> None:
        self._idle.append((kind, program))
        del self._idle[:-MOST_IDLE]

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        self._engine.prepare(setting.precision)
        return self._engine.product(size, setting.precision, self._jits(setting.options))

    def compile_seconds(self) -> float:
        return self._engine.compile_seconds()

    def peak_device_memory(self, device: str) -> int:
        if device == "cpu":
            raise Unsupported("Keras counts the memory of GPUs alone, not that of cpu")
        return self._engine.peak_memory()


@contextmanager
def _floatx(dtype: str) -> Iterator[None]:
    """Change Keras's default dtype for a while.

    It is a switch of the whole process. An optimizer makes its own numbers in it, such as the learning rate, whatever
    the policy of the layers.
    """
    usual = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(usual)
