"""How a model is to be computed: the precision, the device, and the backend's options."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_bench.model.spec import Precision
from lstm_bench.plugin.options import NO_OPTIONS, Options


@dataclass(frozen=True)
class Setting:
    """How a backend is to compute.

    Attributes:
        precision: what to compute in.
        device: one of the backend's devices, such as ``cpu`` or ``cuda:0``.
        options: every option of the backend.
    """

    precision: Precision
    device: str = "cpu"
    options: Options = NO_OPTIONS
