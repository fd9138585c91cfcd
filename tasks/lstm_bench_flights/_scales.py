"""Scales between passengers and the numbers that a model learns; each is fitted on past months alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstm_bench_flights._months import YEAR


class Scale(ABC):
    """Turns passengers into a model's units, and back."""

    @abstractmethod
    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        """A series of passengers `(N,)` in the model's units: `(N,)`, or `(N - 12,)` for growth over last year."""

    @abstractmethod
    def unscale(self, scaled: NDArray[np.float64], year_before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Passengers from the model's units.

        Args:
            scaled: months in the model's units, an array of any shape.
            year_before: passengers twelve months before each month, an array of the same shape.
        """


@dataclass(frozen=True)
class Range(Scale):
    """Passengers from ``low`` to ``high``, mapped to -1 to 1."""

    low: float
    high: float

    @classmethod
    def fit(cls, passengers: NDArray[np.float64]) -> Range:
        """The scale from the smallest to the largest number of passengers."""
        return cls(float(passengers.min()), float(passengers.max()))

    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        return (passengers - self.low) / (self.high - self.low) * 2 - 1

    def unscale(self, scaled: NDArray[np.float64], year_before: NDArray[np.float64]) -> NDArray[np.float64]:
        return (scaled + 1) / 2 * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Growth(Scale):
    """Standardised growth: the logarithm of a month's passengers over those of the same month last year.

    Growth has no seasons and no trend, and varies as much in small years as in large ones.
    """

    mean: float
    deviation: float

    @classmethod
    def fit(cls, passengers: NDArray[np.float64]) -> Growth:
        """The scale with the mean and the standard deviation of a series' growth."""
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
