import numpy as np
import pytest

from builders import a_model, a_recipe, a_task_info
from lstm_bench import DataFile, Dataset, Evaluation, Integer, Observed, Split, Task, Unsupported
from lstm_bench.errors import InvalidSpec, UnknownName
from lstm_bench.plugin.task import TaskInfo

LONG, SHORT = a_recipe("long"), a_recipe("short", epochs=1)


@pytest.mark.parametrize(("name", "recipe"), [(None, LONG), ("long", LONG), ("short", SHORT)])
def test_a_recipe_is_found_by_name_and_the_first_is_the_default(name, recipe):
    assert a_task_info("flights", recipes=(LONG, SHORT)).recipe(name, {}) == recipe


def test_an_unknown_recipe_is_named_with_the_nearest_and_all_that_there_are():
    with pytest.raises(UnknownName) as caught:
        a_task_info("flights", recipes=(LONG, SHORT)).recipe("shrot", {})
    assert str(caught.value) == (
        "unknown recipe 'shrot' of task 'flights'. Did you mean 'short'? There is: long, short."
    )


def test_options_can_change_the_recipe():
    def configure(recipe, options):
        return a_recipe(recipe.name, model=a_model(output_size=int(options["symbols"])))

    options = {"symbols": Integer(default=8, meaning="how many")}
    info = a_task_info("copy", recipes=(LONG, SHORT), options=options, configure=configure)
    assert info.recipe("short", {"symbols": "5"}) == a_recipe("short", model=a_model(output_size=5))


def test_an_info_is_given_by_name_only_and_cannot_be_changed():
    with pytest.raises(TypeError, match="positional"):
        TaskInfo("x", "summary")
    with pytest.raises(AttributeError):
        a_task_info("x").name = "y"


def test_a_task_that_loads_nothing_says_so_at_construction():
    almost = type("Almost", (Task,), {"evaluate": lambda self: None})
    with pytest.raises(TypeError, match=r"\bload\b"):
        almost()


def test_a_task_need_have_neither_baselines_nor_test_data_nor_series_nor_anything_to_judge():
    task = type("Least", (Task,), {"load": lambda self: None})()
    with pytest.raises(Unsupported, match="nothing to judge"):
        task.evaluate(None, None)
    dataset = Dataset(train=Split(np.zeros((2, 3, 1)), np.zeros((2, 1))))
    assert dataset.test is None
    assert task.baselines(dataset) == {}
    assert Evaluation({"rmse": 1.0}).series == {}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"times": ("1949-13",)}, "dates such as '1949', '1949-01' or '1949-01-31'; got '1949-13'"),
        ({"times": ("1949-01", "1949-02")}, "must ascend, one for each of the 1 values"),
        ({"times": ("1949-02", "1949-01"), "values": (1.0, 2.0)}, "must ascend, one for each of the 2 values"),
        ({"values": (float("nan"),)}, "'values' must be finite"),
        ({"baselines": {"naive": (float("inf"),)}}, "'naive' must be finite"),
    ],
)
def test_what_cannot_be_drawn_beside_forecasts_is_refused(changes, what):
    given = {"forecast": "next", "title": "rain", "times": ("1949-01",), "values": (1.0,)}
    with pytest.raises(InvalidSpec, match=what):
        Observed(**given | changes)


def test_what_forecasts_are_drawn_beside_is_plain_numbers():
    observed = Observed(
        forecast="next",
        title="rain",
        times=["1949-01", "1949-02"],
        values=np.ones(2),
        baselines={"naive": np.ones(1, np.float32)},
    )
    numbers = (*observed.values, *observed.baselines["naive"])
    assert [(type(number), number) for number in numbers] == [(float, 1.0)] * 3


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"folder": ".."}, "folder"),
        ({"folder": "/etc"}, "folder"),
        ({"folder": "a/b"}, "folder"),
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"name": ".lock"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"size": -1}, "size"),
        ({"sha256": "0" * 63}, "sha256"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"urls": ("file:///etc/passwd",)}, "urls"),
        ({"urls": ("ftp://mirror/numbers",)}, "urls"),
    ],
)
def test_a_file_that_would_lie_elsewhere_or_cannot_be_fetched_is_no_data_file(changes, what):
    given = {"folder": "some", "name": "numbers", "size": 1, "sha256": "0" * 64, "urls": ()}
    with pytest.raises(InvalidSpec, match=rf"^DataFile\.{what} must "):
        DataFile(**given | changes)
