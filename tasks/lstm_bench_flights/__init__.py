"""The flights task: forecast a year of airline passengers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lstm_bench import Integer, Metric, ModelSpec, Options, Recipe, TaskInfo, TrainSpec, hookimpl, lazy
from lstm_bench_flights._months import MOST_ORIGINS, WINDOW, YEAR, windows


def _configure(recipe: Recipe, options: Options) -> Recipe:
    """Let the last year before the first origin validate, however many windows are left to learn from."""
    if not recipe.validation:
        return recipe
    return msgspec.structs.replace(recipe, validation=YEAR / _sequences(recipe, options))


def _sequences(recipe: Recipe, options: Options) -> int:
    return windows(recipe.name, options.origins)


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
            # Rolling origins on the years before 1960 chose these values. The forecast of 1960 had no say.
            Recipe(
                name="robust",
                summary="growth over last year, in logarithms: LSTM 16, Adam 1e-3, shuffled, stopped early by a year",
                model=ModelSpec(input_size=1, hidden_sizes=(16,), output_size=1),
                train=TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=16, clip_norm=1.0),
                epochs=300,
                shuffle=True,
                validation=YEAR / windows("robust", origins=1),
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
        sequences=_sequences,
        time=lambda recipe, options: WINDOW,
        observed=lazy("lstm_bench_flights._task:observed"),
        default=True,
    )
