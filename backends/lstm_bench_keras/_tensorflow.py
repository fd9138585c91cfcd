"""Keras on TensorFlow: many steps in one ``tf.function``, with or without XLA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from lstm_bench import Parameters, Precision, TrainSpec
from lstm_bench_keras._model import LONGEST_BLOCK, Engine, KerasModel, Program, describe_xla
from lstm_bench_keras._network import Network, loss
from lstm_bench_keras._optimizers import optimizer


class TensorFlow(Engine):
    """TensorFlow on the CPU or CUDA."""

    def versions(self) -> Mapping[str, str]:
        return {"tensorflow": tf.__version__}

    def gpu(self) -> str | None:
        devices = tf.config.list_physical_devices("GPU")
        if not devices:
            return None
        return str(tf.config.experimental.get_device_details(devices[0]).get("device_name", ""))

    def prepare(self, precision: Precision) -> None:
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")

    def program(self, network: Network, train: TrainSpec, jit: bool) -> TensorFlowProgram:
        return TensorFlowProgram(network, train, jit)

    def peak_memory(self) -> int | None:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


class TensorFlowProgram(Program):
    """Its functions change Keras's variables in place.

    Attributes:
        jit: whether XLA compiles the functions.
        infer: logits of ``x``.
        train: steps in a row of ``order``.
        differentiate: the loss of a batch in training mode, and its gradients.
    """

    def __init__(self, network: Network, train: TrainSpec, jit: bool) -> None:
        super().__init__(network, train)
        self.jit, self._optimizer = jit, optimizer(train, network)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self.infer = tf.function(lambda x: network(x, training=False), jit_compile=jit)
        self.train = tf.function(self._steps, jit_compile=jit)
        self.differentiate = tf.function(lambda x, y: self._loss_and_gradients(x, y, remember=False), jit_compile=jit)

    def model(self, parameters: Parameters, seed: int) -> TensorFlowModel:
        self.network.begin(parameters, seed)
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        return TensorFlowModel(self)

    def _steps(self, x: Any, y: Any, order: Any, steps: Any) -> Any:
        """Train on the first ``steps`` rows of ``order``; the losses of the others are 0."""
        losses = tf.TensorArray(self.network.variable_dtype, size=LONGEST_BLOCK)
        step = tf.constant(0)
        while step < steps:  # not tf.range, for whose limit XLA wants a constant, and so a program for each number
            x_batch, y_batch = tf.gather(x, order[step]), tf.gather(y, order[step])
            value, gradients = self._loss_and_gradients(x_batch, y_batch, remember=True)
            self._optimizer.apply(gradients, self.network.trainable_variables)
            losses = losses.write(step, value)
            step += 1
        return losses.stack()

    def _loss_and_gradients(self, x: Any, y: Any, *, remember: bool) -> tuple[Any, list[Any]]:
        """The loss of a batch in training mode, and its gradients by the trainable variables."""
        with tf.GradientTape() as tape:
            value = loss(self.train_spec, self.network(x, training=True, remember=remember), y)
        return value, self.network.restrain(tape.gradient(value, self.network.trainable_variables))


class TensorFlowModel(KerasModel[Any]):
    """A program whose variables hold the parameters."""

    def __init__(self, program: TensorFlowProgram) -> None:
        super().__init__(program.network)
        self._program = program

    def _put(self, array: NDArray[Any]) -> Any:
        return tf.constant(array)

    def get(self, native: Any) -> NDArray[Any]:
        native = tf.convert_to_tensor(native)
        found: NDArray[Any] = (tf.cast(native, tf.float32) if native.dtype == tf.bfloat16 else native).numpy().copy()
        return found

    def infer(self, x: Any) -> Any:
        return self._program.infer(x)

    def train(self, x: Any, y: Any, order: Any) -> Any:
        found = []
        for begin in range(0, len(order), LONGEST_BLOCK):
            block = order[begin : begin + LONGEST_BLOCK]
            steps = len(block)
            padded = tf.pad(block, ((0, LONGEST_BLOCK - steps), (0, 0)))
            found.append(self._program.train(x, y, padded, tf.constant(steps))[:steps])
        return found[0] if len(found) == 1 else tf.concat(found, axis=0)

    def differentiate(self, x: Any, y: Any) -> tuple[Any, list[Any]]:
        result: tuple[Any, list[Any]] = self._program.differentiate(x, y)
        return result

    def input_gradient(self, x: Any, y: Any) -> NDArray[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(self._program.train_spec, self._network(x, training=True, remember=False), y)
        return self.get(tape.gradient(value, x))

    def synchronize(self) -> None:
        tf.test.experimental.sync_devices()

    def kernel_path(self, x: Any) -> str:
        operations = {node.type for node in _operations(self._program.infer.get_concrete_function(x).graph)}
        if any(name.startswith("CudnnRNN") for name in operations):
            return "cuDNN RNN"
        if self._program.jit:
            return describe_xla(self._program.infer.experimental_get_compiler_ir(x)(stage="optimized_hlo"))
        loops = operations & {"While", "StatelessWhile"}
        return f"TensorFlow graph, {'a loop over time' if loops else 'no loop'}"


def _operations(graph: Any) -> list[Any]:
    """A graph's operations with those of the functions that it calls."""
    return list(graph.get_operations()) + [
        operation for name in graph._functions for operation in _operations(graph._get_function(name).graph)
    ]


ENGINE = TensorFlow
