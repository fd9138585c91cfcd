"""Published times and observed series, stored beside the measurements."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from lstm_bench.errors import InvalidSpec
from lstm_bench.model.spec import Scope

_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A time that others have published for a recipe's computation, on other hardware.

    Attributes:
        name: the implementation that was measured, such as ``"PyTorch, cuDNN"``.
        hardware: the hardware that it ran on, with the known software versions.
        scope: the scope that was timed.
        seconds: time for one batch.
        source: the publication, in enough detail to look it up.
    """

    name: str
    hardware: str
    scope: Scope
    seconds: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The true series that a chart draws beside its forecasts.

    Attributes:
        forecast: key in ``Evaluation.series`` of a forecast of the last times of the series.
        title: the observed quantity with its unit.
        times: one ISO 8601 date for each value, in ascending order: ``"1949"``, ``"1949-01"`` or ``"1949-01-31"``.
        values: one number for each time.
        baselines: forecasts of the last times that need no model, by the names that ``Task.baselines`` uses.

    Raises:
        InvalidSpec: if a time has another format, times do not ascend, the numbers of times and values differ, or a
            value is not finite.
    """

    forecast: str
    title: str
    times: tuple[str, ...]
    values: tuple[float, ...]
    baselines: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for time in self.times:
            if not _DATE.fullmatch(time):
                raise InvalidSpec(
                    f"Observed.times must be dates such as '1949', '1949-01' or '1949-01-31'; got {time!r}"
                )
        if len(self.times) != len(self.values) or any(a >= b for a, b in pairwise(self.times)):
            raise InvalidSpec(f"Observed.times must ascend, one for each of the {len(self.values)} values")
        for name, values in {"values": self.values, **self.baselines}.items():
            if not all(map(math.isfinite, values)):
                raise InvalidSpec(f"Observed: {name!r} must be finite numbers")
        # JSON cannot hold NumPy's numbers.
        object.__setattr__(self, "times", tuple(self.times))
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        object.__setattr__(self, "baselines", {name: tuple(map(float, of)) for name, of in self.baselines.items()})
