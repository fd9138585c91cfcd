"""The slips that a model can have: switches of the canonical model, each with the correct value as its default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Activation(NamedTuple):
    """A function of each element, and its derivative."""

    function: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


SIGMOID = Activation(_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z)))
TANH = Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2)


def as_it_is(array: Array) -> Array:
    """Return the array: the rounding of a model that does not round."""
    return array


def as_given(order: Array, done: int, count: int) -> Array:
    """Return the given order of batches: the order of a model that follows it.

    Args:
        order: the batches of one call `(steps, B)`.
        done: the steps of all earlier calls.
        count: the number of sequences.
    """
    return order


@dataclass(frozen=True)
class Slip:
    """What is wrong with a model. Without arguments, nothing is.

    Attributes:
        load: change a parameter once, when the model is built, from the cell and the parameter's name.
        gates: the orders in which the weights' gates are read, one for a cell; none for the canonical order.
        recurrent: rearranges the recurrent weights `(G*H, H)`, from the weights and the number of gates.
        bias_times, hn_times, head_bias_times: factors on the layers' biases, on ``bias_hn`` and on the head's bias.
        gate_bias: gates, each with a factor on its bias.
        forget_plus: constant added to the forget gate before its activation.
        no_forget_gate: the memory stays whole.
        coupled: the forget gate is 1 - the input gate.
        peephole: the gates also see the memory, through trained weights that start at zero.
        reset_before: a GRU resets h before the recurrent product.
        update_inverted: a GRU swaps z and 1 - z.
        hn_outside: a GRU adds ``bias_hn`` outside the reset.
        gate, candidate, output: activations of the gates, of the candidate (or the RNN), and of the memory.
        reads: what the head reads where the readout is ``last``: ``final``, ``last`` output, ``c`` or ``mean``.
        backward_as_read: the backward direction's outputs stay in the order of reading.
        backward_forward: the backward direction reads forward.
        reversed: the sequences are read from their end.
        exchanged: the directions exchange their ``weights``, or the places of their ``outputs``, or of ``all`` results.
        from_zeros: initial states are ignored.
        initial_swapped, finals_swapped: h and c change places in the initial or in the final states.
        stateful: calls of ``infer`` or steps of ``train`` start from the final state of the one before.
        norm_epsilon, norm_decay: of batch norm.
        norm_by: which statistics normalise: ``usual``, ``running`` (in training, too), ``batch`` (in inference, too),
            or ``none``.
        norm_unbiased: ``running`` keeps the unbiased variance; ``all`` also normalises a batch by it.
        norm_detached: no gradient passes through the batch's statistics.
        norm_updates: how often a training step updates the running statistics.
        norm_remembers: ``gradients`` updates the running statistics.
        product: rounds the operands of every matrix product.
        state: rounds the state after every time step.
        truncated: time steps that the gradient goes back; 0 for all.
        truncation: ``last`` cuts the state once, before the last steps; ``only`` also cuts all earlier outputs;
            ``chunks`` cuts the state every ``truncated`` steps.
        detached: ``h`` or ``c``: the part of the state through which no gradient passes.
        scale: a factor: a number, or ``batch``, ``time``, ``outputs``, ``labels`` or ``elements`` for a size.
        scaled: what has this factor: ``loss``, ``gradients``, ``dx``, ``training``.
        accumulates: gradients are added to those of earlier ``steps`` or of all earlier ``calls``.
        epsilon: of RMSprop and Adam.
        epsilon_at: ``outside`` the root, ``inside``, or ``hat``: added to the root of the uncorrected mean square.
        corrected: which bias corrections Adam has: ``both``, ``none``, ``first`` or ``second``.
        counts_from: the step that the bias correction takes for the first.
        counts: whether the bias correction counts on after the first step.
        betas: Adam's decays.
        amsgrad: the largest ``raw`` or ``corrected`` mean square so far is used.
        rmsprop_decay, rmsprop_start: decay and initial value of RMSprop's mean square.
        centered: RMSprop subtracts the squared mean gradient.
        momentum_times: factor on the momentum.
        nesterov: SGD's momentum is Nesterov's.
        dampening: gradients enter the velocity scaled by 1 - momentum: from the ``first`` or ``second`` step on.
        rate: factor on the learning rate.
        rate_of: the parameters with this factor, by a part of their names.
        decay: weight decay.
        decay_kind: ``l2`` adds to the gradient, ``decoupled`` to the update; ``weights`` after it spares biases.
        clips: ``global``, ``each`` gradient by its own norm, ``values``, ``never``, or ``always`` to the limit.
        clip_epsilon: added to the norm.
        clip_biases: the norm counts each of two biases.
        frozen: parameters that are not trained, by a part of their names.
        frozen_counted: whether the norm counts the gradients of frozen parameters.
        biases: how many biases share a canonical one; each moves by the full update.
        forgets: the optimizer's state is lost between ``calls`` or ``steps``.
        order: changes the batches of a call of ``train``.
        losses: ``after`` the update, ``mean`` of the call so far, or ``last`` step's loss in place of this step's.
        infers: the weights of ``infer``: ``now``, ``initial``, or those before the last ``step`` or ``call``.
        late: a call of ``infer`` returns the logits of the call before.
        probabilities: ``infer`` returns the softmax of the logits.
        clips_early: ``gradients`` returns clipped gradients; ``all``: ``differentiate`` does, too.
    """

    load: tuple[Callable[[str, str, Array], Array], ...] = ()
    gates: tuple[tuple[str, ...], ...] = ()
    recurrent: Callable[[Array, int], Array] | None = None
    bias_times: float = 1.0
    hn_times: float = 1.0
    head_bias_times: float = 1.0
    gate_bias: tuple[tuple[str, float], ...] = ()
    forget_plus: float = 0.0
    no_forget_gate: bool = False
    coupled: bool = False
    peephole: bool = False
    reset_before: bool = False
    update_inverted: bool = False
    hn_outside: bool = False
    gate: Activation = SIGMOID
    candidate: Activation = TANH
    output: Activation = TANH
    reads: str = "final"
    backward_as_read: bool = False
    backward_forward: bool = False
    reversed: bool = False
    exchanged: str = ""
    from_zeros: bool = False
    initial_swapped: bool = False
    finals_swapped: bool = False
    stateful: str = ""
    norm_epsilon: float = 1e-5
    norm_decay: float = 0.9
    norm_by: str = "usual"
    norm_unbiased: str = ""
    norm_detached: bool = False
    norm_updates: int = 1
    norm_remembers: bool = False
    product: Callable[[Array], Array] = as_it_is
    state: Callable[[Array], Array] = as_it_is
    truncated: int = 0
    truncation: str = "last"
    detached: str = ""
    scale: str | float = 1.0
    scaled: tuple[str, ...] = ()
    accumulates: str = ""
    epsilon: float = 1e-8
    epsilon_at: str = "outside"
    corrected: str = "both"
    counts_from: int = 1
    counts: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: str = ""
    rmsprop_decay: float = 0.9
    rmsprop_start: float = 0.0
    centered: bool = False
    momentum_times: float = 1.0
    nesterov: bool = False
    dampening: str = ""
    rate: float = 1.0
    rate_of: str = ""
    decay: float = 0.0
    decay_kind: str = "l2"
    clips: str = "global"
    clip_epsilon: float = 0.0
    clip_biases: bool = False
    frozen: str = "nothing"
    frozen_counted: bool = True
    biases: int = 1
    forgets: str = ""
    order: Callable[[Array, int, int], Array] = as_given
    losses: str = "before"
    infers: str = "now"
    late: bool = False
    probabilities: bool = False
    clips_early: str = ""

    def changes(self) -> dict[str, Any]:
        """The switches that are not at their defaults."""
        return {name: getattr(self, name) for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}

    def forward(self) -> tuple[Any, ...]:
        """A key that is equal for slips with the same logits and gradients of a batch."""
        return tuple(getattr(self, name) for name in _FORWARD)


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Slip)}
_FORWARD = tuple(_DEFAULTS)[1 : tuple(_DEFAULTS).index("detached") + 1]


def loaded(slip: Slip, cell: str, name: str, parameter: Array) -> Array:
    """Return what a model with this slip loads in place of a parameter."""
    for change in slip.load:
        parameter = change(cell, name, parameter)
    return np.array(parameter, dtype=np.float64)


_JOINED = ("load", "gates", "gate_bias")


def both(one: Slip, other: Slip) -> Slip | None:
    """Return one slip with the switches of two; ``None`` if the two turn the same switch."""
    a, b = one.changes(), other.changes()
    if {len(order) for order in one.gates} & {len(order) for order in other.gates}:
        return None  # two orders for the same cell
    joined = {name: a[name] + b[name] for name in _JOINED if name in a and name in b}
    return None if (a.keys() & b.keys()) - joined.keys() else Slip(**(a | b | joined))
