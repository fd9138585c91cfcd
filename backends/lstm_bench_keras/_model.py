"""What Keras's three engines have in common, and what each must bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Model, Parameters, Precision, State, TrainSpec
from lstm_bench_keras._network import Network

Native = TypeVar("Native")

LONGEST_BLOCK = 1024
"""Steps of one compiled training function. It takes any smaller number, too, so that one compilation serves all."""


class Engine(ABC):
    """One of the libraries that Keras computes with.

    Attributes:
        jits: whether ``jit=auto`` lets a compiler take the whole step, which is where that is faster.
    """

    jits = True

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Of the libraries that decide its speed."""

    @abstractmethod
    def gpu(self) -> str | None:
        """The first GPU's own name, which is where it computes if there is one."""

    @abstractmethod
    def prepare(self, precision: Precision) -> None:
        """Set what is global to the process: which precision matrix products have."""

    @abstractmethod
    def program(self, network: Network, train: TrainSpec, jit: bool, *, read_once: bool) -> Program:
        """What is computed.

        Args:
            network: the model.
            train: loss and optimizer.
            jit: whether a compiler is to take the whole step.
            read_once: whether a training step reads the weights before the loop over time, where that is to choose.
        """

    @abstractmethod
    def product(self, size: int, dtype: str, jit: bool) -> Callable[[], None]:
        """As ``Backend.product``.

        Args:
            size: rows and columns of each matrix.
            dtype: what to compute in, by its name.
            jit: whether a compiler is to take it, where that is another product.
        """

    def compile_seconds(self) -> float | None:
        """As ``Backend.compile_seconds``."""
        return None

    def peak_memory(self) -> int | None:
        """Most bytes that the GPU's allocator has held."""
        return None


class Program(ABC):
    """A network and its optimizer, and what is compiled of them. It belongs to one model at a time.

    Attributes:
        network: the model's layers. Keras's variables lie in them, so that two models cannot share one.
        train_spec: loss and optimizer.
    """

    def __init__(self, network: Network, train: TrainSpec) -> None:
        self.network, self.train_spec = network, train

    @abstractmethod
    def model(self, parameters: Parameters, seed: int) -> KerasModel[Any]:
        """A model with these initial parameters and a fresh optimizer. The last one that this gave is then none."""


class KerasModel(Model[Native], Generic[Native]):
    """A network that is trained. How it is called and differentiated is each engine's own."""

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
        if initial is not None:  # Keras wants each direction's arrays side by side
            kinds = [part for part in (initial.h, initial.c) if part]
            begin = [
                [self.put(kind[n][d]) for d in range(len(kinds[0][n])) for kind in kinds] for n in range(len(kinds[0]))
            ]
        outputs, finals = self._states(x, begin)
        directions = len(self._network.spec.directions)
        hidden, cell = [], []
        for arrays in finals:
            each = len(arrays) // directions
            hidden.append(np.stack([self.get(array) for array in arrays[::each]]))
            if each == 2:
                cell.append(np.stack([self.get(array) for array in arrays[1::each]]))
        return self.get(outputs), State(tuple(hidden), tuple(cell))

    def _states(self, x: Native, begin: list[list[Native]] | None) -> tuple[Native, list[list[Native]]]:
        result: tuple[Native, list[list[Native]]] = self._network.states(x, begin)
        return result

    def gradients(self, x: Native, y: Native) -> tuple[float, Parameters]:
        value, gradients = self.differentiate(x, y)
        return self.get(value).item(), self._canonical(gradients)

    def parameters(self) -> Parameters:
        return self._network.unpack(lambda variable: self.get(self._value_of(variable)))

    def _value_of(self, variable: Any) -> Native:
        """What a variable of Keras's holds in this model."""
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
