"""The adding problem (Hochreiter & Schmidhuber 1997): the sum of marked numbers."""

from dataclasses import dataclass

import numpy as np

from lstm_bench import (
    Dataset,
    Evaluation,
    Integer,
    Metric,
    ModelSpec,
    Recipe,
    Split,
    Task,
    TaskInfo,
    TrainSpec,
    hookimpl,
    named_generator,
)

EPOCH = 1600
"""Sequences in an epoch."""


@hookimpl
def lstm_bench_tasks():
    """The task that this file adds."""
    recipe = Recipe(
        name="default",
        summary="LSTM 32, Adam 1e-2, fresh sequences in every epoch",
        model=ModelSpec(input_size=2, hidden_sizes=(32,), output_size=1),
        train=TrainSpec(
            loss="mse",
            optimizer="adam",
            learning_rate=1e-2,
            batch_size=32,
            clip_norm=1.0,
        ),
        epochs=20,
        evaluate_every=200,
    )
    time = Integer(default=10, low=2, high=1000, meaning="numbers in a sequence")
    yield TaskInfo(
        name="adding",
        summary="add the two marked numbers of a sequence",
        metric=Metric(name="rmse", unit="", better="lower"),
        recipes=(recipe,),
        options={"time": time},
        length="time",  # the option that --length sets
        sequences=lambda recipe, options: EPOCH,
        load=Adding,
    )


@dataclass(frozen=True, kw_only=True)
class Sums(Dataset):
    """Sequences with their sums, and the seed that draws more of them."""

    seed: int


def draw(time, seed, *name):
    """Numbers and marks `(1600, T, 2)`, and the sums of the marked `(1600, 1)`."""
    generator = named_generator(seed, "adding", *name)
    x = np.zeros((EPOCH, time, 2))
    x[:, :, 0] = generator.uniform(0, 1, (EPOCH, time))
    marked = generator.permuted(np.tile(np.arange(time), (EPOCH, 1)), axis=1)[:, :2]
    np.put_along_axis(x[:, :, 1], marked, 1.0, axis=1)
    return Split(x=x, y=(x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True))


class Adding(Task):
    """Loads the data, and judges predictions."""

    def load(self, recipe, options, *, data_dir, seed):
        train = draw(options.time, seed, "epoch", "0")
        return Sums(train=train, test=draw(options.time, seed, "test"), seed=seed)

    def epoch(self, dataset, number):
        time = dataset.train.x.shape[1]
        return draw(time, dataset.seed, "epoch", str(number))

    def evaluate(self, predict, dataset):
        return Evaluation({"rmse": rmse(predict(dataset.test.x), dataset.test.y)})

    def baselines(self, dataset):
        wanted = dataset.test.y
        return {"always 1": {"rmse": rmse(np.ones_like(wanted), wanted)}}


def rmse(ours, truth):
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((ours - truth) ** 2)))
