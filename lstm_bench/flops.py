"""Floating point operations of a model, counted from its specification alone.

Counted are the matrix products, each multiplication with its addition as two operations, so that `(m, k)` by `(k, n)`
is ``2 * m * k * n``. PyTorch's ``torch.utils.flop_counter`` counts so, and so does who states a share of a device's
peak (Chowdhery et al. 2022, PaLM, appendix B). Of what is done element by element nothing is counted: not the gates'
functions, biases, dropout, batch normalisation, loss or optimizer. In an LSTM layer of hidden size H over I features
that leaves out some 17 operations beside the 8 (H + I) of each unit's products, were a function one operation.

The backward pass has two products for each one of the forward pass, one for each factor's gradient (Kaplan et al. 2020,
section 2.1), but one where the bottom layer reads the data, whose gradient nobody asks for. The product with the
initial state counts like any other, though the state is zero, and so does its gradient: frameworks compute them.
"""

from __future__ import annotations

from math import prod

from lstm_bench.parameters import parameter_shapes
from lstm_bench.spec import ModelSpec, Scope


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
