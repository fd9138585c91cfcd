"""Train a recipe with Keras's own optimizers, and with the formulas of the specification, on the same exact gradients.

Usage: ``python benchmarks/optimizer_formulas.py [STEPS]``. All gradients are those of the reference in float64, so only
the update rules differ. Prints how far the parameters are apart, relative to how far they have moved.
"""

from __future__ import annotations

import os
import sys

import msgspec
import numpy as np

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from lstm_bench.catalog.loading import load_plugins
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import build_or_refuse, load_backend
from lstm_bench.plugin.setting import Setting
from lstm_bench.worker.replay import movement_error

RATE = 1e-3
OWN = {
    "adam": {
        "keras.optimizers.Adam()": lambda: keras.optimizers.Adam(RATE),
        "keras.optimizers.Adam(epsilon=1e-8)": lambda: keras.optimizers.Adam(RATE, epsilon=1e-8),
    },
    "rmsprop": {
        "keras.optimizers.RMSprop()": lambda: keras.optimizers.RMSprop(RATE),
        "keras.optimizers.RMSprop(epsilon=1e-8)": lambda: keras.optimizers.RMSprop(RATE, epsilon=1e-8),
    },
}
"""By the optimizer of the specification: Keras's own, as a user would write them."""


def main(steps: int) -> None:
    """Print a table."""
    keras.config.set_floatx("float64")
    plugins = load_plugins([])
    task = plugins.task("flights")
    options = task.read({})
    recipe = task.recipe(None, options)
    dataset = task.load().load(recipe, options, data_dir=None, seed=0)
    from lstm_bench.worker.training import Feed

    feed = Feed(task.load(), dataset, recipe, 0)
    order = np.resize(next(feed.orders()), (steps, recipe.train.batch_size))
    initial = initial_parameters(recipe.model, recipe.initialisation, 0, recipe.forget_bias)
    info = plugins.backend("numpy")
    backend, setting = load_backend(info), Setting("float64", "cpu", info.read({}))

    def build(train, parameters):
        return build_or_refuse(backend, recipe.model, train, parameters, setting, seed=0)

    print(f"| optimizer | difference after {steps} steps |\n|---|---:|")
    for name, own in OWN.items():
        train = msgspec.structs.replace(recipe.train, optimizer=name, learning_rate=RATE, momentum=0.0)
        model = build(train, initial)
        model.train(model.put(feed.first.x), model.put(feed.first.y), model.put(order))
        for words, make in own.items():
            optimizer, variables = make(), {key: keras.Variable(value) for key, value in initial.items()}
            for rows in order:
                ours = build(train, {key: variable.numpy() for key, variable in variables.items()})
                _, gradients = ours.gradients(ours.put(feed.first.x[rows]), ours.put(feed.first.y[rows]))
                optimizer.apply([gradients[key] for key in variables], list(variables.values()))
            theirs = {key: variable.numpy() for key, variable in variables.items()}
            print(f"| `{words}` | {movement_error(theirs, model.parameters(), initial):.1e} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
