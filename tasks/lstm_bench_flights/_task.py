"""Airline passengers: windows of twelve months in, the next month out, a year forecast by feeding predictions back."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Evaluation, Predict, Recipe, Split, Task

WINDOW = 12
"""Months that the model reads before it says the next one."""

HELD_OUT = 12
"""Months at the end of the series that training never sees."""


@dataclass(frozen=True, kw_only=True)
class Series(Dataset):
    """The series with its windows.

    Attributes:
        passengers: thousands of passengers a month, `(144,)`.
        low: smallest and ...
        high: ... largest value of the training months, which are scaled to -1 and 1.
    """

    passengers: NDArray[np.float64]
    low: float
    high: float

    def scale(self, passengers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Passengers to the model's units."""
        return (passengers - self.low) / (self.high - self.low) * 2 - 1

    def unscale(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The model's units to passengers."""
        return (scaled + 1) / 2 * (self.high - self.low) + self.low


class Flights(Task[Series]):
    """Monthly totals of international airline passengers in thousands, 1949-01 to 1960-12.

    Source: G. E. P. Box & G. M. Jenkins, Time Series Analysis: Forecasting and Control (1976), series G.
    """

    def load(self, recipe: Recipe, options: Mapping[str, str], *, data_dir: Path | None, seed: int) -> Series:
        """Windows `(120, 12, 1)` of the scaled training months, each with the month that follows, `(120, 1)`."""
        with files("lstm_bench_flights").joinpath("airline_passengers.csv").open() as file:
            passengers = np.array([float(row["passengers"]) for row in csv.DictReader(file)])
        seen = passengers[:-HELD_OUT]
        low, high = seen.min(), seen.max()
        scaled = (seen - low) / (high - low) * 2 - 1
        windows = np.lib.stride_tricks.sliding_window_view(scaled, WINDOW + 1)
        return Series(
            train=Split(x=windows[:, :-1, None].copy(), y=windows[:, -1:].copy()),
            passengers=passengers,
            low=float(low),
            high=float(high),
        )

    def evaluate(self, predict: Predict, dataset: Series) -> Evaluation:
        """Forecast the held-out year twice: from its own predictions, and one month ahead from the true past.

        Metrics, in thousands of passengers: ``rmse``, ``mae`` and (in percent) ``mape`` of the year's forecast, and
        ``one_step_rmse``. The two forecasts are kept as series.
        """
        history = list(dataset.scale(dataset.passengers[:-HELD_OUT]))
        for _ in range(HELD_OUT):
            window = np.array(history[-WINDOW:])[None, :, None]
            history.append(float(predict(window)[0, 0]))
        forecast = dataset.unscale(np.array(history[-HELD_OUT:]))

        known = dataset.scale(dataset.passengers[-HELD_OUT - WINDOW : -1])
        windows = np.lib.stride_tricks.sliding_window_view(known, WINDOW)[:, :, None]
        one_step = dataset.unscale(predict(windows)[:, 0])
        return Evaluation(
            metrics=_errors(forecast, one_step, dataset.passengers[-HELD_OUT:]),
            series={"forecast": tuple(forecast.tolist()), "one_step": tuple(one_step.tolist())},
        )

    def baselines(self, dataset: Series) -> Mapping[str, Mapping[str, float]]:
        """What repeating the last value, and repeating the same month of the year before, would have given."""
        past, truth = dataset.passengers[:-HELD_OUT], dataset.passengers[-HELD_OUT:]
        last_year = past[-12:]
        return {
            "same month last year": _errors(last_year, last_year, truth),
            "last value": _errors(np.full(HELD_OUT, past[-1]), dataset.passengers[-HELD_OUT - 1 : -1], truth),
        }


def _errors(
    forecast: NDArray[np.float64], one_step: NDArray[np.float64], truth: NDArray[np.float64]
) -> dict[str, float]:
    error = forecast - truth
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "mape": float(np.mean(np.abs(error) / truth) * 100),
        "one_step_rmse": float(np.sqrt(np.mean((one_step - truth) ** 2))),
    }
