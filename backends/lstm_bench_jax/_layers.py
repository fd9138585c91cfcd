"""One direction of one layer over whole sequences: by a scan with its own backward pass, or by cuDNN."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from lstm_bench_jax._cells import CELLS, Tensors, Weights

Result: TypeAlias = tuple[Array | None, Tensors]


class Recur(Protocol):
    """A way to compute one direction of a layer."""

    def __call__(self, weights: Weights, xs: Array, initial: Tensors, *, reverse: bool, sequence: bool) -> Result:
        """Compute the outputs and the final state.

        Args:
            weights: of this layer and direction.
            xs: the layer's inputs `(T, B, I)`.
            initial: the state to begin from: h, or h and c, each `(B, H)`.
            reverse: whether to begin at the last time step.
            sequence: whether to return the outputs.

        Returns:
            The outputs `(T, B, H)`, or ``None`` without ``sequence``; and the final state.
        """
        ...


def scan(cell: str, *, unroll: bool) -> Recur:
    """A scan over time: a loop, or with ``unroll`` all time steps written out.

    Nothing lies between the two, since it does not pay: unrolled by 2 or 4, a training step takes as long on a single
    sequence, and 20 % longer on 50 sequences.
    """

    def recur(weights: Weights, xs: Array, initial: Tensors, *, reverse: bool, sequence: bool) -> Result:
        result: Result = _scan(cell, unroll, reverse, sequence)(weights, xs, initial)
        return result

    return recur


@lru_cache
def _scan(cell_name: str, unroll: bool, reverse: bool, sequence: bool) -> Callable[..., Any]:
    """The scan as a function with its own backward pass.

    JAX could differentiate the scan by itself, but would add to the weights' gradient at every time step. Here that
    gradient is one product over all time steps, after the loop. The product with the inputs, in contrast, stays in the
    loop: computed for all time steps beforehand, its results do not fit the processor's caches.
    """
    cell = CELLS[cell_name]

    def forward(weights: Weights, xs: Array, initial: Tensors) -> tuple[Result, Any]:
        def step(state: Tensors, x: Array) -> tuple[Tensors, tuple[Array | None, Tensors]]:
            state, kept = cell.step(weights, x, state)
            return state, (state[0] if sequence else None, kept)

        final, (outputs, kept) = lax.scan(step, initial, xs, reverse=reverse, unroll=unroll)
        return (outputs, final), (weights, xs, kept)

    def backward(saved: tuple[Weights, Array, Tensors], d_result: Result) -> tuple[Weights, Array, Tensors]:
        weights, xs, kept = saved
        d_outputs, d_final = d_result
        recurrent = cell.recurrent(weights)  # before the loop, since XLA would not move it there

        def step(d_state: Tensors, at: tuple[Tensors, Array | None]) -> tuple[Tensors, Tensors]:
            kept, d_output = at
            if d_output is not None:
                d_state = (d_state[0] + d_output, *d_state[1:])
            return cell.step_back(recurrent, kept, d_state)

        d_initial, d_z = lax.scan(step, d_final, (kept, d_outputs), reverse=not reverse, unroll=unroll)
        d_weights, d_xs = cell.gradients(weights, xs, kept[0], d_z)
        return d_weights, d_xs, d_initial

    differentiable = jax.custom_vjp(lambda weights, xs, initial: forward(weights, xs, initial)[0])
    differentiable.defvjp(forward, backward)
    return differentiable


def cudnn(weights: Weights, xs: Array, initial: Tensors, *, reverse: bool, sequence: bool) -> Result:
    """An LSTM by cuDNN, with its second bias held at zero."""
    from jax.experimental import rnn

    steps, batch, features = xs.shape
    hidden = initial[0].shape[-1]
    kernel, bias = weights["kernel"], weights.get("bias", jnp.zeros(4 * hidden, xs.dtype))
    flat = jnp.concatenate((kernel[:features].T.ravel(), kernel[features:].T.ravel(), bias, jnp.zeros_like(bias)))
    x = jnp.flip(xs, 0) if reverse else xs
    outputs, h, c = rnn.lstm(
        x.swapaxes(0, 1),
        initial[0][None],
        initial[1][None],
        flat,
        jnp.full(batch, steps, jnp.int32),
        features,
        hidden,
        1,
        0.0,
        False,
    )
    if not sequence:
        return None, (h[0], c[0])
    outputs = outputs.swapaxes(0, 1)
    return jnp.flip(outputs, 0) if reverse else outputs, (h[0], c[0])
