"""The next-number task: which digit comes next, and which after that."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Choice, Metric, ModelSpec, Recipe, TaskInfo, TrainSpec, hookimpl, lazy


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="next-number",
        summary="say the next digit of a sequence, and go on with it",
        # Not the continuation, in which one wrong digit makes the next ones wrong: what noise allows is known for this.
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
    )
