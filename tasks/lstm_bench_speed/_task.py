"""Random numbers in a shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Evaluation, Predict, Recipe, Split, Task, named_generator
from lstm_bench_speed._recipes import steps_of

LARGEST_DATA = 2**24
"""Numbers in all sequences together, 64 MiB of them, beyond which there are no more batches than two."""

MOST_BATCHES = 8
"""So many different batches as are timed one after the other."""


class Speed(Task[Dataset]):
    """Sequences and targets without a meaning. There is nothing to be learnt from them."""

    def load(self, recipe: Recipe, options: Mapping[str, str], *, data_dir: Path | None, seed: int) -> Dataset:
        """Two to eight batches of standard normal sequences `(N, T, I)`, float32, which every precision can begin from.

        Targets are as random: for squared errors standard normal, float32, `(N, O)` or `(N, T, O)`; for cross entropy
        labels `(N,)` or `(N, T)`.
        """
        model, batch, time = recipe.model, recipe.train.batch_size, steps_of(recipe, options)
        batches = min(MOST_BATCHES, max(2, LARGEST_DATA // (batch * time * model.input_size)))
        count = batches * batch
        read = (count,) if model.readout == "last" else (count, time)

        def normal(name: str, *shape: int) -> NDArray[Any]:
            return named_generator(seed, "speed", name).standard_normal(shape, np.float32)

        if recipe.train.loss == "mse":
            y = normal("targets", *read, model.output_size)
        else:
            y = named_generator(seed, "speed", "targets").integers(model.output_size, size=read)
        return Dataset(train=Split(x=normal("sequences", count, time, model.input_size), y=y))

    def evaluate(self, predict: Predict, dataset: Dataset) -> Evaluation:
        """Not to be called: there is no right answer."""
        raise NotImplementedError("the speed task has no metric")
