"""The canonical model as functions of its parameters: layers, dropout, batch normalisation, head, loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from lstm_bench import ModelSpec, TrainSpec, parameter_shapes, statistics_shapes
from lstm_bench_jax._cells import CELLS, Tensors, Weights
from lstm_bench_jax._layers import Recur

DECAY, EPSILON = 0.9, 1e-5
"""How much of the running statistics each batch leaves, and what is added to the variance, in batch normalisation."""


class Trained(NamedTuple):
    """The trained parameters in native layout.

    Attributes:
        layers: weights of each layer and direction, bottom layer first.
        batch_norm: ``weight`` and ``bias``; empty without batch normalisation.
        head: ``weight`` `(H, O)` and ``bias``.
    """

    layers: tuple[tuple[Weights, ...], ...]
    batch_norm: Weights
    head: Weights


Statistics: TypeAlias = Weights
"""The running ``mean`` and ``variance`` of batch normalisation; empty without it."""


class Network:
    """The model of a spec, without its parameters.

    Args:
        spec: the model.
        recur: the way to compute one direction of a layer.
        compute_dtype: dtype of the layers and the head. Parameters, statistics and losses keep their own dtype.
    """

    def __init__(self, spec: ModelSpec, recur: Recur, compute_dtype: DTypeLike) -> None:
        self.spec, self._recur, self._dtype, self._cell = spec, recur, compute_dtype, CELLS[spec.cell]

    def pack(self, canonical: Mapping[str, NDArray[Any]]) -> Any:
        """A ``Trained`` of NumPy arrays from canonical parameters."""
        layers: Any = tuple(
            tuple(self._cell.pack(_below(canonical, f"layers.{n}.{direction}")) for direction in self.spec.directions)
            for n in range(len(self.spec.hidden_sizes))
        )
        head = {name: array.T for name, array in _below(canonical, "head").items()}
        norm = {name: array for name, array in _below(canonical, "batch_norm").items() if name in ("weight", "bias")}
        return Trained(layers, norm, head)

    def unpack(self, trained: Any) -> dict[str, NDArray[Any]]:
        """Canonical parameters, or gradients, in canonical order, from a ``Trained`` of NumPy arrays."""
        found = {f"head.{name}": array.T for name, array in trained.head.items()}
        found |= {f"batch_norm.{name}": array for name, array in trained.batch_norm.items()}
        for n, layer in enumerate(trained.layers):
            for direction, weights in zip(self.spec.directions, layer, strict=True):
                found |= {f"layers.{n}.{direction}.{k}": array for k, array in self._cell.unpack(weights).items()}
        return {name: found[name] for name in parameter_shapes(self.spec)}

    def pack_statistics(self, canonical: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """``Statistics`` in NumPy from canonical parameters."""
        return {name.removeprefix("batch_norm."): canonical[name] for name in statistics_shapes(self.spec)}

    def unpack_statistics(self, statistics: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The inverse of ``pack_statistics``."""
        return {f"batch_norm.{name}": array for name, array in statistics.items()}

    def infer(self, trained: Trained, statistics: Statistics, x: Array) -> Array:
        """Logits `(B, O)` or `(B, T, O)` in evaluation mode from ``x`` `(B, T, I)`."""
        readout = self._readout(*self._layers(trained, x))
        if statistics:
            readout = _normalise(readout, statistics["mean"], statistics["variance"], trained.batch_norm)
        return self._head(trained.head, readout)

    def train(self, trained: Trained, statistics: Statistics, x: Array, key: Array | None) -> tuple[Array, Statistics]:
        """Logits in training mode, and the statistics after this batch. ``key`` draws the dropout masks."""
        readout = self._readout(*self._layers(trained, x, key))
        if statistics:
            axes = tuple(range(readout.ndim - 1))
            wide = readout.astype(statistics["mean"].dtype)
            batch = {"mean": wide.mean(axes), "variance": wide.var(axes)}
            readout = _normalise(readout, batch["mean"], batch["variance"], trained.batch_norm)
            statistics = {k: DECAY * statistics[k] + (1 - DECAY) * jax.lax.stop_gradient(batch[k]) for k in statistics}
        return self._head(trained.head, readout), statistics

    def states(
        self, trained: Trained, x: Array, initial: Sequence[Sequence[Tensors]] | None
    ) -> tuple[Array, list[list[Tensors]]]:
        """The top layer's outputs `(B, T, D*H)`, and the final state of every layer and direction."""
        outputs, finals = self._layers(trained, x, initial=initial, sequence=True)
        assert outputs is not None
        return outputs.swapaxes(0, 1), finals

    def _layers(
        self,
        trained: Trained,
        x: Array,
        key: Array | None = None,
        initial: Sequence[Sequence[Tensors]] | None = None,
        sequence: bool | None = None,
    ) -> tuple[Array | None, list[list[Tensors]]]:
        """Compute the recurrent layers.

        Args:
            trained: the parameters.
            x: sequences `(B, T, I)`.
            key: draws the dropout masks; ``None`` in evaluation mode.
            initial: states of every layer and direction to begin from; ``None`` for zeros.
            sequence: whether to return the top layer's outputs; ``None`` if the spec decides.

        Returns:
            The top layer's outputs `(T, B, D*H)` or ``None``, and the final state of every layer and direction.
        """
        given = trained, x.swapaxes(0, 1), initial
        trained, xs, initial = jax.tree.map(lambda array: array.astype(self._dtype), given)
        finals: list[list[Tensors]] = []
        outputs: Array | None = None
        top = len(self.spec.hidden_sizes) - 1
        for n, (layer, hidden) in enumerate(zip(trained.layers, self.spec.hidden_sizes, strict=True)):
            wanted = n < top or (self.spec.readout == "all" if sequence is None else sequence)
            halves, ends = [], []
            for d, weights in enumerate(layer):
                begin = initial[n][d] if initial else (jnp.zeros((xs.shape[1], hidden), xs.dtype),) * self._cell.states
                half, end = self._recur(weights, xs, begin, reverse=d == 1, sequence=wanted)
                halves += [] if half is None else [half]
                ends.append(end)
            finals.append(ends)
            outputs = jnp.concatenate(halves, axis=-1) if halves else None
            if n < top and outputs is not None:
                xs = self._drop(outputs, key, n)
        return outputs, finals

    def _drop(self, outputs: Array, key: Array | None, layer: int) -> Array:
        if key is None or not self.spec.dropout:
            return outputs
        keep = 1 - self.spec.dropout
        mask = jax.random.bernoulli(jax.random.fold_in(key, layer), keep, outputs.shape)
        return jnp.where(mask, outputs / keep, 0)

    def _readout(self, outputs: Array | None, finals: list[list[Tensors]]) -> Array:
        if outputs is not None:
            return outputs.swapaxes(0, 1)
        return jnp.concatenate([end[0] for end in finals[-1]], axis=-1)

    def _head(self, head: Weights, readout: Array) -> Array:
        weights = {name: array.astype(self._dtype) for name, array in head.items()}
        logits = readout.astype(self._dtype) @ weights["weight"]
        return (logits + weights["bias"] if "bias" in weights else logits).astype(head["weight"].dtype)


def loss(train: TrainSpec, logits: Array, y: Array) -> Array:
    """The mean loss `()` of a batch."""
    if train.loss == "mse":
        return jnp.mean((logits - y) ** 2)
    log_probabilities = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_probabilities, y[..., None], axis=-1))


def _normalise(x: Array, mean: Array, variance: Array, trained: Weights) -> Array:
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * trained["weight"] + trained["bias"]


def _below(canonical: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The arrays with names ``prefix.rest``, by the rest of the name."""
    own = f"{prefix}."
    return {name.removeprefix(own): array for name, array in canonical.items() if name.startswith(own)}
