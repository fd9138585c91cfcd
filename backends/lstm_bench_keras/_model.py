"""What Keras's three engines share, and what each of them adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Model, Parameters, Precision, State, TrainSpec, Unsupported
from lstm_bench_keras._network import Network

Native = TypeVar("Native")


class Engine(ABC):
    """One of the libraries that Keras computes with.

    Attributes:
        jits: whether a compiler takes the whole step with ``jit=auto``; it does where that is faster.
    """

    jits = True

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that decide its speed."""

    @abstractmethod
    def gpu(self) -> str | None:
        """The name of the first GPU, where the engine then computes; ``None`` if it sees no GPU."""

    def prepare(self, precision: Precision) -> None:
        """Set the switches of the process for this precision, where the engine has no other way to say it."""
        return None

    @abstractmethod
    def program(
        self, network: Network, train: TrainSpec, precision: Precision, jit: bool, *, read_once: bool
    ) -> Program:
        """A program for one model at a time.

        Args:
            network: the model's layers.
            train: loss and optimizer.
            precision: of the matrix products.
            jit: whether a compiler takes the whole step.
            read_once: whether a training step reads the weights before the loop over time. TensorFlow alone has the
                choice.
        """

    @abstractmethod
    def product(self, size: int, precision: Precision, jit: bool) -> Callable[[], None]:
        """A call that multiplies two matrices, as ``Backend.product`` describes it.

        Args:
            size: rows and columns of each matrix.
            precision: what to compute in.
            jit: whether a compiler takes the product, where that makes a difference.

        Raises:
            Unsupported: for a precision that the engine does not have.
        """

    def compile_seconds(self) -> float:
        """Seconds that this process has spent compiling.

        Raises:
            Unsupported: unless the engine tells.
        """
        raise Unsupported(f"Keras does not tell how long {type(self).__name__} compiles")

    @abstractmethod
    def peak_memory(self) -> int:
        """Most bytes that the GPU's allocator has held at once."""


class Program(ABC):
    """A network, its optimizer and all that is compiled of them. It belongs to one model at a time.

    Attributes:
        network: the model's layers. Two models cannot share it, since it holds Keras's variables.
        train_spec: loss and optimizer.
    """

    def __init__(self, network: Network, train: TrainSpec) -> None:
        self.network, self.train_spec = network, train

    @abstractmethod
    def model(self, parameters: Parameters, seed: int) -> KerasModel[Any]:
        """A model with these initial parameters and a fresh optimizer. It ends the model before it."""


class KerasModel(Model[Native], Generic[Native]):
    """A network with its parameters. Each engine has its own way to call and to differentiate it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._dtype = np.dtype(network.variable_dtype)

    @abstractmethod
    def _put(self, array: NDArray[Any]) -> Native:
        """A native copy in the array's own dtype."""

    def put(self, array: NDArray[Any]) -> Native:
        return self._put(np.array(array, self._dtype if np.issubdtype(array.dtype, np.floating) else np.int32))

    def states(self, x: Native, initial: State | None = None) -> tuple[NDArray[Any], State]:
        begin = None
        if initial is not None:  # Keras takes h and c of one direction, then h and c of the other
            kinds = [part for part in (initial.h, initial.c) if part]
            begin = [
                [self.put(kind[n][d]) for d in range(len(kinds[0][n])) for kind in kinds] for n in range(len(kinds[0]))
            ]
        outputs, finals = self._states(x, begin)
        directions = len(self._network.spec.directions)
        h, c = [], []
        for arrays in finals:
            each = len(arrays) // directions
            h.append(np.stack([self.get(array) for array in arrays[::each]]))
            if each == 2:
                c.append(np.stack([self.get(array) for array in arrays[1::each]]))
        return self.get(outputs), State(h=tuple(h), c=tuple(c))

    def _states(self, x: Native, begin: list[list[Native]] | None) -> tuple[Native, list[list[Native]]]:
        result: tuple[Native, list[list[Native]]] = self._network.states(x, begin)
        return result

    def gradients(self, x: Native, y: Native) -> tuple[float, Parameters]:
        value, gradients = self.differentiate(x, y)
        return self.get(value).item(), self._canonical(gradients)

    def parameters(self) -> Parameters:
        return self._network.unpack(lambda variable: self.get(self._value_of(variable)))

    def _value_of(self, variable: Any) -> Native:
        """The value of one of Keras's variables in this model."""
        value: Native = variable.value
        return value

    def native_parameter_count(self) -> int:
        return sum(int(np.prod(variable.shape)) for variable in self._network.trainable_variables)

    def _canonical(self, gradients: list[Any]) -> Parameters:
        """Gradients of the trainable variables by canonical name."""
        by_variable = {
            id(variable): gradient
            for variable, gradient in zip(self._network.trainable_variables, gradients, strict=True)
        }

        def gradient_of(variable: Any) -> NDArray[Any] | None:
            found = by_variable.get(id(variable))
            return None if found is None else self.get(found)

        return self._network.unpack(gradient_of)
