"""Dates of a series as places on an axis and as labels."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lstm_bench.charts.axes import ChartAxis

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MOST_LABELS = 12
"""Labels along an axis."""

MOST_LONG_LABELS = 6
"""Labels along an axis, where each names the year, too."""

COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
"""Numbers that are written as words."""


@dataclass(frozen=True)
class ChartDate:
    """A year, a month or a day, as ``Observed.times`` names it.

    Attributes:
        year: such as 1949.
        month: from 1 to 12; ``None`` for a whole year.
        day: from 1 to 31; ``None`` for a whole month or year.
    """

    year: int
    month: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, text: str) -> ChartDate:
        """Read ``"1949"``, ``"1949-01"`` or ``"1949-01-31"``."""
        return cls(*map(int, text.split("-")))

    @property
    def unit(self) -> str:
        """``year``, ``month`` or ``day``."""
        return "year" if self.month is None else "month" if self.day is None else "day"

    @property
    def begin(self) -> float:
        """The place of its beginning on an axis: the year and the part of it that has passed.

        Months are twelfths of a year, so that monthly values stand at equal distances.
        """
        if self.month is None:
            return float(self.year)
        if self.day is None:
            return self.year + (self.month - 1) / 12
        return self.year + self._day_of_year / self._days

    @property
    def end(self) -> float:
        """The place of its end on an axis, in the same measure."""
        if self.month is None:
            return float(self.year + 1)
        if self.day is None:
            return self.year + self.month / 12
        return self.year + (self._day_of_year + 1) / self._days

    @property
    def label(self) -> str:
        """The text at its tick, where the axis title names the year: ``Jan``, ``31 Jan``; a year is ``1949``."""
        if self.month is None:
            return str(self.year)
        return MONTHS[self.month - 1] if self.day is None else f"{self.day} {MONTHS[self.month - 1]}"

    @property
    def long_label(self) -> str:
        """The text at its tick with the year: ``1949``, ``Jan 1949``, ``31 Jan 1949``."""
        return self.label if self.month is None else f"{self.label} {self.year}"

    def precedes(self, other: ChartDate) -> bool:
        """Whether another date is of the same unit and comes next."""
        return self.unit == other.unit and math.isclose(self.end, other.begin, rel_tol=0, abs_tol=1e-6)

    @property
    def _day_of_year(self) -> int:
        """Days of the year that have passed before this day."""
        assert self.month is not None
        assert self.day is not None
        return sum(calendar.monthrange(self.year, month)[1] for month in range(1, self.month)) + self.day - 1

    @property
    def _days(self) -> int:
        return 365 + calendar.isleap(self.year)


def axis_of_all(dates: Sequence[ChartDate]) -> ChartAxis:
    """Make an axis over a whole series, with a tick at round years, or at some of its dates if it is short."""
    low, high = dates[0].begin, dates[-1].end
    labels = {float(year): str(year) for year in _round_years(low, high)}
    if len(labels) < 2 or len(dates) <= MOST_LONG_LABELS:
        labels = {date.begin: date.long_label for date in _some(dates, MOST_LONG_LABELS)}
    return ChartAxis("", low, high, labels=labels)


def axis_of_few(dates: Sequence[ChartDate]) -> ChartAxis:
    """Make an axis from the first to the last of some dates, with their labels; the title names their years."""
    low, high = dates[0].begin, dates[-1].begin
    if low == high:  # An axis needs some extent: a single date stands in the middle.
        low, high = low - (dates[0].end - low), dates[0].end
    years = dict.fromkeys(str(date.year) for date in (dates[0], dates[-1]) if date.month is not None)
    labels = {date.begin: date.label for date in _some(dates, MOST_LABELS)}
    return ChartAxis(" to ".join(years), low, high, labels=labels)


def the_last(dates: Sequence[ChartDate]) -> str:
    """Count the last dates in words: ``the last twelve months``; ``times`` if the dates do not follow each other."""
    successive = all(date.precedes(following) for date, following in pairwise(dates))
    unit = dates[0].unit if successive else "time"
    if len(dates) == 1:
        return f"the last {unit}"
    number = COUNTS[len(dates)] if len(dates) < len(COUNTS) else f"{len(dates):,}"
    return f"the last {number} {unit}s"


def _some(dates: Sequence[ChartDate], most: int) -> Sequence[ChartDate]:
    """Choose dates at equal distances, all of them if they are few."""
    return dates[:: math.ceil(len(dates) / most)]


def _round_years(low: float, high: float) -> list[int]:
    """Choose the years to name: every second, less where they are too many, every one where they are too few."""
    years: list[int] = []
    for step in (2, 5, 10, 20, 50, 100, 200, 500, 1000):
        years = list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))
        if len(years) <= MOST_LABELS:
            break
    return years if len(years) > 1 else list(range(math.ceil(low), math.floor(high) + 1))
