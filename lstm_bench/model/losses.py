"""The losses of ``TrainSpec`` in NumPy, for the evaluation of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lstm_bench.model.spec import Loss

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mean_loss(kind: Loss, logits: NDArray[Any], y: NDArray[Any]) -> float:
    """Compute the mean loss of some sequences in the precision of ``logits``.

    Args:
        kind: as in ``TrainSpec.loss``: ``"mse"`` is the mean over all elements, ``"cross_entropy"`` the mean over all
            labels of ``log(sum(exp(z))) - z[label]`` in nats.
        logits: `(..., O)`.
        y: targets `(..., O)` for ``"mse"``, labels `(...)` for ``"cross_entropy"``.
    """
    import numpy as np

    if kind == "mse":
        return float(np.mean((logits - y) ** 2))
    z = logits - logits.max(axis=-1, keepdims=True)  # the same loss, but exp cannot overflow
    chosen = np.take_along_axis(z, y[..., None].astype(np.intp), axis=-1)[..., 0]
    return float(np.mean(np.log(np.exp(z).sum(axis=-1)) - chosen))
