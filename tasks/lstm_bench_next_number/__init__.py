"""The next-number task: say the next digit of a sequence, and continue the sequence."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Choice, Metric, ModelSpec, Recipe, TaskInfo, TrainSpec, hookimpl, lazy

TRAINED, WINDOW = 100, 10
"""Windows in an epoch, and digits in a window."""


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="next-number",
        summary="say the next digit of a sequence, and go on with it",
        # A wrong digit in a continuation makes the next digits wrong. The best accuracy under noise is known.
        metric=Metric(name="accuracy", unit="", better="higher"),
        recipes=(
            Recipe(
                name="default",
                summary="LSTM 50, Adam 1e-3, one window at a time, 100 epochs",
                model=ModelSpec(input_size=10, hidden_sizes=(50,), output_size=10),
                train=TrainSpec(loss="cross_entropy", optimizer="adam", learning_rate=1e-3, batch_size=1),
                epochs=100,
                shuffle=True,
            ),
        ),
        load=lazy("lstm_bench_next_number._task:NextNumber"),
        options={
            "sequence": Choice(
                default="counting",
                meaning="0 to 9 over and over, a pattern of eleven digits, or that with a tenth of them replaced",
                choices=("counting", "pattern", "noisy"),
            )
        },
        sequences=lambda recipe, options: TRAINED,
        time=lambda recipe, options: WINDOW,
    )
