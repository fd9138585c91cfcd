"""The adding problem (Hochreiter & Schmidhuber 1997): the sum of marked numbers."""

from dataclasses import dataclass

import numpy as np

from lstm_bench import (
    Dataset,
    Evaluation,
    Metric,
    ModelSpec,
    Option,
    Recipe,
    Split,
    Task,
    TaskInfo,
    TrainSpec,
    hookimpl,
    named_generator,
)


@hookimpl
def lstm_bench_tasks():
    """What this plugin adds."""
    return [
        TaskInfo(
            name="adding",
            summary="add the two marked numbers of a sequence",
            metric=Metric(name="rmse", unit="", better="lower"),
            recipes=(
                Recipe(
                    name="default",
                    summary="LSTM 32, Adam 1e-2, fresh sequences in every epoch",
                    model=ModelSpec(
                        input_size=2, hidden_sizes=(32,), output_size=1
                    ),
                    train=TrainSpec(
                        loss="mse",
                        optimizer="adam",
                        learning_rate=1e-2,
                        batch_size=32,
                        clip_norm=1.0,
                    ),
                    epochs=20,
                    evaluate_every=200,
                ),
            ),
            options={"time": Option(default="10", meaning="numbers in a sequence")},
            length="time",  # what --length sets
            load=Adding,
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Sums(Dataset):
    """Sequences, and what the next epoch is drawn by."""

    time: int
    seed: int


def draw(time, seed, *name):
    """1,600 sequences `(1600, T, 2)` of numbers and marks, and sums `(1600, 1)`."""
    generator = named_generator(seed, "adding", *name)
    x = np.zeros((1600, time, 2))
    x[:, :, 0] = generator.uniform(0, 1, (1600, time))
    marked = generator.permuted(np.tile(np.arange(time), (1600, 1)), axis=1)[:, :2]
    np.put_along_axis(x[:, :, 1], marked, 1.0, axis=1)
    return Split(x=x, y=(x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True))


class Adding(Task):
    """Its data, and how predictions are judged."""

    def load(self, recipe, options, *, data_dir, seed):
        time = int(options["time"])
        train, test = draw(time, seed, "epoch", "0"), draw(time, seed, "test")
        return Sums(train=train, test=test, time=time, seed=seed)

    def epoch(self, dataset, number):
        if number == 0:
            return dataset.train
        return draw(dataset.time, dataset.seed, "epoch", str(number))

    def evaluate(self, predict, dataset):
        error = rmse(predict(dataset.test.x), dataset.test.y)
        return Evaluation(metrics={"rmse": error})

    def baselines(self, dataset):
        wanted = dataset.test.y
        return {"always 1": {"rmse": rmse(np.ones_like(wanted), wanted)}}


def rmse(ours, truth):
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((ours - truth) ** 2)))
