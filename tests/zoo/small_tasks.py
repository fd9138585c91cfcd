"""A plugin of small tasks that exercise the training loop, and of a backend that ignores trained weights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import lstm_bench_numpy
from lstm_bench import (
    BackendInfo,
    Dataset,
    Evaluation,
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
from lstm_bench_numpy._model import NumpyBackend

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()

MODEL = ModelSpec(input_size=2, hidden_sizes=(8,), output_size=1)
TRAIN = TrainSpec(loss="mse", optimizer="adam", learning_rate=0.02, batch_size=4)


class Noise(Task):
    """Random targets: whatever a model learns from the training sequences is wrong for all others."""

    def load(self, recipe, options, *, data_dir, seed):
        generator = named_generator(seed, "noise")
        x, y = generator.standard_normal((40, 5, 2)), generator.standard_normal((40, 1))
        return Dataset(train=Split(x=x[:30], y=y[:30]), test=Split(x=x[30:], y=y[30:]))

    def evaluate(self, predict, dataset):
        return Evaluation(metrics={"error": float(np.mean((predict(dataset.test.x) - dataset.test.y) ** 2))})


class Shapes(Noise):
    """Is about speed alone, so nothing may evaluate it."""

    def evaluate(self, predict, dataset):
        raise AssertionError("a task without a metric is evaluated")


class ForgetsWhatItIsGiven(NumpyBackend):
    """Builds with the initial weights when it is given trained ones, which it knows by their float32."""

    def build(self, spec, train, parameters, setting, *, seed):
        trained = next(iter(parameters.values())).dtype == np.float32
        self._first = getattr(self, "_first", parameters)
        return super().build(spec, train, self._first if trained else parameters, setting, seed=seed)


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="noise",
        summary="what cannot be learnt",
        metric=Metric(name="error", unit="", better="lower"),
        load=Noise,
        recipes=(
            Recipe(
                name="patient",
                summary="until the validation loss has not fallen for three epochs",
                model=MODEL,
                train=TRAIN,
                epochs=200,
                shuffle=True,
                validation=0.2,
                patience=3,
            ),
            Recipe(
                name="aimed",
                summary="until the error is what it is at once",
                model=MODEL,
                train=TRAIN,
                epochs=200,
                evaluate_every=2,
                target=1e9,
            ),
        ),
    )
    yield TaskInfo(
        name="shapes",
        summary="about speed alone",
        metric=None,
        load=Shapes,
        recipes=(
            Recipe(name="small", summary="", model=MODEL, train=TRAIN, epochs=0, scopes=("infer",)),
            Recipe(name="trained", summary="", model=MODEL, train=TRAIN, epochs=0, scopes=("train", "gradient")),
        ),
    )


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="forgets", summary="ignores trained weights", load=ForgetsWhatItIsGiven, abilities=NUMPY.abilities
    )
