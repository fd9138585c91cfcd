"""Random numbers in a shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Options, Recipe, Split, Task, named_generator
from lstm_bench_speed._recipes import sequences, steps_of


class Speed(Task[Dataset]):
    """Random sequences and random targets. There is nothing to learn and nothing to judge."""

    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> Dataset:
        """Two to eight batches of standard normal sequences `(N, T, I)`, float32.

        Targets are random, too. For a squared error they are standard normal, float32, `(N, O)` or `(N, T, O)`; for
        cross entropy they are labels `(N,)` or `(N, T)`.
        """
        model, time = recipe.model, steps_of(recipe, options)
        count = sequences(recipe, options)
        read = (count,) if model.readout == "last" else (count, time)

        def normal(name: str, *shape: int) -> NDArray[Any]:
            return named_generator(seed, "speed", name).standard_normal(shape, np.float32)

        if recipe.train.loss == "mse":
            y = normal("targets", *read, model.output_size)
        else:
            y = named_generator(seed, "speed", "targets").integers(model.output_size, size=read)
        return Dataset(train=Split(x=normal("sequences", count, time, model.input_size), y=y))
