"""The mnist-rows task: read the image of a digit row by row, and say which digit it is."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import Integer, Metric, ModelSpec, Recipe, TaskInfo, TrainSpec, hookimpl, lazy
from lstm_bench_mnist_rows._files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

IMAGES = 60_000
ROWS = 28
"""Training images of MNIST."""


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="mnist-rows",
        summary="say which digit an image shows, reading it row by row: 28 steps of 28 pixels, 10 classes",
        metric=Metric(name="accuracy", unit="", better="higher"),
        recipes=(
            Recipe(
                name="default",
                summary="the classic tutorial: LSTM 75, Adam 1e-3, batches of 50 in the files' order, 5 epochs",
                model=ModelSpec(input_size=28, hidden_sizes=(75,), output_size=10),
                train=TrainSpec(loss="cross_entropy", optimizer="adam", learning_rate=1e-3, batch_size=50),
                epochs=5,
                initialisation="glorot",
                evaluate_every=100,
            ),
            Recipe(
                name="stacked",
                summary="LSTM 128 -> 64 -> 32, Adam 1e-3, batches of 256, until nothing is gained on a tenth held out",
                model=ModelSpec(input_size=28, hidden_sizes=(128, 64, 32), output_size=10),
                train=TrainSpec(loss="cross_entropy", optimizer="adam", learning_rate=1e-3, batch_size=256),
                epochs=100,
                initialisation="glorot",
                shuffle=True,
                validation=0.1,
                patience=5,
                minimum_gain=1e-3,
            ),
        ),
        load=lazy("lstm_bench_mnist_rows._task:MnistRows"),
        options={"train": Integer(default=IMAGES, high=IMAGES, meaning="learn from the first so many images")},
        sequences=lambda recipe, options: options.train,
        time=lambda recipe, options: ROWS,
        files=(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS),
    )
