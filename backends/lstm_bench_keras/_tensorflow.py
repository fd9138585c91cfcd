"""Keras on TensorFlow: many steps in one ``tf.function``, with or without XLA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.eager import context
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from lstm_bench import Parameters, Precision, TrainSpec, Unsupported, padded_blocks
from lstm_bench_keras._model import Engine, KerasModel, Program
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
        # TensorFlow has TF32 as one switch for the whole process. It matters on a GPU alone.
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")

    def program(
        self, network: Network, train: TrainSpec, precision: Precision, jit: bool, *, read_once: bool
    ) -> TensorFlowProgram:
        return TensorFlowProgram(network, train, jit, read_once=read_once)

    def product(self, size: int, precision: Precision, jit: bool) -> Callable[[], None]:
        random, dtype = np.random.default_rng(0), "float32" if precision == "tf32" else precision
        a, b = (tf.cast(tf.constant(random.random((size, size))), dtype) for _ in range(2))
        multiplied = tf.function(lambda a, b: tf.matmul(a, b), jit_compile=jit)

        def multiply() -> None:
            multiplied(a, b)
            tf.test.experimental.sync_devices()

        return multiply

    def peak_memory(self) -> int:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


class TensorFlowProgram(Program):
    """Functions that change Keras's variables in place.

    Args:
        network: the model's layers.
        train: loss and optimizer.
        jit: whether XLA compiles the functions.
        read_once: whether a training step reads the weights before the loop over time.

    Attributes:
        infer: logits in evaluation mode.
        train: one step for each of the first rows of ``order``.
        differentiate: the loss of a batch in training mode, and its gradients.
    """

    def __init__(self, network: Network, train: TrainSpec, jit: bool, *, read_once: bool) -> None:
        super().__init__(network, train)
        self._read_once = read_once
        self._optimizer = optimizer(train, network)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self.infer = tf.function(lambda x: network(x, training=False), jit_compile=jit)
        self.train = tf.function(self._steps, jit_compile=jit)
        self.differentiate = tf.function(lambda x, y: self._loss_and_gradients(x, y, remember=False), jit_compile=jit)

    @property
    def variables(self) -> list[Any]:
        """All variables that training changes."""
        return [*self.network.variables, *self._optimizer.variables]

    def model(self, parameters: Parameters, seed: int) -> TensorFlowModel:
        self.network.begin(parameters, seed)
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        return TensorFlowModel(self)

    def _steps(self, x: Any, y: Any, order: Any, steps: Any) -> Any:
        """Train on the first ``steps`` rows of ``order``; the losses of the other rows are 0."""
        losses = tf.TensorArray(self.network.variable_dtype, size=order.shape[0])
        step = tf.constant(0)
        while step < steps:  # not tf.range: XLA wants its limit constant, and would compile a program for each limit
            x_batch, y_batch = tf.gather(x, order[step]), tf.gather(y, order[step])
            value, gradients = self._loss_and_gradients(x_batch, y_batch, remember=True)
            self._optimizer.apply(gradients, self.network.trainable_variables)
            losses = losses.write(step, value)
            step += 1
        return losses.stack()

    def _loss_and_gradients(self, x: Any, y: Any, *, remember: bool) -> tuple[Any, list[Any]]:
        """The loss of a batch in training mode, and its gradients by the trainable variables."""
        weights = self.network.trainable_variables
        with tf.GradientTape() as tape:
            # Arrays that are read in the loop over time are kept for each time step until the gradient has used them. A
            # graph keeps references to one array, but an XLA program keeps a copy of all weights for each time step.
            read = [tf.convert_to_tensor(weight.value) for weight in weights] if self._read_once else []
            with keras.StatelessScope(list(zip(weights, read, strict=True))) if read else nullcontext() as scope:
                value = loss(self.train_spec, self.network(x, training=True, remember=remember), y)
        if scope is not None:  # it held back the running statistics and the seeds of dropout
            for variable in self.network.non_trainable_variables:
                changed = scope.get_current_value(variable)
                if changed is not None:
                    variable.assign(changed)
        return value, self.network.restrain(tape.gradient(value, read or weights))


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
        for block, steps in padded_blocks(order, tf.pad):
            found.append(self._program.train(x, y, block, tf.constant(steps))[:steps])
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
        return _kernels(_profiled(lambda: self._program.infer(x)), steps=x.shape[1])

    def training_kernel_path(self, x: Any, y: Any, order: Any) -> str:
        (block, _), one = next(padded_blocks(order[:1], tf.pad)), tf.constant(1)
        before = [variable.numpy() for variable in self._program.variables]
        calls = _profiled(lambda: self._program.train(x, y, block, one))
        for variable, value in zip(self._program.variables, before, strict=True):
            variable.assign(value)
        return _kernels(calls, steps=x.shape[1])


def _profiled(call: Callable[[], Any]) -> Counter[str]:
    """How often TensorFlow's profiler saw each event, by its name, during a call that returns a tensor."""
    call()  # traces and compiles
    # After some calls, a graph no longer reports the operations that took little time.
    context.context().clear_kernel_cache()
    with TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            call().numpy()  # waits for the result; sync_devices would run operations of its own
        finally:
            tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    return Counter(
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    )


def _kernels(calls: Mapping[str, int], *, steps: int) -> str:
    """Say what computed a model: XLA programs, TensorFlow graphs or single operations.

    Args:
        calls: events of the profiler, counted by name: ``name:Type`` for an operation of a graph, the bare name for an
            operation of an XLA program, ``Class::Function`` for the functions that run them.
        steps: of time. An operation that runs at least so often, and at least three times, is in a loop over time.

    Raises:
        Unsupported: if the profiler saw none of them.
    """
    if any(name.startswith("EagerLocalExecute: ") and ": __" not in name for name in calls):  # outside our functions
        return "TensorFlow operations one by one"
    compiled = any("Executable::Execute" in name for name in calls)
    graph = "KernelAndDeviceFunc::Run" in calls  # runs graphs, but not XLA programs that stand alone
    if not (compiled or graph):
        raise Unsupported("TensorFlow's profiler has seen neither a graph nor an XLA program")
    operations = {name: count for name, count in calls.items() if "::" not in name and (":" in name) == graph}
    types = {name.rpartition(":")[2] for name in operations}
    if any(name.startswith("CudnnRNN") for name in types):
        return "cuDNN RNN"
    loop = "a loop over time" if any(count >= max(steps, 3) for count in operations.values()) else "no loop"
    if not graph:
        return f"XLA program, {loop}"
    products = {"oneDNN" if name.startswith("_Mkl") else "TensorFlow itself" for name in types if "MatMul" in name}
    by = f", products by {' and '.join(sorted(products))}" if products else ""
    return f"TensorFlow graph{' with XLA programs in it' if compiled else ''}, {loop}{by}"


ENGINE = TensorFlow
