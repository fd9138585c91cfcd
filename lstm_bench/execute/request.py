"""The request for a run: everything that a user may ask of it, checked before anything starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lstm_bench.errors import InvalidRequest, UnknownName
from lstm_bench.model.axes import AXES
from lstm_bench.model.spec import PRECISIONS, Precision
from lstm_bench.record.configuration import EFFORTS, Effort
from lstm_bench.text import is_unicode

EPOCHS = (1, 10**6)
STEPS = (1, 10**9)
THREADS = (1, 4096)
SEED = (0, 2**63 - 1)
"""Each is the least and the largest number that a user may ask for."""

LONGEST_TIMEOUT = 10.0**7
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that a user asks of a run. Several values of one field make a grid.

    Attributes:
        backends: selectors such as ``keras[engine=jax]``; empty for every installed backend.
        tasks: selectors such as ``flights:tutorial``; empty for the default task.
        devices: device names such as ``cpu`` or ``cuda:0``.
        precisions: what to compute in.
        lengths: time steps of a sequence, as text, for tasks that have an option for it; empty for what tasks and
            selectors say.
        axes: values as text, by axis of ``lstm_bench.model.axes.AXES``; an axis without values leaves the recipe's.
        seeds: of weights, order and data. The first also decides the order of the turns.
        effort: how long to measure.
        epochs: passes over the data; ``None`` for what recipe and effort say.
        steps: optimizer steps after which training ends; ``None`` for no limit but the epochs.
        threads: processor threads for each worker; ``None`` for as many as this process has cores.
        require_kernel: kernel that must compute inference and training, such as ``onednn|cudnn``; empty for any.
        timeout: seconds after which a worker is stopped.

    Raises:
        UnknownName: for a precision or an axis that does not exist.
        InvalidRequest: for any other value that makes no sense, naming the field.
    """

    backends: Sequence[str] = ()
    tasks: Sequence[str] = ()
    devices: Sequence[str] = ("cpu",)
    precisions: Sequence[Precision] = ("float32",)
    lengths: Sequence[str] = ()
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    effort: Effort = EFFORTS["default"]
    epochs: int | None = None
    steps: int | None = None
    threads: int | None = None
    require_kernel: str = ""
    timeout: float = 900.0

    def __post_init__(self) -> None:
        for name in ("backends", "tasks", "devices", "precisions", "lengths"):
            _require_texts(name, getattr(self, name))
        for name, values in self.axes.items():
            if name not in AXES:
                raise UnknownName("axis", name, AXES)
            _require_texts(f"axes[{name!r}]", values)
        for precision in self.precisions:
            if precision not in PRECISIONS:
                raise UnknownName("precision", precision, PRECISIONS)
        for name in ("devices", "precisions", "seeds"):
            if not getattr(self, name):
                raise InvalidRequest(name, "must not be empty")
        for seed in self.seeds:
            _require_whole("seeds", seed, SEED)
        for name, limits in (("epochs", EPOCHS), ("steps", STEPS), ("threads", THREADS)):
            if (number := getattr(self, name)) is not None:
                _require_whole(name, number, limits)
        _require_cores(self.threads)
        _require_text("require_kernel", self.require_kernel)
        if not is_unicode(self.require_kernel):  # it goes to workers and into files as it is
            raise InvalidRequest("require_kernel", f"must be in UTF-8; got {self.require_kernel!r}")
        _require_seconds("timeout", self.timeout)


def _require_texts(name: str, values: object) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidRequest(name, f"must be a list of texts; got {values!r}")
    for value in values:
        _require_text(name, value)


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(name, f"must be text; got {value!r}")


def _require_whole(name: str, value: Any, limits: tuple[int, int]) -> None:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRequest(name, f"must be a whole number from {low} to {high}; got {value!r}")


def _require_cores(threads: int | None) -> None:
    from lstm_bench.host.machine import usable_cores

    if threads is not None and threads > (cores := usable_cores()):
        raise InvalidRequest("threads", f"{threads} is more than the {cores} cores that this process may use")


def _require_seconds(name: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    if not is_number or not 0 < value <= LONGEST_TIMEOUT:
        raise InvalidRequest(name, f"must be a number of seconds above 0, up to {LONGEST_TIMEOUT:.0f}; got {value!r}")
