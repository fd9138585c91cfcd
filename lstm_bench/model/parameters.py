"""The parameters of a model under canonical names: their shapes, their number, and their seeded initial values.

Rows of the LSTM's weights are stacked i, f, g, o (input, forget, cell candidate, output gate), the GRU's r, z, n.
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
    """Every parameter's shape under its canonical name, in canonical order.

    With hidden size H, layer input size I and G gates, each layer and direction has ``weight_ih`` `(G*H, I)`,
    ``weight_hh`` `(G*H, H)` and, where the spec has biases, one ``bias`` `(G*H,)`; the GRU adds ``bias_hn`` `(H,)`, the
    recurrent bias of its candidate. The head has ``weight`` `(O, D*H)` and ``bias`` `(O,)`, batch normalisation
    ``weight`` and ``bias`` `(D*H,)`, with D directions.
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
    """What a model keeps beside its parameters, by canonical name: batch norm's running ``mean``, ``variance``.

    They are of shape `(D*H,)`, move with decay 0.9 towards each batch's mean and biased variance, and are not trained.
    """
    return {f"batch_norm.{name}": (spec.readout_size,) for name in ("mean", "variance") if spec.batch_norm}


def state_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Everything that decides what a model infers: its parameters, then its statistics."""
    return parameter_shapes(spec) | statistics_shapes(spec)


def parameter_count(spec: ModelSpec) -> int:
    """Trained numbers in the canonical model; for an LSTM layer and direction ``4 * (H * (H + I) + H)``."""
    return sum(prod(shape) for shape in parameter_shapes(spec).values())


def named_generator(seed: int, *name: str) -> np.random.Generator:
    """A random generator of its own for everything that has a name, so that one more draw here shifts none there.

    Args:
        seed: the run's seed.
        name: what the numbers are for, such as ``("parameters", "head.bias")``.
    """
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32("/".join(name).encode())])


def initial_parameters(
    spec: ModelSpec, scheme: Initialisation, seed: int, forget_bias: float | None = None
) -> dict[str, NDArray[np.float64]]:
    """Draw the initial weights that every backend loads.

    Args:
        spec: the model.
        scheme: ``"uniform"``, as torch does: U(-1/sqrt(H), 1/sqrt(H)) in every layer, U(-1/sqrt(fan in), ...) in the
            head; or ``"glorot"``, as Keras does: Glorot uniform (Glorot & Bengio 2010) for ``weight_ih`` and the head,
            orthogonal (Saxe, McClelland & Ganguli 2014) for ``weight_hh``, zero biases, and ones for the LSTM's forget
            gate (Jozefowicz, Zaremba & Sutskever 2015).
        seed: the run's seed. ``uniform`` gives the same bits everywhere; orthogonal matrices go through LAPACK,
            whose last bits vary between builds.
        forget_bias: of the LSTM's forget gates, in place of what the scheme gives them; other cells have none.

    Returns:
        float64 arrays by canonical name, in canonical order; statistics, where the spec has any, come last.
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
