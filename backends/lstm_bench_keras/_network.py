"""The canonical model, built from Keras's own layers, and the place of each parameter in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from lstm_bench import ModelSpec, Parameters, TrainSpec, parameter_shapes, statistics_shapes

_CELLS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}

Array = NDArray[Any]


@dataclass(frozen=True)
class Held:
    """One Keras variable and the canonical parameters that it holds.

    Attributes:
        variable: Keras's variable.
        names: canonical names of the parameters.
        pack: the variable's value from the parameters.
        unpack: the parameters from the variable's value, or their gradients from its gradient.
        mask: zeros where the variable holds numbers that the canonical model does not have; its gradient is multiplied
            by the mask. ``None`` if it holds no such numbers.
    """

    variable: Any
    names: tuple[str, ...]
    pack: Callable[..., Array]
    unpack: Callable[[Array], tuple[Array, ...]]
    mask: Array | None = None


class Network(keras.Model):  # type: ignore[misc]  # Keras has no types
    """Recurrent layers under batch normalisation and a dense head.

    Args:
        spec: the model.
        dtype: Keras's name of a precision policy.
        unroll: whether the loops over time are written out.

    Attributes:
        spec: the model.
        stack: the recurrent layers, bottom layer first.
        drop: dropout above each recurrent layer but the top one.
        norm: batch normalisation, if the spec has it.
        head: the dense head.
        held: every variable with its parameters.
        masks: the mask of each trainable variable.
    """

    def __init__(self, spec: ModelSpec, dtype: str, *, unroll: bool) -> None:
        super().__init__(dtype=dtype)
        self.spec = spec
        self.stack = [self._recurrent(n, dtype, unroll) for n in range(len(spec.hidden_sizes))]
        self.drop = [layers.Dropout(spec.dropout, dtype=dtype) for _ in self.stack[1:]]
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype) if spec.batch_norm else None
        self.head = layers.Dense(spec.output_size, use_bias=spec.bias, kernel_initializer="zeros", dtype=dtype)
        self._make_variables()
        self.held = list(self._where())
        trained = {id(held.variable): held for held in self.held}
        self.masks = [trained[id(variable)].mask for variable in self.trainable_variables]

    def _make_variables(self) -> None:
        """Make every variable. A call on a symbolic input would make them, too, but trace the whole network for it."""
        spec, width = self.spec, self.spec.input_size
        for layer, hidden in zip(self.stack, spec.hidden_sizes, strict=True):
            layer.build((None, None, width))
            width = hidden * len(spec.directions)
        shape = (None, width) if spec.readout == "last" else (None, None, width)
        if self.norm is not None:
            self.norm.build(shape)
        self.head.build(shape)
        self.built = True

    def _recurrent(self, n: int, dtype: str, unroll: bool) -> Any:
        spec = self.spec
        layer = _CELLS[spec.cell](
            spec.hidden_sizes[n],
            use_bias=spec.bias,
            unroll=unroll,
            return_state=True,
            dtype=dtype,
            return_sequences=n < len(spec.hidden_sizes) - 1 or spec.readout == "all",
            kernel_initializer="zeros",
            recurrent_initializer="zeros",  # faster than random numbers, and overwritten by the initial parameters
        )
        return layers.Bidirectional(layer, dtype=dtype) if spec.bidirectional else layer

    def call(self, x: Any, training: bool = False, remember: bool = True) -> Any:
        """Logits `(B, O)` or `(B, T, O)` from ``x`` `(B, T, I)`, in the dtype of the parameters.

        Args:
            x: sequences `(B, T, I)`.
            training: whether to drop elements, and to normalise by the statistics of the batch.
            remember: whether the running statistics take in those of the batch.
        """
        for n, layer in enumerate(self.stack):
            if n:
                x = self.drop[n - 1](x, training=training)
            x, *_ = layer(x)
        if self.norm is not None:
            x = self.norm(x, training=training) if remember else _normalise_and_forget(self.norm, x)
        return ops.cast(self.head(x), self.variable_dtype)

    def states(self, x: Any, initial: Sequence[Sequence[Any]] | None) -> tuple[Any, list[list[Any]]]:
        """What the recurrent layers compute, in evaluation mode.

        Args:
            x: sequences `(B, T, I)`.
            initial: states of each layer to begin from, in Keras's order: h, c of one direction, then of the other;
                ``None`` for zeros.

        Returns:
            The top layer's outputs `(B, T, D*H)`, and the final states of each layer in the same order.
        """
        finals = []
        for n, layer in enumerate(self.stack):
            parts = {id(part): part for part in (layer, *_each_direction(layer))}.values()
            usual = layer.return_sequences
            for part in parts:
                part.return_sequences = True
            try:
                x, *final = layer(x, initial_state=list(initial[n]) if initial else None)
            finally:
                for part in parts:
                    part.return_sequences = usual
            finals.append(final)
        return x, finals

    def _where(self) -> Iterator[Held]:
        for n, layer in enumerate(self.stack):
            for direction, one in zip(self.spec.directions, _each_direction(layer), strict=True):
                yield from _cell_variables(self.spec, f"layers.{n}.{direction}", one.cell)
        if self.norm is not None:
            for name, variable in (
                ("weight", self.norm.gamma),
                ("bias", self.norm.beta),
                ("mean", self.norm.moving_mean),
                ("variance", self.norm.moving_variance),
            ):
                yield _as_it_is(variable, f"batch_norm.{name}")
        yield Held(self.head.kernel, ("head.weight",), np.transpose, lambda kernel: (kernel.T,))
        if self.spec.bias:
            yield _as_it_is(self.head.bias, "head.bias")

    @property
    def compiles(self) -> bool:
        """Whether XLA can compile it. On TensorFlow, it cannot compile layers that use cuDNN."""
        return all(one.supports_jit for layer in self.stack for one in _each_direction(layer))

    def begin(self, parameters: Parameters, seed: int) -> None:
        """Set every variable to the canonical parameters and statistics, and start dropout from the seed."""
        for held in self.held:
            held.variable.assign(held.pack(*(np.asarray(parameters[name]) for name in held.names)))
        if self.spec.dropout:
            for n, drop in enumerate(self.drop):
                drop.seed_generator.state.assign(np.array([(seed + n) % 2**31, 0], np.uint32))

    def unpack(self, value_of: Callable[[Any], Array | None]) -> dict[str, Array]:
        """Canonical arrays by name, in canonical order.

        Args:
            value_of: the value, or the gradient, of a variable; ``None`` to leave its parameters out.
        """
        found: dict[str, Array] = {}
        for held in self.held:
            value = value_of(held.variable)
            if value is not None:
                found |= zip(held.names, map(np.ascontiguousarray, held.unpack(value)), strict=True)
        order = parameter_shapes(self.spec) | statistics_shapes(self.spec)
        return {name: found[name] for name in order if name in found}

    def restrain(self, gradients: Sequence[Any]) -> list[Any]:
        """Gradients of the trainable variables, set to zero where their masks are zero."""
        return [
            gradient if mask is None else gradient * ops.convert_to_tensor(mask, dtype=gradient.dtype)
            for gradient, mask in zip(gradients, self.masks, strict=True)
        ]


def _normalise_and_forget(norm: Any, x: Any) -> Any:
    """Normalise by the statistics of the batch, and leave the running statistics as they are.

    Keras's layer always assigns the running statistics. In a stateless scope that changes no variable.
    """
    with keras.StatelessScope([(variable, variable.value) for variable in norm.variables]):
        return norm(x, training=True)


def _each_direction(layer: Any) -> tuple[Any, ...]:
    """The layer that reads forwards, and if the layer is bidirectional, the layer that reads backwards."""
    return (layer.forward_layer, layer.backward_layer) if isinstance(layer, layers.Bidirectional) else (layer,)


def _as_it_is(variable: Any, name: str) -> Held:
    return Held(variable, (name,), np.array, lambda value: (value,))


def _cell_variables(spec: ModelSpec, prefix: str, cell: Any) -> Iterator[Held]:
    """The variables of one cell, and the canonical parameters that they hold.

    Keras's kernels are the canonical weights transposed. Keras's LSTM has the gates in canonical order. Keras's GRU has
    the order z, r, n, and a second bias for each gate. Of the second biases, only the candidate's is a parameter of the
    canonical model. The other two would only add to the first bias, so they are held at zero.
    """
    if spec.cell != "gru":

        def reorder(rows: Array) -> Array:
            return rows
    else:

        def reorder(rows: Array) -> Array:  # its own inverse
            r, z, n = np.split(rows, 3)
            return np.concatenate((z, r, n))

    for name, variable in (("weight_ih", cell.kernel), ("weight_hh", cell.recurrent_kernel)):
        yield Held(variable, (f"{prefix}.{name}",), lambda w: reorder(w).T, lambda kernel: (reorder(kernel.T),))
    if not spec.bias:
        return
    if spec.cell != "gru":
        yield _as_it_is(cell.bias, f"{prefix}.bias")
        return
    hidden = cell.units
    mask = np.ones((2, 3 * hidden))
    mask[1, : 2 * hidden] = 0
    yield Held(
        cell.bias,
        (f"{prefix}.bias", f"{prefix}.bias_hn"),
        lambda bias, bias_hn: np.stack((reorder(bias), np.concatenate((np.zeros(2 * hidden), bias_hn)))),
        lambda both: (reorder(both[0]), both[1, 2 * hidden :]),
        mask,
    )


def loss(train: TrainSpec, logits: Any, y: Any) -> Any:
    """The mean loss `()` of a batch."""
    if train.loss == "mse":
        return ops.mean(ops.square(logits - y))
    return ops.mean(ops.sparse_categorical_crossentropy(y, logits, from_logits=True))
