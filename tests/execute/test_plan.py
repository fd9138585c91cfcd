import pytest

from builders import (
    NOT_THERE,
    PIP_LINE,
    a_backend_info,
    a_configuration,
    a_missing_backend_info,
    a_model,
    a_recipe,
    a_task_info,
    some_plugins,
)
from lstm_bench import Choice, Integer, LSTMBenchError
from lstm_bench.errors import NotInstalled, UnknownName
from lstm_bench.execute.plan import plan_configurations
from lstm_bench.execute.request import Request
from lstm_bench.record.configuration import EFFORTS

MODE = {"mode": Choice(default="fast", meaning="how", choices=("fast", "slow"))}
PLUGINS = some_plugins(
    a_backend_info("torch", options=MODE),
    a_backend_info("numpy", requires=("numpy",)),
    a_missing_backend_info("nowhere"),
    a_task_info("flights", recipes=(a_recipe("tutorial", epochs=300), a_recipe("short", epochs=3))),
    a_task_info("copy", options={"delay": Integer(default=50, meaning="how long")}),
)


def plan(plugins=PLUGINS, **changes):
    given = {"backends": ("torch",), "tasks": ("flights",), "threads": 1, "seeds": (7,)}
    return plan_configurations(plugins, Request(**given | changes))


def test_a_cell_holds_all_that_was_asked_for_with_every_default_written_out():
    (configuration,) = plan(tasks=("copy",), devices=("cuda",), precisions=("tf32",))
    assert configuration == a_configuration(
        task="copy",
        task_options={"delay": "50"},
        backend_options={"mode": "fast"},
        device="cuda:0",
        precision="tf32",
        threads=1,
        seed=7,
        task_defaults={"delay": "50"},
        backend_defaults={"mode": "fast"},
    )


@pytest.mark.parametrize(("asked", "kept"), [("", ""), ("oneDNN", "oneDNN"), (" onednn | cudnn ", "onednn|cudnn")])
def test_a_kernel_is_required_of_every_configuration(asked, kept):
    configurations = plan(backends=("torch", "numpy"), require_kernel=asked)
    assert [configuration.require_kernel for configuration in configurations] == [kept, kept]


def test_a_required_kernel_without_a_name_is_refused_before_anything_runs():
    with pytest.raises(LSTMBenchError, match=r"--require-kernel 'onednn\|' has an empty name"):
        plan(require_kernel="onednn|")


def test_cells_are_the_product_in_the_order_of_asking_backends_side_by_side():
    configurations = plan(
        tasks=("flights:short", "copy"),
        devices=("cuda:1", "cpu"),
        precisions=("float64", "float32"),
        backends=("torch", "numpy"),
    )
    assert [
        (configuration.task, configuration.device, configuration.precision, configuration.backend)
        for configuration in configurations
    ] == [
        (task, device, precision, backend)
        for task in ("flights", "copy")
        for device in ("cuda:1", "cpu")
        for precision in ("float64", "float32")
        for backend in ("torch", "numpy")
    ]


@pytest.mark.parametrize(
    "twice",
    [
        {"backends": ("torch", "torch")},
        {"backends": ("torch", "torch[mode=fast]")},
        {"backends": ("numpy", "torch", "numpy")},
        {"tasks": ("flights", "flights:tutorial")},
        {"tasks": ("copy", "copy[delay=50]")},
        {"devices": ("cuda", "cuda:0")},
        {"precisions": ("float32", "float32")},
    ],
    ids=str,
)
def test_what_is_asked_for_twice_is_run_once_where_it_first_stood(twice):
    once = plan(**{name: tuple(dict.fromkeys(values)) for name, values in twice.items()})
    configurations = plan(**twice)
    assert configurations == once
    assert (
        len(configurations)
        == len({configuration.name for configuration in configurations})
        == (2 if "numpy" in str(twice) else 1)
    )


def test_one_backend_with_two_values_of_an_option_is_two_configurations():
    configurations = plan(backends=("torch", "torch[mode=slow]"))
    assert [configuration.backend_selector for configuration in configurations] == ["torch", "torch[mode=slow]"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backends": ("tocrh",)}, "unknown backend 'tocrh'. Did you mean 'torch'? There is: nowhere, numpy, torch."),
        ({"tasks": ("flihgts",)}, "unknown task 'flihgts'. Did you mean 'flights'? There is: copy, flights."),
        (
            {"tasks": ("flights:shrot",)},
            "unknown recipe 'shrot' of task 'flights'. Did you mean 'short'? There is: short, tutorial.",
        ),
        (
            {"backends": ("torch[mdoe=fast]",)},
            "unknown option 'mdoe' of backend 'torch'. Did you mean 'mode'? There is: mode.",
        ),
        (
            {"backends": ("torch[mode=slwo]",)},
            "unknown value 'slwo' of option 'mode' of backend 'torch'. Did you mean 'slow'? There is: fast, slow.",
        ),
        (
            {"tasks": ("copy[dealy=5]",)},
            "unknown option 'dealy' of task 'copy'. Did you mean 'delay'? There is: delay.",
        ),
        ({"tasks": ("flights[delay=5]",)}, "unknown option 'delay' of task 'flights'. There is: none."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_exist_is_named_with_the_nearest_and_all_that_does(asked, message):
    with pytest.raises(UnknownName) as caught:
        plan(**asked)
    assert str(caught.value) == message


def test_an_unknown_device_is_refused_before_anything_runs():
    with pytest.raises(UnknownName, match=r"'cdua'.*'cuda'"):
        plan(devices=("cpu", "cdua"))


def test_a_backend_with_a_recipe_is_refused_and_the_message_says_how_to_write_it():
    with pytest.raises(LSTMBenchError, match=r"'torch:tutorial'.*write torch\[option=value\]"):
        plan(backends=("torch:tutorial",))


def test_a_backend_that_was_asked_for_and_is_not_installed_is_refused_with_its_pip_line():
    with pytest.raises(NotInstalled) as caught:
        plan(backends=("torch", "nowhere"))
    assert str(caught.value) == f"backend 'nowhere' needs {NOT_THERE}, which is not installed: {PIP_LINE}"


def test_what_only_an_option_needs_is_named_and_looked_for_only_with_it():
    engines = {"engine": Choice(default="a", meaning="", choices=("a", "b"), requires={"b": (NOT_THERE,)})}
    plugins = some_plugins(a_backend_info("x", options=engines), a_task_info("flights"))
    assert plan(plugins, backends=("x",))
    with pytest.raises(NotInstalled) as caught:
        plan(plugins, backends=("x[engine=b]",))
    assert str(caught.value) == (
        f"backend 'x[engine=b]' needs {NOT_THERE}, which is not installed: pip install {NOT_THERE}"
    )


def test_a_backend_without_a_pip_line_is_refused_without_one():
    info = a_backend_info("x", requires=(NOT_THERE, "numpy", "another_xyz"))
    with pytest.raises(NotInstalled) as caught:
        plan(some_plugins(info, a_task_info("flights")), backends=("x",))
    assert str(caught.value) == f"backend 'x' needs {NOT_THERE}, another_xyz, which is not installed"


def test_without_a_choice_every_installed_backend_runs():
    assert [configuration.backend for configuration in plan(backends=())] == ["torch", "numpy"]


def test_without_any_installed_backend_there_is_nothing_to_run():
    assert plan(some_plugins(a_missing_backend_info(), a_task_info("flights")), backends=()) == []


@pytest.mark.parametrize(
    ("effort", "epochs", "expected"),
    [
        ("default", None, {"tutorial": 300, "short": 3}),
        ("rigorous", None, {"tutorial": 300, "short": 3}),
        ("quick", None, {"tutorial": 30, "short": 1}),
        ("quick", 5, {"tutorial": 5, "short": 5}),
        ("default", 1, {"tutorial": 1, "short": 1}),
        ("rigorous", 1000, {"tutorial": 1000, "short": 1000}),
    ],
)
def test_effort_shortens_training_but_never_to_nothing_and_epochs_win(effort, epochs, expected):
    configurations = plan(tasks=("flights:tutorial", "flights:short"), effort=EFFORTS[effort], epochs=epochs)
    assert {configuration.recipe.name: configuration.epochs for configuration in configurations} == expected
    assert [configuration.recipe.epochs for configuration in configurations] == [300, 3], (
        "the recipe itself stays as it was"
    )


def test_options_of_a_task_reach_its_recipe():
    def configure(recipe, options):
        return a_recipe(recipe.name, model=a_model(output_size=options.symbols))

    symbols = {"symbols": Integer(default=8, meaning="how many")}
    plugins = some_plugins(a_backend_info("torch"), a_task_info("copy", options=symbols, configure=configure))
    configurations = plan(plugins, tasks=("copy", "copy[symbols=5]"))
    assert [configuration.recipe.model.output_size for configuration in configurations] == [8, 5]
    assert [configuration.task_options for configuration in configurations] == [{"symbols": "8"}, {"symbols": "5"}]


def test_several_values_of_an_option_are_as_many_tasks_and_backends():
    configurations = plan(tasks=("copy[delay=10,20]",), backends=("torch[mode=slow,fast]",))
    assert [
        (configuration.task_options["delay"], configuration.backend_options["mode"]) for configuration in configurations
    ] == [("10", "slow"), ("10", "fast"), ("20", "slow"), ("20", "fast")]


def test_axes_are_a_grid_and_what_they_change_is_written_down():
    configurations = plan(axes={"cell": ("lstm", "gru"), "hidden": ("100", "8"), "batch": ()}, seeds=range(2))
    assert [
        (
            configuration.recipe.model.cell,
            configuration.recipe.model.hidden_sizes,
            configuration.seed,
            configuration.changes,
        )
        for configuration in configurations
    ] == [
        ("lstm", (100,), 0, {}),
        ("lstm", (100,), 1, {}),
        ("lstm", (8,), 0, {"hidden": "8"}),
        ("lstm", (8,), 1, {"hidden": "8"}),
        ("gru", (100,), 0, {"cell": "gru"}),
        ("gru", (100,), 1, {"cell": "gru"}),
        ("gru", (8,), 0, {"cell": "gru", "hidden": "8"}),
        ("gru", (8,), 1, {"cell": "gru", "hidden": "8"}),
    ]


def test_what_changes_nothing_is_planned_once():
    assert len(plan(axes={"hidden": ("100", "100"), "cell": ("lstm",)})) == 1


def test_a_length_sets_the_option_that_the_task_has_for_it():
    plugins = some_plugins(
        a_backend_info("torch"),
        a_task_info("copy", options={"delay": Integer(default=50, meaning="how long")}, length="delay"),
    )
    configurations = plan(plugins, tasks=("copy",), lengths=("10", "20"))
    assert [configuration.task_options for configuration in configurations] == [{"delay": "10"}, {"delay": "20"}]


def test_a_length_is_refused_where_sequences_have_one_length_only():
    with pytest.raises(LSTMBenchError, match="task 'flights' has sequences of one length only: leave --length out"):
        plan(lengths=("10",))


def test_what_is_not_to_be_trained_at_all_is_not_trained_longer():
    plugins = some_plugins(
        a_backend_info("torch"),
        a_task_info("speed", recipes=(a_recipe("tiny", epochs=0),)),
        a_task_info("flights", recipes=(a_recipe("tutorial", epochs=300),)),
    )
    epochs = [configuration.epochs for configuration in plan(plugins, tasks=("speed", "flights"), epochs=3)]
    assert epochs == [0, 3]
    assert [configuration.epochs for configuration in plan(plugins, tasks=("speed",), effort=EFFORTS["quick"])] == [0]


def test_without_an_installed_backend_there_is_nothing_to_refuse():
    plugins = some_plugins(a_missing_backend_info("nowhere"), a_task_info("flights", recipes=(a_recipe("tutorial"),)))
    assert plan(plugins, backends=(), epochs=3, axes={"momentum": ("0.9",)}) == []


@pytest.mark.parametrize("limit", ["epochs", "steps"])
def test_a_limit_to_training_is_refused_where_nothing_is_trained(limit):
    plugins = some_plugins(a_backend_info("torch"), a_task_info("speed", recipes=(a_recipe("tiny", epochs=0),)))
    with pytest.raises(LSTMBenchError, match=f"--{limit} has no effect: task 'speed:tiny' does not train"):
        plan(plugins, tasks=("speed",), **{limit: 3})


def test_steps_are_a_limit_beside_the_epochs():
    (configuration,) = plan(steps=10)
    assert (configuration.steps, configuration.epochs, configuration.own_length) == (10, 300, True)
