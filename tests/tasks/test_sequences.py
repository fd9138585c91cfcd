"""Every built-in task says how many sequences it has, and how long they are, before it loads them."""

from __future__ import annotations

import msgspec
import pytest

from builders import a_task_info
from lstm_bench import InvalidSpec
from lstm_bench.catalog.choosing import choose_tasks
from lstm_bench.catalog.data import user_folder
from lstm_bench.catalog.loading import load_plugins

PLUGINS = load_plugins()
BUILT_IN = ("copy", "flights", "mnist-rows", "next-number", "speed")
RECIPES = [f"{name}:{recipe.name}" for name in BUILT_IN for recipe in PLUGINS.task(name).recipes]
WITH_OPTIONS = [
    "copy[delay=3,symbols=2]",
    *(f"flights:{recipe}[origins={origins}]" for recipe in ("tutorial", "robust") for origins in (2, 3, 6)),
    "mnist-rows[train=1]",
    "mnist-rows:stacked[train=500]",
    *(f"next-number[sequence={sequence}]" for sequence in ("pattern", "noisy")),
    "speed[batch=3,time=4,features=5]",
    "speed:braun2018-long[time=2000,outputs=3,readout=all]",
]


def learnt_from(selector, batch=None):
    """How many sequences, and of how many time steps, a task says that it has, and how many it loads."""
    (task,) = choose_tasks(PLUGINS, [selector])
    if task.info.name == "mnist-rows" and (user_folder() is None or not (user_folder() / "mnist").is_dir()):
        pytest.skip("MNIST is not there: name the folder in which mnist/ lies by LSTM_BENCH_DATA")
    recipe = task.recipe
    if batch is not None:
        recipe = msgspec.structs.replace(recipe, train=msgspec.structs.replace(recipe.train, batch_size=batch))
    dataset = task.info.load().load(recipe, task.options, data_dir=user_folder(), seed=0)
    told = task.info.sequences(recipe, task.options), task.info.time(recipe, task.options)
    return told, dataset.train.x.shape[:2]


@pytest.mark.parametrize("selector", [*RECIPES, *WITH_OPTIONS])
def test_a_task_says_how_many_sequences_it_loads(selector):
    told, loaded = learnt_from(selector)
    assert told == loaded
    assert min(told) > 0


@pytest.mark.parametrize("selector", ["copy", "flights:robust", "next-number", "speed"])
def test_a_batch_of_another_size_is_taken_into_account(selector):
    told, loaded = learnt_from(selector, batch=7)
    assert told == loaded


@pytest.mark.parametrize("steps", ["ten", 0, 1.5])
def test_a_task_that_gives_no_number_of_time_steps_is_refused(steps):
    info = a_task_info("odd", time=lambda recipe, options: steps)
    with pytest.raises(InvalidSpec, match=r"TaskInfo.time of task 'odd' must give a number of time steps; got "):
        info.time_steps(info.recipes[0], info.read({}))
