"""Count a model's floating point operations from its specification alone.

Only matrix products are counted. A multiplication with its addition counts as two operations, so the product of
`(m, k)` and `(k, n)` has ``2 * m * k * n``. PyTorch's ``torch.utils.flop_counter`` counts in the same way, and so do
papers that state a share of a device's peak (Chowdhery et al. 2022, PaLM, appendix B). Elementwise work is left out:
activations, biases, dropout, batch normalisation, loss and optimizer. In an LSTM layer of hidden size H over I
features, each unit and time step has 8 (H + I) counted operations and about 17 uncounted ones, if an activation is
taken for one operation.

The backward pass has two products for each product of the forward pass, one for the gradient of each factor (Kaplan et
al. 2020, section 2.1). The bottom layer is the exception: the gradient of its input, the data, is not needed. The
product with the initial state is counted although that state is zero, and so is its gradient, since frameworks compute
both.
"""

from __future__ import annotations

from math import prod

from lstm_bench.model.parameters import parameter_shapes
from lstm_bench.model.spec import ModelSpec, Scope


def operations(spec: ModelSpec, scope: Scope, *, batch: int, time: int, input_gradient: bool = False) -> int:
    """Count the floating point operations of one batch.

    Args:
        spec: the model.
        scope: ``"infer"`` is the forward pass, ``"gradient"`` the forward and backward pass. ``"train"`` has the same
            products as ``"gradient"``: the update has none.
        batch: sequences.
        time: time steps of each sequence.
        input_gradient: whether the backward pass also computes the gradient of the sequences.
    """
    # Each weight matrix multiplies one row per sequence and time step; a head that reads the last step, one per
    # sequence.
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
