"""A beginner's loop in Keras: ``compile``, then ``train_on_batch`` and ``predict_on_batch`` for each batch."""

from __future__ import annotations

import keras

from shapes import Scopes, Shape


def build(shape: Shape) -> Scopes:
    """Training and inference; the tutorial has no gradient alone."""
    model = keras.Sequential(
        [keras.Input((shape.steps, shape.features)), keras.layers.LSTM(shape.hidden), keras.layers.Dense(shape.outputs)]
    )
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss="mse" if shape.outputs == 1 else classes)
    x, y = shape.data()
    batches = [(x[n : n + shape.batch], y[n : n + shape.batch]) for n in range(0, len(x), shape.batch)]

    def train(steps: int) -> list:
        return [model.train_on_batch(*batches[step % len(batches)]) for step in range(steps)]

    def infer(steps: int) -> list:
        return [model.predict_on_batch(batches[step % len(batches)][0]) for step in range(steps)]

    return {"train": train, "infer": infer}
