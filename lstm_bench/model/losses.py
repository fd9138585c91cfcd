"""The losses of ``TrainSpec`` in NumPy, for whoever judges what a model has learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lstm_bench.model.spec import Loss

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mean_loss(kind: Loss, logits: NDArray[Any], y: NDArray[Any]) -> float:
    """The loss of some sequences, as ``TrainSpec.loss`` says, in the precision of ``logits``.

    Args:
        kind: ``"mse"``, the mean over all elements, or ``"cross_entropy"``, the mean over all labels of
            ``log(sum(exp(z))) - z[label]`` in nats.
        logits: `(..., O)`.
        y: targets `(..., O)`, or labels `(...)`.
    """
    import numpy as np

    if kind == "mse":
        return float(np.mean((logits - y) ** 2))
    z = logits - logits.max(axis=-1, keepdims=True)  # which changes nothing, but keeps exp from overflowing
    chosen = np.take_along_axis(z, y[..., None].astype(np.intp), axis=-1)[..., 0]
    return float(np.mean(np.log(np.exp(z).sum(axis=-1)) - chosen))
