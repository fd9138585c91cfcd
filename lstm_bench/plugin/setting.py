"""The setting of a backend: precision, device and options."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_bench.model.spec import Precision
from lstm_bench.plugin.options import NO_OPTIONS, Options


@dataclass(frozen=True)
class Setting:
    """How to compute a model.

    Attributes:
        precision: precision to compute in.
        device: one of ``Backend.devices``, such as ``cpu`` or ``cuda:0``.
        options: the values of all options of the backend.
    """

    precision: Precision
    device: str = "cpu"
    options: Options = NO_OPTIONS
