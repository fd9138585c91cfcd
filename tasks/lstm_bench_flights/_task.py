"""Airline passengers: the model reads twelve months and says the next; it forecasts a year from its own predictions."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Evaluation, Observed, Options, Predict, Recipe, Split, Task
from lstm_bench_flights._months import MONTHS, WINDOW, YEAR, windows
from lstm_bench_flights._scales import Growth, Range, Scale, log_growth

SCALES: Mapping[str, type[Range] | type[Growth]] = {"tutorial": Range, "robust": Growth}
"""The scale on which each recipe learns."""


@dataclass(frozen=True, kw_only=True)
class Series(Dataset):
    """The series with its windows.

    Attributes:
        passengers: thousands of passengers a month, `(144,)`.
        units: the model's units, fitted on the months before those that validate or are held out.
        origins: years that are forecast, each from its own January; the last is 1960.
    """

    passengers: NDArray[np.float64]
    units: Scale
    origins: int

    @property
    def held_out(self) -> int:
        """Months at the end of the series that training never sees."""
        return YEAR * self.origins

    @property
    def year_before(self) -> NDArray[np.float64]:
        """Passengers twelve months before each held-out month. A forecast knows them: they lie before its origin."""
        return self.passengers[-self.held_out - YEAR : -YEAR]


def read_passengers() -> NDArray[np.float64]:
    """The whole series, `(144,)`."""
    with files("lstm_bench_flights").joinpath("airline_passengers.csv").open() as file:
        return np.array([float(row["passengers"]) for row in csv.DictReader(file)])


class Flights(Task[Series]):
    """Monthly totals of international airline passengers in thousands, 1949-01 to 1960-12.

    Source: G. E. P. Box & G. M. Jenkins, Time Series Analysis: Forecasting and Control (1976), series G.

    Several origins make the evaluation a rolling one (L. J. Tashman, Out-of-sample tests of forecasting accuracy,
    International Journal of Forecasting 16, 2000). The model is trained once, before the first origin.
    """

    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> Series:
        """Windows `(N, 12, 1)` of the scaled training months, each with the month that follows, `(N, 1)`.

        The tutorial has 120 windows. Each further origin takes 12 away, and so does ``Growth``.
        """
        passengers = read_passengers()
        seen = passengers[: MONTHS - YEAR * options.origins]
        validating = round(recipe.validation * windows(recipe.name, options.origins))
        units = SCALES[recipe.name].fit(seen[: len(seen) - validating])
        cut = np.lib.stride_tricks.sliding_window_view(units.scale(seen), WINDOW + 1)
        return Series(
            train=Split(x=cut[:, :-1, None].copy(), y=cut[:, -1:].copy()),
            passengers=passengers,
            units=units,
            origins=options.origins,
        )

    def evaluate(self, predict: Predict, dataset: Series) -> Evaluation:
        """Forecast the held-out years twice: from the model's own predictions, and one month ahead from the true past.

        Metrics are over the months of all origins, in thousands of passengers: ``rmse`` and ``mae`` of the years'
        forecasts, their ``mape`` in percent, and ``one_step_rmse``. Both forecasts are kept as series.
        """
        scaled = dataset.units.scale(dataset.passengers)
        known = np.lib.stride_tricks.sliding_window_view(scaled[-dataset.held_out - WINDOW : -1], WINDOW)
        one_step = dataset.units.unscale(predict(known[:, :, None])[:, 0], dataset.year_before)

        history = known[::YEAR]  # the months before each origin
        for _ in range(YEAR):
            history = np.hstack([history, predict(history[:, -WINDOW:, None])[:, :1]])
        forecast = dataset.units.unscale(history[:, -YEAR:].ravel(), dataset.year_before)
        return Evaluation(
            metrics=_errors(forecast, one_step, dataset.passengers[-dataset.held_out :]),
            series={"forecast": tuple(forecast.tolist()), "one_step": tuple(one_step.tolist())},
        )

    def baselines(self, dataset: Series) -> Mapping[str, Mapping[str, float]]:
        """The errors of forecasts without a model: the last value again, and the same month last year again.

        A recipe that learns growth has a third baseline: the mean of all growth until then.
        """
        truth = dataset.passengers[-dataset.held_out :]
        return {name: _errors(*forecasts, truth) for name, forecasts in _without_model(dataset).items()}


def observed(recipe: Recipe, options: Options) -> Observed:
    """The whole series, and the forecasts of the baselines."""
    dataset = Flights().load(recipe, options, data_dir=None, seed=0)
    return Observed(
        forecast="forecast",
        title="passengers, thousands a month",
        times=tuple(f"{1949 + month // YEAR}-{month % YEAR + 1:02}" for month in range(MONTHS)),
        values=tuple(dataset.passengers.tolist()),
        baselines={name: tuple(year.tolist()) for name, (year, _) in _without_model(dataset).items()},
    )


def _without_model(dataset: Series) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Each baseline's two forecasts of the held-out months: a year at a time, and one month ahead."""
    months = np.arange(MONTHS - dataset.held_out, MONTHS)
    origin = np.repeat(months[::YEAR], YEAR)
    passengers, last_year = dataset.passengers, dataset.year_before
    found = {
        "same month last year": (last_year, last_year),
        "last value": (passengers[origin - 1], passengers[months - 1]),
    }
    if isinstance(dataset.units, Growth):

        def grown(known: NDArray[np.intp]) -> NDArray[np.float64]:
            return last_year * np.exp([log_growth(passengers[:end]).mean() for end in known])

        found["mean growth over last year"] = (grown(origin), grown(months))
    return found


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
