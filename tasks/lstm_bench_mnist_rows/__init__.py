"""The mnist-rows task: read the image of a digit row by row, and say which it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lstm_bench import LSTMBenchError, Metric, ModelSpec, Option, Recipe, Task, TaskInfo, TrainSpec, hookimpl
from lstm_bench_mnist_rows._files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

IMAGES = 60_000
"""That there are to learn from."""


def _load() -> Task[Any]:
    from lstm_bench_mnist_rows._task import MnistRows

    return MnistRows()


def _configure(recipe: Recipe, options: Mapping[str, str]) -> Recipe:
    """The recipe itself, once it is sure that there are as many images as are asked for."""
    try:
        count = int(options["train"])
    except ValueError:
        count = 0
    least = recipe.train.batch_size
    if not least <= count <= IMAGES:
        raise LSTMBenchError(
            f"option 'train' of task 'mnist-rows' must be a number of images from {least}, which a batch takes, to "
            f"{IMAGES}; got {options['train']!r}"
        )
    return recipe


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
        load=_load,
        options={"train": Option(default=str(IMAGES), meaning="learn from the first so many images")},
        configure=_configure,
        files=(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS),
    )
