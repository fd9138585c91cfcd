"""The flights task: forecast a year of airline passengers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lstm_bench import Integer, Metric, ModelSpec, Options, Recipe, TaskInfo, TrainSpec, hookimpl, lazy
from lstm_bench_flights._months import MONTHS, MOST_ORIGINS, WINDOW, YEAR


def _configure(recipe: Recipe, options: Options) -> Recipe:
    """Validate on the last year of those that are left to learn from, however many these are."""
    if not recipe.validation:
        return recipe
    return msgspec.structs.replace(recipe, validation=YEAR / _windows(recipe, options))


def _windows(recipe: Recipe, options: Options) -> int:
    """Windows of months that are not held out. Recipe ``robust`` learns growth, which the first year does not have."""
    lost = YEAR if recipe.name == "robust" else 0
    held_out: int = YEAR * options.origins
    return MONTHS - held_out - lost - WINDOW


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="flights",
        summary="forecast the last twelve months of the airline passengers 1949-1960",
        metric=Metric(name="rmse", unit="passengers", better="lower"),
        recipes=(
            Recipe(
                name="tutorial",
                summary="the classic tutorial: LSTM 100, Adam 1e-3, one window at a time, 300 epochs",
                model=ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1),
                train=TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=1),
                epochs=300,
            ),
            # Chosen by rolling origins on the years before 1960 alone, and not by how 1960 is forecast.
            Recipe(
                name="robust",
                summary="growth over last year, in logarithms: LSTM 16, Adam 1e-3, shuffled, stopped early by a year",
                model=ModelSpec(input_size=1, hidden_sizes=(16,), output_size=1),
                train=TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=16, clip_norm=1.0),
                epochs=300,
                shuffle=True,
                validation=YEAR / (MONTHS - 2 * YEAR - WINDOW),
                patience=20,
            ),
        ),
        load=lazy("lstm_bench_flights._task:Flights"),
        options={
            "origins": Integer(
                default=1,
                meaning="years that are forecast, each from what is known when it begins; none is learnt from",
                high=MOST_ORIGINS,
            )
        },
        configure=_configure,
        sequences=_windows,
        observed=lazy("lstm_bench_flights._task:observed"),
        default=True,
    )
