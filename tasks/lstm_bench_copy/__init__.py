"""The copy task: repeat, after a delay, the symbols that came before it."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Integer, Metric, ModelSpec, Recipe, TaskInfo, TrainSpec, hookimpl, lazy

BATCHES = 100
"""Batches in an epoch."""

LARGEST = {"delay": 1000, "symbols": 100}
"""The largest values of options: one-hot inputs take 40 bytes for each step of an epoch's 6,400 sequences."""


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="copy",
        summary="say again the symbols that were seen before a delay",
        metric=Metric(name="recall", unit="", better="higher"),
        recipes=(
            Recipe(
                name="default",
                summary="LSTM 128, Adam 5e-3, batches of 64 that never repeat, until 99% are recalled",
                model=ModelSpec(input_size=10, hidden_sizes=(128,), output_size=9, readout="all"),
                train=TrainSpec(
                    loss="cross_entropy", optimizer="adam", learning_rate=5e-3, batch_size=64, clip_norm=1.0
                ),
                epochs=120,
                # Gates begin open: seed 0 took 7,200 steps with a forget bias of 1, and 10,800 without. Glorot's scheme
                # is no choice here: its orthogonal recurrence lets a tanh RNN without gates recall up to 0.97.
                initialisation="uniform",
                forget_bias=1.0,
                evaluate_every=100,
                target=0.99,
            ),
        ),
        load=lazy("lstm_bench_copy._task:Copy"),
        options={
            "delay": Integer(
                default=20,
                high=LARGEST["delay"],
                meaning="steps between the last symbol seen and the first said, the go signal among them",
            ),
            "symbols": Integer(default=5, high=LARGEST["symbols"], meaning="how many are to be remembered"),
        },
        sequences=lambda recipe, options: BATCHES * recipe.train.batch_size,
        time=lambda recipe, options: options.delay + 2 * options.symbols,
        length="delay",
    )
