"""Whether torch multiplies float32 matrices in TF32 on CUDA: a switch of the whole process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lstm_bench import Precision

_switched_to: str | None = None
"""What the process multiplies in now, ``ieee`` or ``tf32``; ``None`` until somebody chooses."""


def format_of(precision: Precision) -> str:
    """What torch calls the format of a precision's products: ``tf32`` or ``ieee``."""
    return "tf32" if precision == "tf32" else "ieee"


def switch_to(chosen: str) -> None:
    """Choose the format of all products from here on, also in cuDNN's RNNs, which use TF32 unless told otherwise."""
    global _switched_to
    if chosen != _switched_to:
        torch.backends.cuda.matmul.fp32_precision = chosen
        torch.backends.cudnn.rnn.fp32_precision = chosen  # type: ignore[attr-defined]  # set up at run time
        _switched_to = chosen


def multiplying_in(chosen: str, forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A forward pass that switches the process to its own format first; the backward pass after it finds that set.

    torch reads the switch in every call, so a newer model in another precision would change what an older model
    computes. A process with one precision, such as a worker, pays for one comparison of two short texts per pass.
    """

    def forward_in_own_format(x: Tensor, **mode: Any) -> Tensor:
        if chosen != _switched_to:
            switch_to(chosen)
        return forward(x, **mode)

    return forward_in_own_format
