"""The whole model in JAX: a block of training steps is one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from numpy.typing import NDArray

from lstm_bench import Backend, Model, ModelSpec, Parameters, Precision, State, TrainSpec
from lstm_bench.plugin.xla import describe
from lstm_bench_jax import _layers
from lstm_bench_jax._cells import Tensors
from lstm_bench_jax._network import Network, Statistics, Trained, loss

LONGEST_BLOCK = 1024
"""Steps of one compiled training program. It takes any smaller number, too, so that one compilation serves all."""

_PRODUCTS = {"float64": "highest", "float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""What XLA is told about matrix products by the precision asked for."""


class JaxBackend(Backend):
    """JAX on the CPU or CUDA."""

    def __init__(self) -> None:
        self._compile_seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._note_duration)

    def _note_duration(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):  # tracing, lowering and XLA's own part, each for itself
            self._compile_seconds += duration_secs

    def compile_seconds(self) -> float:
        return self._compile_seconds

    def versions(self) -> Mapping[str, str]:
        return {"jax": jax.__version__, "jaxlib": version("jaxlib"), "optax": optax.__version__}

    def devices(self) -> Mapping[str, str]:
        found = {"cpu": ""}
        if jax.default_backend() == "gpu":
            found |= {f"cuda:{n}": device.device_kind for n, device in enumerate(jax.devices("gpu"))}
        return found

    def refuses(
        self, spec: ModelSpec, train: TrainSpec, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> str | None:
        if precision == "tf32" and not device.startswith("cuda"):
            return "tf32 needs an NVIDIA GPU of the Ampere generation or later"
        if options["impl"] == "cudnn":
            if not device.startswith("cuda"):
                return "cuDNN needs an NVIDIA GPU; impl=scan and impl=unrolled run anywhere"
            if spec.cell != "lstm" or precision not in ("float32", "tf32"):
                return f"JAX reaches cuDNN for the LSTM in float32 and tf32 only, not for {spec.cell} in {precision}"
        return None

    def build(
        self,
        spec: ModelSpec,
        train: TrainSpec,
        parameters: Parameters,
        *,
        precision: Precision,
        device: str,
        seed: int,
        options: Mapping[str, str],
    ) -> Model[Array]:
        if precision == "float64":
            jax.config.update("jax_enable_x64", True)
        return JaxModel(_program(spec, train, precision, options["impl"]), parameters, _place(device), seed)

    def product(
        self, size: int, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> Callable[[], None]:
        if precision == "float64":
            jax.config.update("jax_enable_x64", True)
        dtype = {"float64": np.float64, "bfloat16": jnp.bfloat16}.get(precision, np.float32)
        random = np.random.default_rng(0)
        a, b = (jax.device_put(jnp.asarray(random.random((size, size)), dtype), _place(device)) for _ in range(2))
        product = jax.jit(partial(jnp.matmul, precision=_PRODUCTS[precision]))

        def multiply() -> None:
            jax.block_until_ready(product(a, b))

        return multiply

    def peak_device_memory(self, device: str) -> int | None:
        if device == "cpu":
            return None
        statistics = jax.devices("gpu")[int(device.partition(":")[2] or 0)].memory_stats()
        return statistics["peak_bytes_in_use"] if statistics else None


def _place(device: str) -> jax.Device:
    """JAX's device of our name."""
    kind, _, number = device.partition(":")
    return jax.devices("gpu" if kind == "cuda" else "cpu")[int(number or 0)]


class TrainState(NamedTuple):
    """All that training changes."""

    trained: Trained
    statistics: Statistics
    optimizer: Any
    key: Array


class Program:
    """What is computed, apart from parameters and data. Its methods are compiled for each shape they meet."""

    def __init__(self, spec: ModelSpec, train: TrainSpec, precision: Precision, impl: str) -> None:
        recur = _layers.cudnn if impl == "cudnn" else _layers.scan(spec.cell, unroll=impl == "unrolled")
        self.dtype = np.dtype("float64" if precision == "float64" else "float32")
        self.network = Network(spec, recur, jnp.bfloat16 if precision == "bfloat16" else self.dtype)
        self.optimizer = _optimizer(train)
        self._train_spec, self._products = train, _PRODUCTS[precision]
        self.infer = jax.jit(self._infer)
        self.train = jax.jit(self._train, donate_argnums=0)
        self.differentiate = jax.jit(self._differentiate)
        self.input_gradient = jax.jit(self._input_gradient)
        self.states = jax.jit(self._states)

    def _infer(self, trained: Trained, statistics: Statistics, x: Array) -> Array:
        with jax.default_matmul_precision(self._products):
            return self.network.infer(trained, statistics, x)

    def _states(self, trained: Trained, x: Array, initial: Any) -> Any:
        with jax.default_matmul_precision(self._products):
            return self.network.states(trained, x, initial)

    def _differentiate(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Trained, Array]:
        """The loss, its gradients, and the key for the next masks."""
        key, used = self._draw(key)
        (value, _), gradients = self._gradients(trained, statistics, x, y, used)
        return value, gradients, key

    def _input_gradient(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Array]:
        """The gradient of the loss by ``x``, and the key for the next masks."""
        key, used = self._draw(key)
        with jax.default_matmul_precision(self._products):
            d_x, _ = jax.grad(self._loss, argnums=2, has_aux=True)(trained, statistics, x, y, used)
        return d_x, key

    def _draw(self, key: Array) -> tuple[Array, Array]:
        """The key for the next masks, and that for these; without dropout there are none, so that nothing is drawn."""
        if not self.network.spec.dropout:
            return key, key
        after, used = jax.random.split(key)
        return after, used

    def _gradients(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[tuple[Array, Statistics], Trained]:
        """The loss and the statistics afterwards, and the loss's gradients."""
        with jax.default_matmul_precision(self._products):
            return jax.value_and_grad(self._loss, has_aux=True)(trained, statistics, x, y, key)

    def _loss(
        self, trained: Trained, statistics: Statistics, x: Array, y: Array, key: Array
    ) -> tuple[Array, Statistics]:
        logits, after = self.network.train(trained, statistics, x, key)
        return loss(self._train_spec, logits, y), after

    def _train(self, state: TrainState, x: Array, y: Array, order: Array, steps: Array) -> tuple[TrainState, Array]:
        """Train on the first ``steps`` rows of ``order``; the losses of the others are 0."""

        def step(n: Array, carry: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
            state, losses = carry
            rows = order[n]
            key, used = self._draw(state.key)
            x_batch, y_batch = (data.at[rows].get(mode="promise_in_bounds") for data in (x, y))
            (value, statistics), gradients = self._gradients(state.trained, state.statistics, x_batch, y_batch, used)
            updates, optimizer = self.optimizer.update(gradients, state.optimizer)
            trained = optax.apply_updates(state.trained, updates)
            return TrainState(trained, statistics, optimizer, key), losses.at[n].set(value)

        losses = jnp.zeros(len(order), self.dtype)
        result: tuple[TrainState, Array] = lax.fori_loop(0, steps, step, (state, losses))
        return result


@lru_cache
def _program(spec: ModelSpec, train: TrainSpec, precision: Precision, impl: str) -> Program:
    """Programs are kept: models that compute the same share what was compiled."""
    return Program(spec, train, precision, impl)


def _optimizer(train: TrainSpec) -> optax.GradientTransformation:
    steps: list[optax.GradientTransformation] = []
    if train.clip_norm is not None:
        steps.append(optax.clip_by_global_norm(train.clip_norm))
    if train.optimizer == "adam":
        steps.append(optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8))
    elif train.optimizer == "rmsprop":
        steps.append(optax.scale_by_rms(decay=0.9, eps=1e-8, eps_in_sqrt=False))
    elif train.momentum:
        steps.append(optax.trace(decay=train.momentum))
    return optax.chain(*steps, optax.scale(-train.learning_rate))


class JaxModel(Model[Array]):
    """A program with its parameters and optimizer on one device."""

    def __init__(self, program: Program, parameters: Parameters, device: jax.Device, seed: int) -> None:
        self._program, self._device = program, device
        canonical = {name: self.put(array) for name, array in parameters.items()}
        trained = program.network.pack(canonical)
        self._state = jax.device_put(
            TrainState(
                trained,
                program.network.pack_statistics(canonical),
                program.optimizer.init(trained),
                jax.random.key(seed % 2**32),
            ),
            device,
        )
        self._pending: list[Array] = []

    def put(self, array: NDArray[Any]) -> Array:
        dtype = self._program.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.int32)
        # A copy first: on the CPU, JAX may go on using the memory that it is given.
        return jax.device_put(np.array(array, dtype), self._device)

    def get(self, native: Array) -> NDArray[Any]:
        return np.array(native, np.float32 if native.dtype == jnp.bfloat16 else None)

    def infer(self, x: Array) -> Array:
        logits = self._program.infer(self._state.trained, self._state.statistics, x)
        self._pending.append(logits)
        return logits

    def train(self, x: Array, y: Array, order: Array) -> Array:
        found = []
        for begin in range(0, len(order), LONGEST_BLOCK):
            block = order[begin : begin + LONGEST_BLOCK]
            self._state, losses = self._program.train(self._state, x, y, _padded(block), len(block))
            found.append(losses[: len(block)])
        losses = found[0] if len(found) == 1 else jnp.concatenate(found)
        self._pending.append(losses)
        return losses

    def differentiate(self, x: Array, y: Array) -> tuple[Array, Trained]:
        state = self._state
        value, gradients, key = self._program.differentiate(state.trained, state.statistics, x, y, state.key)
        self._state = state._replace(key=key)
        # What one program computes is ready at once, so that the loss stands for it: the gradients of a whole block
        # would fill the memory.
        self._pending.append(value)
        return value, gradients

    def gradients(self, x: Array, y: Array) -> tuple[float, Parameters]:
        value, gradients = self.differentiate(x, y)
        return float(value), {name: self.get(array) for name, array in self._program.network.unpack(gradients).items()}

    def input_gradient(self, x: Array, y: Array) -> NDArray[Any]:
        state = self._state
        d_x, key = self._program.input_gradient(state.trained, state.statistics, x, y, state.key)
        self._state = state._replace(key=key)
        return self.get(d_x)

    def states(self, x: Array, initial: State | None = None) -> tuple[NDArray[Any], State]:
        begin: list[list[Tensors]] | None = None
        if initial is not None:
            parts = [[self.put(layer) for layer in part] for part in (initial.h, initial.c) if part]
            begin = [list(zip(*layer, strict=True)) for layer in zip(*parts, strict=True)]
        outputs, finals = self._program.states(self._state.trained, x, begin)
        stacked = [tuple(np.stack([self.get(a) for a in part]) for part in zip(*ends, strict=True)) for ends in finals]
        return self.get(outputs), State(*zip(*stacked, strict=True))

    def parameters(self) -> Parameters:
        network = self._program.network
        canonical = network.unpack(self._state.trained) | network.unpack_statistics(self._state.statistics)
        return {name: self.get(array) for name, array in canonical.items()}

    def synchronize(self) -> None:
        # Every result, not the last alone: XLA's CPU client runs independent programs side by side.
        jax.block_until_ready((self._state, self._pending))
        self._pending.clear()

    def kernel_path(self, x: Array) -> str:
        return _kernels(self._program.infer, self._state.trained, self._state.statistics, x)

    def training_kernel_path(self, x: Array, y: Array, order: Array) -> str:
        steps = min(len(order), LONGEST_BLOCK)
        return _kernels(self._program.train, self._state, x, y, _padded(order[:steps]), steps, around=1)


def _padded(block: Array) -> Array:
    """Rows up to ``LONGEST_BLOCK``, which is what the program of training takes."""
    return jnp.pad(block, ((0, LONGEST_BLOCK - len(block)), (0, 0)))


def _kernels(function: jax.stages.Wrapped, *given: Any, around: int = 0) -> str:
    """What computes a call of a jitted function in which there are so many loops around the model."""
    called = jax.make_jaxpr(lambda: function(*given))().eqns
    if len(called) > 1:  # somebody has switched jit off, for the whole process
        return "JAX operations one by one"
    return describe(function.lower(*given).compile().as_text() or "", around=around)
