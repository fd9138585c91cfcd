"""From passengers to what a model learns, and back; fitted on months that are past, and told of no others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lstm_bench_flights._months import YEAR


class Scale(ABC):
    """A scale that holds what it was fitted on.

    Attributes:
        lost: months at the beginning of a series that have no value on this scale.
    """

    lost: ClassVar[int]

    @abstractmethod
    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        """A series of passengers `(N,)` in the model's units, `(N - lost,)`."""

    @abstractmethod
    def unscale(self, scaled: NDArray[np.float64], year_before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Passengers from the model's units.

        Args:
            scaled: months in the model's units, of any shape.
            year_before: passengers twelve months before each, of the same shape.
        """


@dataclass(frozen=True)
class Range(Scale):
    """Passengers, between -1 for ``low`` and 1 for ``high``."""

    low: float
    high: float
    lost: ClassVar[int] = 0

    @classmethod
    def fit(cls, passengers: NDArray[np.float64]) -> Range:
        """Between the smallest and the largest of these."""
        return cls(float(passengers.min()), float(passengers.max()))

    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        return (passengers - self.low) / (self.high - self.low) * 2 - 1

    def unscale(self, scaled: NDArray[np.float64], year_before: NDArray[np.float64]) -> NDArray[np.float64]:
        return (scaled + 1) / 2 * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Growth(Scale):
    """Logarithm of a month's passengers over those of the same month last year, standardised.

    The seasons and the trend are gone from it, and it varies as much in small years as in large ones.
    """

    mean: float
    deviation: float
    lost: ClassVar[int] = YEAR

    @classmethod
    def fit(cls, passengers: NDArray[np.float64]) -> Growth:
        """With the mean and the standard deviation of a series' growth."""
        growth = log_growth(passengers)
        return cls(float(growth.mean()), float(growth.std()))

    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        return (log_growth(passengers) - self.mean) / self.deviation

    def unscale(self, scaled: NDArray[np.float64], year_before: NDArray[np.float64]) -> NDArray[np.float64]:
        return year_before * np.exp(scaled * self.deviation + self.mean)


def log_growth(passengers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of each month's passengers over those of twelve months before, `(N - 12,)`."""
    growth: NDArray[np.float64] = np.log(passengers[YEAR:] / passengers[:-YEAR])
    return growth
