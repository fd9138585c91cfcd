"""The equations of the LSTM, the GRU and the plain RNN, and of the network around them. Nothing is optimised.

x is the input of a time step, h the hidden state, c the memory of an LSTM. `W_ih` multiplies x, `W_hh` multiplies h, b
is the bias (0 in a model without biases). `@` multiplies matrices, `*` multiplies element by element. All arrays are
float64. Sizes: B sequences, T time steps, I input features, H hidden units, D directions, O logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import exp, sqrt, tanh
from numpy.typing import NDArray

from lstm_bench import ModelSpec, Parameters, State

Array = NDArray[np.floating[Any]]


def sigmoid(z: Array) -> Array:
    """The logistic function, of the same shape as z."""
    return 1 / (1 + exp(-z))


def lstm(x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b: Array | float) -> tuple[Array, Array]:
    """One time step of an LSTM.

    Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9, invented the memory c, the input gate
    and the output gate. Gers, Schmidhuber & Cummins (2000), Learning to forget, Neural Computation 12, added the forget
    gate. Both papers write y^in, y^phi, y^out and s_c for i, f, o and c.

    Args:
        x: `(B, I)`.
        h: previous hidden state `(B, H)`.
        c: previous memory `(B, H)`.
        W_ih: `(4*H, I)`, rows stacked i, f, g, o.
        W_hh: `(4*H, H)`, rows stacked i, f, g, o.
        b: `(4*H,)`, or 0.

    Returns:
        The next h and c, `(B, H)` each.
    """
    z_i, z_f, z_g, z_o = np.split(x @ W_ih.T + h @ W_hh.T + b, 4, axis=-1)

    i = sigmoid(z_i)  # input gate: how much of the candidate enters the memory
    f = sigmoid(z_f)  # forget gate: how much of the memory stays
    g = tanh(z_g)  # candidate: what may enter the memory
    o = sigmoid(z_o)  # output gate: how much of the memory is shown

    c = f * c + i * g
    h = o * tanh(c)
    return h, c


def gru(x: Array, h: Array, W_ih: Array, W_hh: Array, b: Array | float, b_hn: Array | float) -> tuple[Array]:
    """One time step of a GRU that resets after the matrix product, as cuDNN computes it.

    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, arXiv:1406.1078, invented the GRU.
    They reset h before the product: n = tanh(W x + U (r * h)). NVIDIA's cuDNN (``CUDNN_GRU``) resets the product and
    its bias: n = tanh(W x + b + r * (U h + b_hn)). One product with h then serves both gates and the candidate.

    Args:
        x: `(B, I)`.
        h: previous hidden state `(B, H)`.
        W_ih: `(3*H, I)`, rows stacked r, z, n.
        W_hh: `(3*H, H)`, rows stacked r, z, n.
        b: `(3*H,)`, or 0.
        b_hn: recurrent bias of the candidate `(H,)`, or 0.

    Returns:
        The next h `(B, H)`, in a tuple.
    """
    x_r, x_z, x_n = np.split(x @ W_ih.T + b, 3, axis=-1)
    h_r, h_z, h_n = np.split(h @ W_hh.T, 3, axis=-1)

    r = sigmoid(x_r + h_r)  # reset gate: how much of h the candidate sees
    z = sigmoid(x_z + h_z)  # update gate: how much of h stays
    n = tanh(x_n + r * (h_n + b_hn))  # candidate: what replaces the rest

    h = (1 - z) * n + z * h
    return (h,)


def rnn(x: Array, h: Array, W_ih: Array, W_hh: Array, b: Array | float) -> tuple[Array]:
    """One time step of a plain RNN: Elman (1990), Finding structure in time, Cognitive Science 14.

    Args:
        x: `(B, I)`.
        h: previous hidden state `(B, H)`.
        W_ih: `(H, I)`.
        W_hh: `(H, H)`.
        b: `(H,)`, or 0.

    Returns:
        The next h `(B, H)`, in a tuple.
    """
    h = tanh(x @ W_ih.T + h @ W_hh.T + b)
    return (h,)


CELLS: dict[str, tuple[Callable[..., tuple[Array, ...]], tuple[str, ...]]] = {
    "lstm": (lstm, ("weight_ih", "weight_hh", "bias")),
    "gru": (gru, ("weight_ih", "weight_hh", "bias", "bias_hn")),
    "rnn": (rnn, ("weight_ih", "weight_hh", "bias")),
}
"""Each cell's time step, and the canonical names of its parameters in the order of its arguments."""


def sequence(
    step: Callable[..., tuple[Array, ...]], x: Array, state: Sequence[Array], weights: Sequence[Array | float]
) -> tuple[Array, tuple[Array, ...]]:
    """Run a cell over all time steps of x `(B, T, I)`.

    Args:
        step: ``lstm``, ``gru`` or ``rnn``.
        x: `(B, T, I)`, in the order of reading.
        state: initial h, and c of an LSTM, `(B, H)` each.
        weights: the parameters, in the order of ``step``'s arguments.

    Returns:
        h of every time step `(B, T, H)`, and the final state.
    """
    state, outputs = tuple(state), []
    for t in range(x.shape[1]):
        state = step(x[:, t], *state, *weights)
        outputs.append(state[0])
    return np.stack(outputs, axis=1), state


def zero_state(spec: ModelSpec, B: int) -> State:
    """The state that a model starts from: h, and c of an LSTM, are `(D, B, H)` of zeros in every layer."""
    zeros = tuple(np.zeros((len(spec.directions), B, H)) for H in spec.hidden_sizes)
    return State(h=zeros, c=zeros if spec.cell == "lstm" else ())


def outputs_and_states(
    spec: ModelSpec, parameters: Parameters, x: Array, initial: State | None = None
) -> tuple[Array, State]:
    """Run all layers. Each reads what the layer below has written, in both directions if the model is bidirectional.

    The backward direction reads the last time step first (Schuster & Paliwal 1997). Its final state belongs to time 0.

    Args:
        spec: the model; its dropout acts in training only, so it does not act here.
        parameters: by canonical name.
        x: `(B, T, I)`.
        initial: state of every layer and direction; zeros if ``None``.

    Returns:
        The top layer's outputs `(B, T, D*H)` in the order of time, and the final state of every layer.
    """
    step, names = CELLS[spec.cell]
    initial = initial or zero_state(spec, len(x))
    finals = []
    for layer in range(len(spec.hidden_sizes)):
        outputs, final = [], []
        for d, direction in enumerate(spec.directions):
            weights = [parameters.get(f"layers.{layer}.{direction}.{name}", 0.0) for name in names]
            state = [part[layer][d] for part in (initial.h, initial.c) if part]
            in_time = slice(None) if direction == "forward" else slice(None, None, -1)
            h, state_after = sequence(step, x[:, in_time], state, weights)
            outputs.append(h[:, in_time])
            final.append(state_after)
        x = np.concatenate(outputs, axis=-1)  # (B, T, D*H)
        finals.append([np.stack(part) for part in zip(*final, strict=True)])  # h, and c of an LSTM: (D, B, H)
    return x, State(*zip(*finals, strict=True))


def batch_norm(v: Array, weight: Array, bias: Array, mean: Array, variance: Array) -> Array:
    """Batch normalisation in evaluation mode (Ioffe & Szegedy 2015): v is `(..., D*H)`, the others `(D*H,)`."""
    normal: Array = (v - mean) / sqrt(variance + 1e-5)
    return weight * normal + bias


def logits(spec: ModelSpec, parameters: Parameters, x: Array) -> Array:
    """The whole model in evaluation mode: layers, readout, batch normalisation and head.

    Args:
        spec: the model.
        parameters: by canonical name, with the statistics of batch normalisation.
        x: `(B, T, I)`.

    Returns:
        `(B, O)` where the head reads the final state, `(B, T, O)` where it reads all outputs.
    """
    outputs, final = outputs_and_states(spec, parameters, x)
    v = outputs if spec.readout == "all" else np.concatenate(final.h[-1], axis=-1)
    if spec.batch_norm:
        v = batch_norm(v, *(parameters[f"batch_norm.{name}"] for name in ("weight", "bias", "mean", "variance")))
    z: Array = v @ parameters["head.weight"].T + parameters.get("head.bias", 0.0)
    return z
