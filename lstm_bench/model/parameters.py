"""The parameters of a model under canonical names: their shapes, their number, and their seeded initial values.

The rows of the LSTM's weights are stacked in the order i, f, g, o (input gate, forget gate, cell candidate, output
gate), those of the GRU's weights in the order r, z, n (reset gate, update gate, candidate).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

from lstm_bench.errors import InvalidSpec
from lstm_bench.model.spec import Initialisation, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Parameters: TypeAlias = "Mapping[str, NDArray[np.floating[Any]]]"
"""Arrays by canonical name: ``layers.0.forward.weight_ih`` ... ``head.bias``."""

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def parameter_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return every parameter's shape under its canonical name, in canonical order.

    With hidden size H, layer input size I and G gates, each layer and direction has ``weight_ih`` `(G*H, I)`,
    ``weight_hh`` `(G*H, H)` and, where the spec has biases, one ``bias`` `(G*H,)`. The GRU adds ``bias_hn`` `(H,)`, the
    recurrent bias of its candidate. With D directions, the head has ``weight`` `(O, D*H)` and ``bias`` `(O,)`; batch
    normalisation has ``weight`` and ``bias`` `(D*H,)`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, hidden in enumerate(spec.hidden_sizes):
        rows = GATES[spec.cell] * hidden
        for direction in spec.directions:
            prefix = f"layers.{layer}.{direction}"
            shapes[f"{prefix}.weight_ih"] = (rows, spec.layer_input_size(layer))
            shapes[f"{prefix}.weight_hh"] = (rows, hidden)
            if spec.bias:
                shapes[f"{prefix}.bias"] = (rows,)
                if spec.cell == "gru":
                    shapes[f"{prefix}.bias_hn"] = (hidden,)
    if spec.batch_norm:
        shapes["batch_norm.weight"] = shapes["batch_norm.bias"] = (spec.readout_size,)
    shapes["head.weight"] = (spec.output_size, spec.readout_size)
    if spec.bias:
        shapes["head.bias"] = (spec.output_size,)
    return shapes


def statistics_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of batch normalisation's running ``mean`` and ``variance``, by canonical name.

    Both have shape `(D*H,)` with D directions. They are not trained: with decay 0.9 they move towards the mean and the
    biased variance of each batch.
    """
    return {f"batch_norm.{name}": (spec.readout_size,) for name in ("mean", "variance") if spec.batch_norm}


def state_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays that inference reads: the parameters, then the statistics."""
    return parameter_shapes(spec) | statistics_shapes(spec)


def parameter_count(spec: ModelSpec) -> int:
    """Count the trained numbers of the canonical model: ``4 * (H * (H + I) + H)`` in each LSTM layer and direction."""
    return sum(prod(shape) for shape in parameter_shapes(spec).values())


def named_generator(seed: int, *name: str) -> np.random.Generator:
    """Return the random generator of this name and seed. A draw from it shifts no other generator.

    Args:
        seed: the run's seed.
        name: the purpose of the numbers, such as ``("parameters", "head.bias")``.
    """
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32("/".join(name).encode())])


def initial_parameters(
    spec: ModelSpec, scheme: Initialisation, seed: int, forget_bias: float | None = None
) -> dict[str, NDArray[np.float64]]:
    """Draw the initial weights that every backend loads.

    Args:
        spec: the model.
        scheme: ``"uniform"`` is torch's: U(-1/sqrt(H), 1/sqrt(H)) in every layer and, with the head's fan-in F,
            U(-1/sqrt(F), 1/sqrt(F)) in the head. ``"glorot"`` is Keras's: Glorot uniform (Glorot & Bengio 2010) for
            ``weight_ih`` and the head, orthogonal (Saxe, McClelland & Ganguli 2014) for ``weight_hh``, and zero biases,
            but ones for the LSTM's forget gate (Jozefowicz, Zaremba & Sutskever 2015).
        seed: the run's seed. ``uniform`` gives the same bits on every machine. Orthogonal matrices are computed by
            LAPACK, and its last bits vary between builds.
        forget_bias: initial bias of the LSTM's forget gates, in place of the scheme's; ignored for other cells.

    Returns:
        float64 arrays by canonical name, in canonical order. Statistics, if the spec has any, come last.

    Raises:
        InvalidSpec: if the scheme is unknown.
    """
    import numpy as np

    def draw(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        generator = named_generator(seed, "parameters", name)
        owner, kind = name.rsplit(".", 1)
        if owner == "batch_norm":
            return np.full(shape, 1.0 if kind in ("weight", "variance") else 0.0)
        hidden = spec.readout_size if owner == "head" else spec.hidden_sizes[int(owner.split(".")[1])]
        if scheme == "uniform":
            bound = 1 / sqrt(hidden)
            return generator.uniform(-bound, bound, shape)
        if kind == "weight_hh":
            q, r = np.linalg.qr(generator.standard_normal(shape))
            return q * np.sign(np.diag(r))  # the sign makes the distribution uniform over orthogonal matrices
        if kind.startswith("weight"):
            bound = sqrt(6 / sum(shape))
            return generator.uniform(-bound, bound, shape)
        bias = np.zeros(shape)
        if kind == "bias" and owner != "head" and spec.cell == "lstm":
            bias[hidden : 2 * hidden] = 1.0
        return bias

    if scheme not in ("uniform", "glorot"):
        raise InvalidSpec(f"initialisation must be uniform or glorot; got {scheme!r}")
    parameters = {name: draw(name, shape) for name, shape in state_shapes(spec).items()}
    if forget_bias is not None and spec.cell == "lstm":
        for name, array in parameters.items():
            if name.startswith("layers.") and name.endswith(".bias"):
                array[len(array) // 4 : len(array) // 2] = forget_bias
    return parameters
