"""The flights task: forecast a year of airline passengers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lstm_bench import Metric, ModelSpec, Option, Recipe, Task, TaskInfo, TrainSpec, hookimpl
from lstm_bench_flights._months import MOST_ORIGINS


def _load() -> Task[Any]:
    from lstm_bench_flights._task import Flights

    return Flights()


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
        ),
        load=_load,
        options={
            "origins": Option(
                default="1",
                meaning="years that are forecast, each from what is known when it begins; none is learnt from",
                choices=tuple(str(number) for number in range(1, MOST_ORIGINS + 1)),
            )
        },
    )
