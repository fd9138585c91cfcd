"""Floating point operations of a model and the memory that they need, counted from its specification alone.

Counted of operations are the matrix products, each multiplication with its addition as two operations, so that
`(m, k)` by `(k, n)` is ``2 * m * k * n``. PyTorch's ``torch.utils.flop_counter`` counts so, and so does who states a
share of a device's peak (Chowdhery et al. 2022, PaLM, appendix B). Of what is done element by element nothing is
counted: not the gates' functions, biases, dropout, batch normalisation, loss or optimizer. In an LSTM layer of hidden
size H over I features that leaves out some 17 operations beside the 8 (H + I) of each unit's products, were a function
one operation.

The backward pass has two products for each one of the forward pass, one for each factor's gradient (Kaplan et al. 2020,
section 2.1), but one where the bottom layer reads the data, whose gradient nobody asks for. The product with the
initial state counts like any other, though the state is zero, and so does its gradient: frameworks compute them.

Operations over bytes of memory are a shape's intensity, and beside what a machine does of either in a second they tell
which of the two it waits for (Williams, Waterman & Patterson 2009, Roofline).
"""

from __future__ import annotations

from math import prod

from lstm_bench.model.parameters import parameter_count, parameter_shapes
from lstm_bench.model.spec import ModelSpec, Precision, Scope, TrainSpec

NUMBER_BYTES: dict[Precision, int] = {"float64": 8, "float32": 4, "tf32": 4, "bfloat16": 2}
"""What a number takes that layers compute with."""

KEPT = {"lstm": 6, "gru": 5, "rnn": 1}
"""Numbers that the backward pass needs of each unit and time step, the gates and the new state: of the LSTM i, f, g, o,
c and h; of the GRU r, z, n, the product that r scales, and h."""

OPTIMIZER_STATE = {"sgd": 0, "rmsprop": 1, "adam": 2}
"""Numbers that an optimizer remembers of each parameter; with momentum ``sgd`` has one, too."""


def operations(spec: ModelSpec, scope: Scope, *, batch: int, time: int, input_gradient: bool = False) -> int:
    """Floating point operations of one batch.

    Args:
        spec: the model.
        scope: ``"infer"``, forward; ``"gradient"``, forward and backward; ``"train"``, which has an update, too, but no
            product more.
        batch: sequences.
        time: steps of each sequence.
        input_gradient: whether the backward pass also gives the gradient of the sequences.
    """
    # Every weight matrix is multiplied by one row for each sequence and step, but for the head that reads the last.
    rows = {"head.weight": batch if spec.readout == "last" else batch * time}
    products = {
        name: 2 * rows.get(name, batch * time) * prod(shape)
        for name, shape in parameter_shapes(spec).items()
        if len(shape) == 2
    }
    forward = sum(products.values())
    if scope == "infer":
        return forward
    backward = 2 * forward
    if not input_gradient:
        backward -= sum(products[f"layers.0.{direction}.weight_ih"] for direction in spec.directions)
    return forward + backward


def memory_traffic(
    spec: ModelSpec, train: TrainSpec, scope: Scope, *, batch: int, time: int, precision: Precision
) -> int:
    """The fewest bytes that one batch moves from and to memory.

    Each array moves once where it is made or needed, as if within a pass over the model everything stayed in caches,
    and nothing did from one pass to the next. So it is less than what really moves where a layer's recurrent weights do
    not stay in the caches for all time steps, and more where a model is so small that they never leave them.

    Counted are, for ``"infer"``: the parameters, the sequences and the logits. For ``"gradient"``: the parameters and
    the sequences twice, since the backward pass needs them again; what it needs of each layer and time step, written
    and read (see ``KEPT``); and the gradients, written. For ``"train"``, on top of that: the gradients, the parameters
    and the optimizer's state, read, and the latter two written.

    Args:
        spec: the model.
        train: whose optimizer is used.
        scope: what is computed.
        batch: sequences.
        time: steps of each sequence.
        precision: what is computed in. In bfloat16 layers compute with numbers of two bytes, and what the optimizer
            reads and writes has four.
    """
    width, parameters = NUMBER_BYTES[precision], parameter_count(spec)
    sequences = batch * time * spec.input_size
    if scope == "infer":
        logits = batch * spec.output_size * (time if spec.readout == "all" else 1)
        return width * (parameters + sequences + logits)
    kept = KEPT[spec.cell] * sum(spec.hidden_sizes) * len(spec.directions) * batch * time
    moved = width * (2 * parameters + 2 * sequences + 2 * kept + parameters)
    if scope == "train":
        remembered = OPTIMIZER_STATE[train.optimizer] + (train.momentum > 0)
        moved += max(width, 4) * parameters * (1 + 2 + 2 * remembered)
    return moved
