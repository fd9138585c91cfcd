"""The whole model in NumPy: layers, readout, head, loss, gradients and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import (
    Backend,
    Model,
    ModelSpec,
    Parameters,
    Setting,
    State,
    TrainSpec,
    parameter_shapes,
    statistics_shapes,
)
from lstm_bench_numpy._batch_norm import BatchNorm
from lstm_bench_numpy._gru import GRU
from lstm_bench_numpy._lstm import LSTM
from lstm_bench_numpy._recurrent import Array, Recurrent
from lstm_bench_numpy._rnn import RNN
from lstm_bench_numpy._training import LOSSES, Optimizer

_CELLS: dict[str, type[Recurrent[Any]]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}

_DTYPES: dict[str, np.dtype[Any]] = {"float64": np.dtype(np.float64), "float32": np.dtype(np.float32)}


class NumpyBackend(Backend):
    """NumPy on the CPU; matrix products by the BLAS that NumPy was built with."""

    def versions(self) -> Mapping[str, str]:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, str(blas["name"]): str(blas["version"])}

    def devices(self) -> Mapping[str, str]:
        return {"cpu": ""}

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        if setting.precision not in _DTYPES:
            return f"NumPy has no {setting.precision}"
        return None

    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[NDArray[Any]]:
        return NumpyModel(spec, train, parameters, _DTYPES[setting.precision], seed)

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        random = np.random.default_rng(0)
        a, b = (random.random((size, size)).astype(_DTYPES[setting.precision]) for _ in range(2))
        out = np.empty_like(a)

        def multiply() -> None:
            np.matmul(a, b, out=out)

        return multiply


class NumpyModel(Model[NDArray[Any]]):
    """The canonical model. All parameters are views of one flat vector, and all gradients of a second one.

    Args:
        spec: the model.
        train: loss and optimizer.
        parameters: initial values by canonical name.
        dtype: what to compute in.
        seed: for the dropout masks.
    """

    def __init__(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, dtype: np.dtype[Any], seed: int
    ) -> None:
        self._spec, self._dtype, self._generator = spec, dtype, np.random.default_rng(seed)
        self._masks: list[Array] = []
        self._d_x: Array | None = None
        shapes = parameter_shapes(spec)
        size = sum(prod(shape) for shape in shapes.values())
        self._flat, self._flat_gradient = np.empty(size, dtype), np.zeros(size, dtype)
        self._named, self._gradient = _views(self._flat, shapes), _views(self._flat_gradient, shapes)
        for name, view in self._named.items():
            view[...] = parameters[name]
        self._statistics: dict[str, Array] = {
            name: np.array(parameters[name], dtype) for name in statistics_shapes(spec)
        }
        self._batch_norm = BatchNorm(self._below("batch_norm"), *self._statistics.values()) if spec.batch_norm else None
        self._layers = [
            [self._direction(f"layers.{layer}.{name}", reverse=name == "backward") for name in spec.directions]
            for layer in range(len(spec.hidden_sizes))
        ]
        self._loss = LOSSES[train.loss]
        self._optimizer = Optimizer(train, size, dtype)

    def _direction(self, prefix: str, *, reverse: bool) -> Recurrent[Any]:
        return _CELLS[self._spec.cell](self._below(prefix), reverse=reverse)

    def _below(self, prefix: str) -> dict[str, Array]:
        """The parameters named ``prefix`` and a dot, by the rest of their names; views."""
        own = f"{prefix}."
        return {name.removeprefix(own): view for name, view in self._named.items() if name.startswith(own)}

    def put(self, array: NDArray[Any]) -> NDArray[Any]:
        kind = self._dtype if np.issubdtype(array.dtype, np.floating) else np.int64
        return np.array(array, dtype=kind)

    def get(self, native: NDArray[Any]) -> NDArray[Any]:
        return native.copy()

    def infer(self, x: NDArray[Any]) -> NDArray[Any]:
        readout = self._readout(self._recur(x))
        return self._head(readout if self._batch_norm is None else self._batch_norm.infer(readout))

    def train(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[Any]) -> NDArray[Any]:
        losses = np.empty(len(order), self._dtype)
        begins, size = order[:, 0], order.shape[1]
        # Rows of consecutive numbers become views, which saves a copy.
        in_order = np.array_equal(order, begins[:, None] + np.arange(size))
        for step, (begin, rows) in enumerate(zip(begins.tolist(), order, strict=True)):
            batch = slice(begin, begin + size) if in_order else rows
            losses[step] = self._backpropagate(x[batch], y[batch], remember=True)
            self._optimizer.step(self._flat, self._flat_gradient)
        return losses

    def differentiate(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Array]]:
        loss = self._backpropagate(x, y, remember=False)
        return np.array(loss, self._dtype), self._gradient

    def gradients(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[float, Parameters]:
        loss, gradients = self.differentiate(x, y)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}

    def input_gradient(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        self._backpropagate(x, y, remember=False, wants_dx=True)
        assert self._d_x is not None
        return self._d_x.swapaxes(0, 1).copy()

    def states(self, x: NDArray[Any], initial: State | None = None) -> tuple[NDArray[Any], State]:
        outputs = self._recur(x, initial)
        finals = [[direction.final() for direction in layer] for layer in self._layers]
        # In each layer, h and c of all directions become one array each.
        stacked = [tuple(np.stack(part) for part in zip(*layer, strict=True)) for layer in finals]
        return outputs.swapaxes(0, 1).copy(), State(*zip(*stacked, strict=True))

    def parameters(self) -> Parameters:
        return {name: array.copy() for name, array in (self._named | self._statistics).items()}

    def kernel_path(self, x: NDArray[Any]) -> str:
        return f"numpy loop over time, matmul by {_blas()}"

    def training_kernel_path(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[Any]) -> str:
        return f"numpy loop over time, matmul by {_blas()}"

    def _recur(self, x: NDArray[Any], initial: State | None = None, *, training: bool = False) -> Array:
        """The top layer's outputs `(T, B, D*H)` from ``x`` `(B, T, I)`; with dropout between the layers in training."""
        outputs = np.ascontiguousarray(x.swapaxes(0, 1))
        for index, layer in enumerate(self._layers):
            halves = []
            for d, direction in enumerate(layer):
                begin = None if initial is None else [part[index][d] for part in (initial.h, initial.c) if part]
                halves.append(direction.forward(outputs, begin))
            outputs = halves[0] if len(halves) == 1 else np.concatenate(halves, axis=-1)
            if training and self._spec.dropout and index < len(self._layers) - 1:
                outputs = outputs * self._draw_mask(index, outputs.shape)
        return outputs

    def _draw_mask(self, layer: int, shape: tuple[int, ...]) -> Array:
        """The factors of a layer's outputs: 0 with the probability of dropout, else 1 / (1 - dropout)."""
        keep = 1 - self._spec.dropout
        del self._masks[layer:]
        self._masks.append((self._generator.random(shape) < keep).astype(self._dtype) / self._dtype.type(keep))
        return self._masks[layer]

    def _readout(self, outputs: Array) -> Array:
        if self._spec.readout == "all":
            return outputs.swapaxes(0, 1)
        finals = [direction.final()[0] for direction in self._layers[-1]]
        return finals[0] if len(finals) == 1 else np.concatenate(finals, axis=-1)

    def _head(self, readout: Array) -> Array:
        logits: Array = readout @ self._named["head.weight"].T
        if self._spec.bias:
            logits += self._named["head.bias"]
        return logits

    def _backpropagate(self, x: NDArray[Any], y: NDArray[Any], *, remember: bool, wants_dx: bool = False) -> float:
        """The loss of one batch. Its gradients stay in the gradient vector, or in ``_d_x`` for ``x``.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets.
            remember: whether the batch moves the running statistics of batch normalisation.
            wants_dx: whether the gradient of ``x`` is wanted.
        """
        readout = self._readout(self._recur(x, training=True))
        if self._batch_norm is not None:
            readout = self._batch_norm.forward(readout, remember=remember)
        loss, d_logits = self._loss(self._head(readout), y)

        rows, features = d_logits.reshape(-1, self._spec.output_size), self._spec.readout_size
        np.matmul(rows.T, readout.reshape(-1, features), out=self._gradient["head.weight"])
        if self._spec.bias:
            self._gradient["head.bias"][...] = rows.sum(axis=0)
        d_readout: Array = d_logits @ self._named["head.weight"]
        if self._batch_norm is not None:
            gradients, d_readout = self._batch_norm.backward(d_readout)
            for name, gradient in gradients.items():
                self._gradient[f"batch_norm.{name}"][...] = gradient

        d_outputs: Array | None = d_readout.swapaxes(0, 1) if self._spec.readout == "all" else None  # (T, B, D*H)
        d_final = d_readout if self._spec.readout == "last" else None  # (B, D*H)
        for index in reversed(range(len(self._layers))):
            hidden, d_below = self._spec.hidden_sizes[index], None
            for d, direction in enumerate(self._layers[index]):
                half = slice(d * hidden, (d + 1) * hidden)
                gradients, d_x = direction.backward(
                    None if d_outputs is None else d_outputs[..., half],
                    None if d_final is None else d_final[..., half],
                    wants_dx=wants_dx or index > 0,
                )
                for name, gradient in gradients.items():
                    self._gradient[f"layers.{index}.{self._spec.directions[d]}.{name}"][...] = gradient
                d_below = d_x if d_below is None or d_x is None else d_below + d_x
            if d_below is not None and index > 0 and self._spec.dropout:
                d_below = d_below * self._masks[index - 1]
            d_outputs, d_final = d_below, None
        self._d_x = d_outputs
        return loss


def _blas() -> str:
    """The BLAS that NumPy multiplies with, and the processor that the BLAS has chosen its kernels for."""
    from threadpoolctl import threadpool_info

    loaded = [info for info in threadpool_info() if info["user_api"] == "blas"]
    # Wheels of NumPy and of other packages each bring a BLAS. If only one is loaded, all packages share it.
    own = [info for info in loaded if "numpy" in info["filepath"]] or (loaded if len(loaded) == 1 else [])
    names = {f"{info['internal_api']} {info.get('architecture', '')}".strip() for info in own}
    return ", ".join(sorted(names)) or "an unknown BLAS"


def _views(flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Cut ``flat`` into consecutive views of these shapes, by name."""
    views, begin = {}, 0
    for name, shape in shapes.items():
        views[name] = flat[begin : begin + prod(shape)].reshape(shape)
        begin += prod(shape)
    return views
