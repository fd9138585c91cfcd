"""Which attempts share a frame, and how they are told apart in it."""

from __future__ import annotations

import pytest

from builders import ROUNDS, a_machine, a_model, a_recipe, a_training, some_run
from lstm_bench.analysis.groups import group_attempts
from lstm_bench.charts import gather
from lstm_bench.charts.gather import Gathered


def groups(*configurations):
    """One group for each of these changes of a configuration."""
    return group_attempts(
        [
            a
            for at, configuration in enumerate(configurations)
            for a in some_run(*ROUNDS, run=f"{at:04}", **configuration)
        ]
    )


def sized(hidden, **train):
    return a_recipe(model=a_model(hidden_sizes=(hidden,)), train=a_training(**train))


@pytest.mark.parametrize(
    ("configurations", "names"),
    [
        ([{"backend": "torch"}], ["torch"]),
        ([{"backend": "torch"}, {"backend": "jax"}], ["torch", "jax"]),
        ([{"recipe": sized(8)}, {"recipe": sized(16)}], ["hidden 8", "hidden 16"]),
        ([{"device": "cpu"}, {"device": "cuda:0"}], ["cpu", "cuda:0"]),
        ([{"precision": "float32"}, {"precision": "tf32", "backend": "jax"}], ["torch float32", "jax tf32"]),
        (
            [{"backend": b, "recipe": sized(h)} for b in ("torch", "jax") for h in (8, 16)],
            ["torch hidden 8", "torch hidden 16", "jax hidden 8", "jax hidden 16"],
        ),
        (
            [
                {"recipe": sized(8, optimizer="sgd", learning_rate=0.1)},
                {"recipe": sized(8, optimizer="adam", learning_rate=0.001)},
            ],
            ["sgd", "adam"],
        ),
        ([{"threads": 1}, {"threads": 2}], ["threads 1", "threads 2"]),
        ([{"backend_options": {"impl": "cell"}}, {}], ["torch[impl=cell]", "torch"]),
        ([{}, {}], ["torch #1", "torch #2"]),
    ],
)
def test_a_name_says_what_is_not_the_same_in_all_and_no_more(configurations, names):
    assert gather.names(groups(*configurations)) == names


def test_long_names_that_begin_alike_are_told_apart():
    names = gather.names(groups({"backend": "x" * 100 + "1"}, {"backend": "x" * 100 + "2"}))
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 34


def test_a_curve_is_what_differs_in_one_number_alone_in_its_order():
    configurations = [{"backend": b, "recipe": sized(h)} for b in ("torch", "jax") for h in (64, 8, 16)]
    curves = gather.over(groups(*configurations), "hidden")
    assert [[gather.number(group, "hidden") for group in curve] for curve in curves] == [[8, 16, 64]] * 2


@pytest.mark.parametrize(
    ("configurations", "axes"),
    [
        ([{"recipe": sized(8)}, {"recipe": sized(16)}], ["hidden"]),
        ([{"recipe": sized(8)}, {"recipe": sized(16), "backend": "jax"}], []),
        ([{"recipe": sized(8, batch_size=b)} for b in (1, 2)], ["batch"]),
        ([{"task_options": {"delay": d}} for d in ("10", "20")], ["delay"]),
        ([{"task_options": {"file": f}} for f in ("a", "b")], []),
        ([{"task_options": {"delay": d}} for d in ("0", "nan")], []),
        ([{}], []),
    ],
)
def test_a_number_is_an_axis_only_where_a_curve_has_two_points(configurations, axes):
    assert gather.numeric(groups(*configurations)) == axes


def test_a_setting_looks_the_same_in_a_panel_with_less():
    found = Gathered(tuple(groups(*({"recipe": sized(h)} for h in (8, 16, 32)))), {})
    whole, part = (gather.drawn_as(found, some) for some in (found.groups, found.groups[1:]))
    assert whole[1:] == part
    assert len({look.colour for look in whole}) == 3


def test_settings_of_several_backends_differ_in_dashes_and_keep_their_backends_colour():
    configurations = [{"backend": b, "recipe": sized(h)} for b in ("torch", "jax") for h in (8, 16)]
    attempts = [
        a for at, configuration in enumerate(configurations) for a in some_run(*ROUNDS, run=f"{at}", **configuration)
    ]
    found = Gathered.of(attempts)
    looks = gather.drawn_as(found, found.groups)
    assert [look.colour for look in looks] == [found.looks[name].colour for name in ("torch", "torch", "jax", "jax")]
    assert [look.dash for look in looks] == [(), (7, 3), (), (7, 3)]


def test_panels_name_what_is_not_the_same_in_all_of_them():
    panels = gather.by_model(groups(*({"recipe": sized(h), "backend": b} for h in (8, 16) for b in ("torch", "jax"))))
    assert [(panel.title, len(panel.groups)) for panel in panels] == [
        ("flights:tutorial, hidden 8", 2),
        ("flights:tutorial, hidden 16", 2),
    ]


def test_no_panel_mixes_machines():
    attempts = [
        attempt
        for at, machine in enumerate((a_machine(), a_machine(cores=64)))
        for backend in ("torch", "jax")
        for attempt in some_run(*ROUNDS, run=f"{at}", backend=backend, findings={"machine": machine})
    ]
    for together in (gather.by_data, gather.by_model, gather.by_task):
        panels = together(group_attempts(attempts))
        assert [len({group.first.findings.machine for group in panel.groups}) for panel in panels] == [1, 1]
