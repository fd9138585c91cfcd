from __future__ import annotations

import msgspec
import numpy as np
import pytest

from lstm_bench import LSTMBenchError, Setting, Unsupported, parameter_count
from lstm_bench.catalog.choosing import choose_tasks
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.model.flops import operations
from lstm_bench.model.parameters import parameter_shapes
from lstm_bench_numpy._model import NumpyBackend
from lstm_bench_speed._recipes import SHAPES, steps_of

PLUGINS = load_plugins()
INFO = PLUGINS.task("speed")

SIZES = "a whole number from 1 to 1000000, or several as in 128x64x32"


def chosen(selector):
    (task,) = choose_tasks(PLUGINS, [selector])
    return task


def shape_of(task):
    """Batch, time, features, hidden sizes, outputs."""
    model = task.recipe.model
    time = steps_of(task.recipe, task.options)
    return task.recipe.train.batch_size, time, model.input_size, model.hidden_sizes, model.output_size


def load(task, seed=0):
    return INFO.load().load(task.recipe, task.options, data_dir=None, seed=seed)


@pytest.mark.parametrize(
    ("selector", "shape", "scopes"),
    [
        ("speed", (32, 50, 64, (128,), 1), ("train", "gradient", "infer")),
        ("speed:tiny", (5, 15, 10, (20, 20), 1), ("train", "gradient", "infer")),
        ("speed:braun2018-short", (64, 100, 123, (320,), 10), ("train",)),
        ("speed:braun2018-long", (32, 1000, 123, (320,), 10), ("train",)),
        ("speed:braun2018-long-4", (32, 1000, 123, (320, 320, 320, 320), 10), ("train",)),
        ("speed:fastrnns", (64, 100, 512, (512,), 1), ("infer", "gradient")),
        ("speed:flashrnn", (16, 1024, 768, (768,), 1), ("infer", "gradient")),
        ("speed:haste", (32, 50, 256, (1024,), 1), ("infer", "gradient")),
        ("speed:deepbench-512-16-25", (16, 25, 512, (512,), 1), ("infer", "gradient")),
        ("speed:deepbench-4096-128-25", (128, 25, 4096, (4096,), 1), ("infer", "gradient")),
        ("speed:deepbench-1536-8-50", (8, 50, 1536, (1536,), 1), ("infer", "gradient")),
        ("speed:deepbench-256-64-150", (64, 150, 256, (256,), 1), ("infer", "gradient")),
    ],
)
def test_a_published_shape_has_its_name(selector, shape, scopes):
    task = chosen(selector)
    assert shape_of(task) == shape
    assert task.recipe.scopes == scopes
    assert task.recipe.epochs == 0
    assert task.recipe.model.bidirectional == (selector == "speed:braun2018-long-4")


def test_deepbench_is_all_of_its_training_set_of_lstms():
    named = {name for name in SHAPES if name.startswith("deepbench")}
    assert named == {
        *(f"deepbench-{hidden}-{batch}-25" for hidden in (512, 1024, 2048, 4096) for batch in (16, 32, 64, 128)),
        *(f"deepbench-1536-{batch}-50" for batch in (8, 16, 32)),
        *(f"deepbench-256-{batch}-150" for batch in (16, 32, 64)),
    }


def test_brauns_networks_have_as_many_parameters_as_he_counts():
    """572,800 and 8.5 million, with a second bias for each gate and none in the head."""
    short = chosen("speed:braun2018-short").recipe.model
    assert parameter_count(short) + 4 * 320 - 10 == 572_800
    assert round(parameter_count(chosen("speed:braun2018-long-4").recipe.model), -5) == 8_500_000


@pytest.mark.parametrize("name", SHAPES)
def test_every_recipe_is_found_by_the_name_that_it_is_shown_by(name):
    task = chosen(f"speed:{name}")
    assert task.recipe == SHAPES[name].recipe
    assert task.selector == f"speed:{name}"
    assert task.recipe.summary.startswith("{} x {} x {} -> ".format(*shape_of(task)))


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.recipe.model.output_size == 1][2:])
def test_a_head_that_no_benchmark_has_is_next_to_nothing(name):
    shape = SHAPES[name]
    batch = shape.recipe.train.batch_size
    head = 2 * batch * np.prod(parameter_shapes(shape.recipe.model)["head.weight"])
    assert 0 < head < 1e-5 * operations(shape.recipe.model, "infer", batch=batch, time=shape.time)


def test_any_shape_is_had_by_options():
    task = chosen("speed[batch=64,time=100,features=125,hidden=320,layers=1,outputs=10]")
    assert shape_of(task) == (64, 100, 125, (320,), 10)
    assert task.selector == "speed:any[batch=64,features=125,hidden=320,layers=1,outputs=10,time=100]"
    model = chosen("speed[cell=gru,bidirectional=true,layers=3,readout=all]").recipe.model
    assert (model.cell, model.bidirectional, model.hidden_sizes, model.readout) == ("gru", True, (128, 128, 128), "all")
    assert chosen("speed[hidden=128x64x32]").recipe.model.hidden_sizes == (128, 64, 32)
    assert chosen("speed[hidden=128x64,layers=2]").recipe.model.hidden_sizes == (128, 64)
    assert chosen("speed:braun2018-long-4[hidden=64]").recipe.model.hidden_sizes == (64, 64, 64, 64)


@pytest.mark.parametrize(
    ("option", "at"),
    [("batch=7", 0), ("time=7", 1), ("features=7", 2), ("hidden=7", 3), ("layers=7", 3), ("outputs=7", 4)],
)
@pytest.mark.parametrize("name", ["tiny", "braun2018-long-4", "haste"])
def test_an_option_changes_nothing_but_what_it_names(name, option, at):
    plain, changed = chosen(f"speed:{name}"), chosen(f"speed:{name}[{option}]")
    before, after = shape_of(plain), shape_of(changed)
    assert [i for i in range(5) if before[i] != after[i]] == [at]
    model, train = changed.recipe.model, changed.recipe.train
    again = msgspec.structs.replace(
        changed.recipe,
        model=msgspec.structs.replace(model, input_size=before[2], hidden_sizes=before[3], output_size=before[4]),
        train=msgspec.structs.replace(train, batch_size=before[0]),
    )
    assert again == plain.recipe


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("batch=0", "option 'batch' of task 'speed' must be a whole number from 1 to 1000000; got '0'"),
        ("time=-3", "option 'time' of task 'speed' must be a whole number from 1 to 1000000; got '-3'"),
        ("features=1e3", "option 'features' of task 'speed' must be a whole number from 1 to 1000000; got '1e3'"),
        ("hidden=1000001", f"option 'hidden' of task 'speed' must be {SIZES}; got '1000001'"),
        ("hidden=064", f"option 'hidden' of task 'speed' must be {SIZES}; got '064'"),
        ("hidden=٣", f"option 'hidden' of task 'speed' must be {SIZES}; got '٣'"),
        ("hidden=128xx32", f"option 'hidden' of task 'speed' must be {SIZES}; got '128xx32'"),
        (
            "hidden=128x32,layers=3",
            "option 'layers' of task 'speed' must be 2, as hidden=128x32 says, or left out; got '3'",
        ),
        ("layers=101", "option 'layers' of task 'speed' must be a whole number from 1 to 100; got '101'"),
        ("outputs=many", "option 'outputs' of task 'speed' must be a whole number from 1 to 1000000; got 'many'"),
        (
            "cell=lstn",
            "unknown value 'lstn' of option 'cell' of task 'speed'. Did you mean 'lstm'? There is: gru, lstm, rnn.",
        ),
        (
            "batches=3",
            "unknown option 'batches' of task 'speed'. Did you mean 'batch'? There is: "
            "batch, bidirectional, cell, features, hidden, layers, outputs, readout, time.",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_what_it_must_be(options, says):
    with pytest.raises(LSTMBenchError) as caught:
        chosen(f"speed[{options}]")
    assert str(caught.value) == says


def test_classes_are_two_or_more():
    with pytest.raises(LSTMBenchError, match="'outputs' of task 'speed' must be a whole number from 2 to"):
        chosen("speed:braun2018-short[outputs=1]")


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("braun2018-short", [10, 11, 13, 16, 18, 31, 36, 47, 54]),
        ("braun2018-long", [75, 80, 82, 130, 169, 307, 293, 483, 543]),
        ("braun2018-long-4", [528, 534, 2464, 3689]),
        ("flashrnn", [2.01, 5.19, 18.4, 43.9]),
    ],
)
def test_what_was_published_of_a_shape_stands_beside_it_with_its_source(name, times):
    task = chosen(f"speed:{name}")
    rows = INFO.published(task.recipe, task.options)
    assert [row.seconds for row in rows] == pytest.approx([milliseconds / 1000 for milliseconds in times])
    assert {row.scope for row in rows} == set(task.recipe.scopes)
    assert len({(row.name, row.scope) for row in rows}) == len(rows)
    for row in rows:
        assert row.hardware.startswith("NVIDIA ")
        assert "arXiv:" in row.source


def test_nothing_is_said_to_be_published_that_is_not():
    names = {name for name in SHAPES if INFO.published(SHAPES[name].recipe, INFO.read({}))}
    assert names == {"braun2018-short", "braun2018-long", "braun2018-long-4", "flashrnn"}


@pytest.mark.parametrize(
    "option",
    [
        "batch=32",
        "time=99",
        "features=125",
        "hidden=321",
        "layers=2",
        "outputs=9",
        "cell=gru",
        "bidirectional=true",
        "readout=all",
    ],
)
def test_of_another_shape_nothing_is_published(option):
    task = chosen(f"speed:braun2018-short[{option}]")
    assert INFO.published(task.recipe, task.options) == ()


def test_an_option_that_says_what_the_recipe_says_makes_no_other_shape():
    plain = chosen("speed:braun2018-short")
    same = chosen("speed:braun2018-short[batch=64,time=100,features=123,hidden=320,cell=lstm]")
    assert INFO.published(same.recipe, same.options) == INFO.published(plain.recipe, plain.options) != ()


def test_of_a_recipe_that_was_changed_elsewhere_nothing_is_published():
    task = chosen("speed:braun2018-short")
    train = msgspec.structs.replace(task.recipe.train, optimizer="sgd")
    assert INFO.published(msgspec.structs.replace(task.recipe, train=train), task.options) == ()
    assert INFO.published(msgspec.structs.replace(task.recipe, name="not-ours"), task.options) == ()


def test_the_length_of_sequences_is_an_option():
    assert INFO.length in INFO.options
    assert load(chosen("speed:tiny[time=4]")).train.x.shape == (40, 4, 10)


@pytest.mark.parametrize(
    ("selector", "x", "y"),
    [
        ("speed:tiny", (40, 15, 10), (40, 1)),
        ("speed:tiny[outputs=3,readout=all]", (40, 15, 10), (40, 15, 3)),
        ("speed:braun2018-short", (512, 100, 123), (512,)),
        ("speed:braun2018-short[readout=all,time=9]", (512, 9, 123), (512, 9)),
        ("speed:braun2018-long", (128, 1000, 123), (128,)),
        ("speed:flashrnn", (32, 1024, 768), (32, 1)),
    ],
)
def test_there_are_several_batches_but_no_more_than_memory_has_room_for(selector, x, y):
    task = chosen(selector)
    data = load(task).train
    assert data.x.shape == x
    assert data.y.shape == y
    assert data.x.dtype == np.float32
    if task.recipe.train.loss == "mse":
        assert data.y.dtype == np.float32
    else:
        assert set(np.unique(data.y)) == set(range(task.recipe.model.output_size))


def test_sequences_are_standard_normal_and_no_two_alike():
    x = load(chosen("speed:braun2018-short")).train.x
    assert abs(x.mean()) < 0.002
    assert abs(x.std() - 1) < 0.002
    assert len(np.unique(x[:, 0, 0])) == len(x)


def test_the_seed_decides_every_byte():
    task = chosen("speed:braun2018-short[time=3]")
    first, same, other = (load(task, seed).train for seed in (3, 3, 4))
    assert first.x.tobytes() == same.x.tobytes() != other.x.tobytes()
    assert first.y.tobytes() == same.y.tobytes() != other.y.tobytes()


def test_the_batch_is_that_of_the_recipe_whoever_set_it():
    task = chosen("speed:tiny")
    train = msgspec.structs.replace(task.recipe.train, batch_size=6)
    recipe = msgspec.structs.replace(task.recipe, train=train)
    assert load(type(task)(INFO, task.options, recipe)).train.x.shape == (48, 15, 10)


def test_there_is_no_accuracy_and_nothing_that_could_be_judged():
    assert INFO.metric is None
    task = INFO.load()
    data = load(chosen("speed"))
    assert data.test is None
    assert task.baselines(data) == {}
    with pytest.raises(Unsupported, match="nothing to judge"):
        task.evaluate(lambda x: x, data)


@pytest.mark.parametrize(
    "selector", ["speed", "speed:braun2018-short[time=3,hidden=4]", "speed[readout=all,outputs=2]"]
)
def test_a_backend_can_make_a_step_with_it(selector):
    from lstm_bench.model.parameters import initial_parameters

    task = chosen(selector)
    recipe, data = task.recipe, load(task).train
    model = NumpyBackend().build(
        recipe.model, recipe.train, initial_parameters(recipe.model, "uniform", 0), Setting("float64"), seed=0
    )
    order = np.arange(len(data.x)).reshape(-1, recipe.train.batch_size)
    losses = model.train(model.put(data.x), model.put(data.y), order)
    assert np.all(np.isfinite(losses))
    assert len(np.unique(losses)) == len(order), "every batch is another"
