"""The known confusions of the layers, the readout, batch norm and the head: their texts and their slips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

import numpy as np

from lstm_bench.conformance.slips import Activation, Array, Slip
from lstm_bench.conformance.wrong_forward import GATES, reordered

Known = tuple[str, *tuple[Slip, ...]]
"""The words that follow "it matches if", and the slips that they describe. Some confusions can be made in several ways:
when weights are loaded, so that they come back changed, or whenever they are used."""

Load = Callable[[str, str, Array], Array]


def known_in_layers() -> Iterator[Known]:
    """Yield every known confusion that changes the logits or the states."""
    yield from _gates()
    yield from _biases()
    yield from _cells()
    yield from _directions()
    yield from _batch_norm()
    yield from _roundings()
    yield (
        "the recurrent weights of each gate are transposed",
        Slip(recurrent=_transposed),
        Slip(load=(partial(_rearranging, ("weight_hh",), _transposed),)),
    )
    yield (
        "the recurrent weights are reshaped where they should be transposed",
        Slip(recurrent=_reshaped),
        Slip(load=(partial(_rearranging, ("weight_hh",), _reshaped),)),
    )
    yield (
        "all weights of the layers are reshaped where they should be transposed",
        Slip(load=(partial(_rearranging, ("weight_hh", "weight_ih"), _reshaped),)),
    )
    yield "it starts from the final state of the last call of infer", Slip(stateful="infer")
    yield "a training step starts from the final state of the step before", Slip(stateful="train")
    yield "it returns probabilities (the softmax of the logits), not logits", Slip(probabilities=True)


def _gates() -> Iterator[Known]:
    for cell in ("lstm", "gru"):
        for order in permutations(GATES[cell]):
            if order != GATES[cell]:
                text = f"its gates are {', '.join(order)}, where they should be {', '.join(GATES[cell])}"
                yield text, Slip(gates=(order,)), Slip(load=(partial(_regating, cell, order),))


def _biases() -> Iterator[Known]:
    yield "the forget gate's bias is added twice", *_biased(2.0, "f")
    yield "it adds 1 to the forget gate's bias", Slip(forget_plus=1.0), Slip(load=(partial(_shifting, 1.0),))
    yield "it subtracts 1 from the forget gate's bias", Slip(forget_plus=-1.0), Slip(load=(partial(_shifting, -1.0),))
    yield "the bias is added twice, as b_ih and as b_hh", Slip(bias_times=2.0), Slip(load=(partial(_scaling, 2.0, ""),))
    yield "the layers' biases are left out", Slip(bias_times=0.0)
    yield "the layers' biases start at zero", Slip(load=(partial(_scaling, 0.0, ""),))
    for cell in ("lstm", "gru"):
        for gate in GATES[cell]:
            yield f"the bias of an {cell.upper()}'s gate {gate} is left out", Slip(gate_bias=((gate, 0.0),))
    yield "bias_hn is left out", Slip(hn_times=0.0)
    yield "bias_hn is added outside the reset", Slip(hn_outside=True)
    yield "the head's bias is left out", Slip(head_bias_times=0.0)
    yield "the head's bias is added twice", Slip(head_bias_times=2.0)


def _cells() -> Iterator[Known]:
    yield "it resets h before the recurrent product, not after it", Slip(reset_before=True)
    yield (
        "its update gate is inverted: z * n + (1 - z) * h",
        Slip(update_inverted=True),
        Slip(load=(_negating_update_gate,)),
    )
    yield "it has no forget gate: c + i * g", Slip(no_forget_gate=True)
    yield "its forget gate is 1 - i", Slip(coupled=True)
    yield "its gates also see the memory, by peephole weights that start at zero", Slip(peephole=True)
    yield "its gates are a hard sigmoid, clip(0.2 z + 0.5)", Slip(gate=_hard(0.2))
    yield "its gates are a hard sigmoid, clip(z / 6 + 0.5)", Slip(gate=_hard(1 / 6))
    yield "its candidate is ReLU, not tanh", Slip(candidate=_RELU)
    yield "its candidate is a sigmoid, not tanh", Slip(candidate=Slip().gate)
    yield "its candidate is linear, without tanh", Slip(candidate=_LINEAR)
    yield "its output is o * c, without tanh", Slip(output=_LINEAR)
    yield "its output is o * ReLU(c), not o * tanh(c)", Slip(output=_RELU)
    yield "both of its tanh are ReLU", Slip(candidate=_RELU, output=_RELU)
    yield "both of its tanh are clip(z, -1, 1)", Slip(candidate=_CUT, output=_CUT)


def _directions() -> Iterator[Known]:
    yield "the head reads the last output of the backward direction, not its final state", Slip(reads="last")
    yield "the head reads the mean of the outputs, not the final state", Slip(reads="mean")
    yield "the head reads c, not h", Slip(reads="c")
    yield (
        "the backward direction's outputs start with the last time step",
        Slip(backward_as_read=True),
        Slip(backward_as_read=True, reads="last"),
    )
    yield "the backward direction reads forward", Slip(backward_forward=True)
    yield "the sequences are read from their end", Slip(reversed=True)
    yield "the directions exchange their weights", Slip(exchanged="weights")
    yield (
        "the directions' outputs change places: backward comes before forward",
        Slip(exchanged="outputs"),
        Slip(exchanged="all"),
    )
    yield "it ignores the initial states", Slip(from_zeros=True)
    yield "h and c change places in the initial states", Slip(initial_swapped=True)
    yield "h and c change places in the final states", Slip(finals_swapped=True)
    yield (
        "h and c change places in the initial and in the final states",
        Slip(initial_swapped=True, finals_swapped=True),
    )


def _batch_norm() -> Iterator[Known]:
    yield "batch norm's epsilon is 1e-3, not 1e-5", Slip(norm_epsilon=1e-3)
    yield (
        "batch norm's epsilon is 1e-3 and its decay 0.99, as in Keras, not 1e-5 and 0.9",
        Slip(norm_epsilon=1e-3, norm_decay=0.99),
    )
    yield "batch norm normalises by the batch in inference, too", Slip(norm_by="batch")
    yield "batch norm normalises by the running statistics in training, too", Slip(norm_by="running")
    yield "batch norm is left out", Slip(norm_by="none")
    yield "batch norm's running variance is unbiased", Slip(norm_unbiased="running")
    yield "batch norm's variance is unbiased, also that of the batch", Slip(norm_unbiased="all")
    yield "no gradient passes through batch norm's mean and variance", Slip(norm_detached=True)
    for decay in ("0.99", "0.999", "0.5", "0.1"):
        yield f"batch norm's decay is {decay}, not 0.9", Slip(norm_decay=float(decay))
    yield "batch norm's running statistics are never updated", Slip(norm_updates=0)
    yield "batch norm's running statistics are updated twice in a step", Slip(norm_updates=2)
    yield "batch norm's running statistics are updated by gradients, too", Slip(norm_remembers=True)


def _roundings() -> Iterator[Known]:
    for name, rounded in ROUNDINGS.items():
        yield f"its initial weights are rounded to {name}", Slip(load=(partial(_rounding, name),))
        yield f"the operands of its matrix products are rounded to {name}", Slip(product=rounded)
        yield f"its states are rounded to {name} after every time step", Slip(state=rounded)


def _to_bits(bits: int, array: Array) -> Array:
    """Round to a significand of this many bits."""
    significand, exponent = np.frexp(array)
    return np.asarray(np.ldexp(np.rint(significand * 2.0**bits) / 2.0**bits, exponent))


def _to_dtype(dtype: str, array: Array) -> Array:
    rounded: Array = array.astype(dtype).astype(np.float64)
    return rounded


ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "float16": partial(_to_dtype, "float16"),
    "bfloat16": partial(_to_bits, 8),
    "tf32": partial(_to_bits, 11),
    "float32": partial(_to_dtype, "float32"),
}


_RELU = Activation(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(np.float64))
_LINEAR = Activation(lambda z: z, np.ones_like)
_CUT = Activation(lambda z: np.clip(z, -1, 1), lambda z: (np.abs(z) < 1).astype(np.float64))


def _hard(slope: float) -> Activation:
    return Activation(
        lambda z: np.clip(slope * z + 0.5, 0, 1), lambda z: slope * (np.abs(slope * z) < 0.5).astype(np.float64)
    )


def _biased(factor: float, gate: str) -> tuple[Slip, Slip]:
    return Slip(gate_bias=((gate, factor),)), Slip(load=(partial(_scaling, factor, gate),))


def _transposed(weights: Array, gates: int) -> Array:
    return np.concatenate([gate.T for gate in np.split(weights, gates)])


def _reshaped(weights: Array, gates: int) -> Array:
    return weights.reshape(weights.shape[::-1]).T


def _rearranging(kinds: tuple[str, ...], how: Callable[[Array, int], Array], cell: str, name: str, p: Array) -> Array:
    return how(p, len(GATES[cell])) if name.endswith(kinds) else p


def _regating(own: str, order: tuple[str, ...], cell: str, name: str, p: Array) -> Array:
    stacked = cell == own and name.startswith("layers") and not name.endswith("bias_hn")
    return reordered(p, order, GATES[cell]) if stacked else p


def _scaling(factor: float, gate: str, cell: str, name: str, p: Array) -> Array:
    """Scale the biases of one gate, or all of the layers' biases."""
    if not name.startswith("layers") or "bias" not in name:
        return p
    if not gate:
        return factor * p
    if name.endswith("bias_hn") or gate not in GATES[cell]:
        return p
    factors = [factor if own == gate else 1.0 for own in GATES[cell]]
    scaled: Array = p * np.repeat(factors, len(p) // len(factors))
    return scaled


def _shifting(shift: float, cell: str, name: str, p: Array) -> Array:
    if cell != "lstm" or not (name.startswith("layers") and name.endswith(".bias")):
        return p
    shifted: Array = p + np.repeat([0.0, shift, 0.0, 0.0], len(p) // 4)
    return shifted


def _negating_update_gate(cell: str, name: str, p: Array) -> Array:
    """Negate the rows of a GRU's update gate: sigmoid(-z) is 1 - sigmoid(z)."""
    if cell != "gru" or not name.startswith("layers") or name.endswith("bias_hn"):
        return p
    r, z, n = np.split(p, 3)
    return np.concatenate([r, -z, n])


def _rounding(name: str, cell: str, parameter: str, p: Array) -> Array:
    return ROUNDINGS[name](p)
