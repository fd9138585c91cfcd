"""The kinds of quantities that are compared in a case."""

from __future__ import annotations

from typing import Any

import msgspec
from numpy.typing import NDArray

from lstm_bench.plugin.backend import Ability

STAGES = ("forward", "backward", "update")


class QuantityKind(msgspec.Struct, frozen=True):
    """A kind of quantity, such as ``final h``.

    Attributes:
        name: its row in the table.
        stage: ``forward``, ``backward`` or ``update``, which chooses the tolerance.
    """

    name: str
    stage: str


OUTPUTS = QuantityKind("outputs", "forward")
FINAL_H, FINAL_C = QuantityKind("final h", "forward"), QuantityKind("final c", "forward")
LOGITS, LOSS = QuantityKind("logits", "forward"), QuantityKind("loss", "forward")
D_IH, D_HH, D_BIAS = (
    QuantityKind("dW_ih", "backward"),
    QuantityKind("dW_hh", "backward"),
    QuantityKind("db", "backward"),
)
D_NORM, D_HEAD, D_X = (
    QuantityKind("d batch norm", "backward"),
    QuantityKind("d head", "backward"),
    QuantityKind("dx", "backward"),
)
D_NATIVE = QuantityKind("native gradients", "backward")
"""What ``Model.differentiate`` leaves on the device, all numbers of all gradients in order of size."""
LOSSES = QuantityKind("training losses", "update")
AFTER_1, AFTER_20 = (
    QuantityKind("parameters after 1 step", "update"),
    QuantityKind("parameters after 20 steps", "update"),
)
STATISTICS = QuantityKind("batch norm statistics", "update")
TRAINED_LOGITS = QuantityKind("logits after training", "update")
D_TRAINED = QuantityKind("native gradients after training", "update")

KINDS = (
    OUTPUTS,
    FINAL_H,
    FINAL_C,
    LOGITS,
    LOSS,
    D_IH,
    D_HH,
    D_BIAS,
    D_NORM,
    D_HEAD,
    D_X,
    D_NATIVE,
    LOSSES,
    AFTER_1,
    AFTER_20,
    STATISTICS,
    TRAINED_LOGITS,
    D_TRAINED,
)

GRADIENT_KINDS = {"weight_ih": D_IH, "weight_hh": D_HH, "bias": D_BIAS, "bias_hn": D_BIAS}
"""The kind of the gradient of a layer's parameter, by the last part of its name."""

FIRST_LOGITS, AGAIN, SECOND, ALIKE = (
    "logits",
    "logits asked for again",
    "logits of a second batch",
    "logits of a batch that begins like the first",
)
"""Names of logits of the untrained model."""

AFTER_GRADIENTS = "logits after gradients"

NATIVE_LOSS = "loss of differentiate"
"""How the names of losses that ``Model.differentiate`` returns begin."""

Key = tuple[QuantityKind, str]
"""The kind and name of an array."""

Arrays = dict[Key, NDArray[Any]]


def ability_of(key: Key) -> Ability | None:
    """Return the ability that an array needs; ``None`` for logits, which every backend computes."""
    kind, name = key
    if kind in (OUTPUTS, FINAL_H, FINAL_C):
        return "states"
    if kind is D_X:
        return "input_gradient"
    if kind in (D_NATIVE, D_TRAINED) or name.startswith(NATIVE_LOSS):
        return "differentiate"
    return None if kind is LOGITS and name != AFTER_GRADIENTS else "train"


def is_statistic(name: str) -> bool:
    """Whether this is a running statistic of batch norm, which the optimizer does not train."""
    return name in ("batch_norm.mean", "batch_norm.variance")
