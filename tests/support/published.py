"""The reference with given weights, and how its numbers are held against published ones."""

from __future__ import annotations

import numpy as np

from lstm_bench import ModelSpec, Setting, TrainSpec
from lstm_bench.model.parameters import initial_parameters
from lstm_bench_numpy._model import NumpyBackend

TRAIN = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=1)


def float32(numbers) -> np.ndarray:
    """As the publishers' float32 had them, in float64."""
    return np.asarray(numbers, np.float32).astype(np.float64)


def reference(cell: str, directions: list[dict[str, np.ndarray]]):
    """The reference with these parameters, by name, of the forward and perhaps of the backward direction."""
    first = directions[0]
    spec = ModelSpec(
        input_size=first["weight_ih"].shape[1],
        hidden_sizes=(first["weight_hh"].shape[1],),
        output_size=1,
        cell=cell,
        bidirectional=len(directions) == 2,
        bias="bias" in first,
    )
    parameters = initial_parameters(spec, "uniform", 0)
    for direction, own in zip(spec.directions, directions, strict=True):
        for name, array in own.items():
            assert parameters[f"layers.0.{direction}.{name}"].shape == array.shape
            parameters[f"layers.0.{direction}.{name}"] = array
    return NumpyBackend().build(spec, TRAIN, parameters, Setting("float64"), seed=0)


def assert_published(value, published):
    """Equal but for float32's rounding over a few steps, which the seven or eight published digits carry."""
    published = np.asarray(published)
    np.testing.assert_allclose(value, np.broadcast_to(published, value.shape), rtol=1e-6, atol=1e-7)
