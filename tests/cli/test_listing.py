import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from builders import (
    NOT_THERE,
    PIP_LINE,
    a_backend_info,
    a_missing_backend_info,
    a_recipe,
    a_task_info,
    never,
    some_plugins,
)
from lstm_bench import Choice, Integer, ReporterInfo, Text, __version__
from lstm_bench.catalog.data import FileStatus
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.cli.listing import SECTIONS, data_files, environment
from sites import a_data_file

OPTIONS = {
    "mode": Choice(default="fast", meaning="how", choices=("fast", "slow")),
    "file": Text(default="x.csv", meaning="what"),
}
PLUGINS = some_plugins(
    a_backend_info("torch", requires=("numpy",), abilities=("train", "states"), options=OPTIONS),
    a_missing_backend_info(),
    a_task_info("flights", recipes=(a_recipe("tutorial"), a_recipe("deep")), options=OPTIONS, default=True),
    ReporterInfo(name="csv", summary="for spreadsheets", render=never),
    failures=("plugin 'rotten' is left out: boom",),
)


def cells(text):
    """Lines, split where columns are."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("section", "lines"),
    [
        (
            "backends",
            [
                ["backends"],
                ["torch", "installed", "torch for tests"],
                ["can", "infer, train, states", "what of a model it has"],
                ["[mode=...]", "fast|slow", "how (default fast)"],
                ["[file=...]", "any", "what (default x.csv)"],
                ["nowhere", f"needs {NOT_THERE}: {PIP_LINE}", "nowhere for tests"],
                ["can", "infer, train", "what of a model it has"],
            ],
        ),
        (
            "tasks",
            [
                ["tasks"],
                ["flights", "tutorial, deep", "flights for tests (the default task)"],
                ["[mode=...]", "fast|slow", "how (default fast)"],
                ["[file=...]", "any", "what (default x.csv)"],
            ],
        ),
        (
            "recipes",
            [
                ["recipes"],
                ["flights:tutorial", "40,901 parameters", "for tests"],
                ["flights:deep", "40,901 parameters", "for tests"],
            ],
        ),
        ("formats", [["formats"], ["csv", "for spreadsheets"]]),
    ],
)
def test_a_section_lists_all_there_is_and_what_can_be_said_without_loading_it(section, lines):
    assert cells(SECTIONS[section](PLUGINS)) == lines


def test_of_many_recipes_the_first_stand_beside_their_task_and_all_among_the_recipes():
    plugins = some_plugins(a_task_info("speed", recipes=tuple(a_recipe(name) for name in "abcdef")))
    assert cells(SECTIONS["tasks"](plugins))[1] == ["speed", "a, b, c, d and 2 more", "speed for tests"]
    assert [line[0] for line in cells(SECTIONS["recipes"](plugins))[1:]] == [f"speed:{name}" for name in "abcdef"]


def test_an_option_without_a_default_leaves_it_to_the_recipe():
    plugins = some_plugins(a_task_info("speed", options={"batch": Integer(default=None, meaning="sequences")}))
    assert cells(SECTIONS["tasks"](plugins))[2] == [
        "[batch=...]",
        "1..1000000000",
        "sequences (default as the recipe says)",
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_columns_stand_under_each_other_and_no_line_ends_in_spaces(section):
    text = SECTIONS[section](PLUGINS)
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(line == line.rstrip() for line in lines)
    last = [cells(line)[0][-1] for line in lines[1:]]
    assert len({line.rindex(text) for line, text in zip(lines[1:], last, strict=True)}) == 1


@pytest.mark.parametrize("section", [section for section in SECTIONS if section != "charts"])  # no plugin has those
def test_a_section_with_nothing_in_it_is_its_title(section):
    assert SECTIONS[section](some_plugins()) == f"{section}\n"


def test_what_is_installed_can_be_listed():
    text = "".join(section(load_plugins()) for section in SECTIONS.values())
    for part in ("numpy", "torch", "flights:tutorial", "40,901 parameters", "csv"):
        assert part in text


def test_the_environment_names_this_machine_and_the_versions_of_all_that_takes_part():
    lines = cells(environment(PLUGINS))
    for line in (
        ["lstm-bench", __version__],
        ["python", platform.python_version()],
        ["numpy", version("numpy")],
        ["pandas", version("pandas")],
        ["filelock", version("filelock")],
        ["msgspec", version("msgspec")],
        ["torch backend", f"numpy {version('numpy')}"],
        ["nowhere backend", f"{NOT_THERE} not installed"],
        ["plugin failure", "plugin 'rotten' is left out: boom"],
    ):
        assert line in lines
    assert {"system", "processor", "memory"} <= {line[0] for line in lines}


def test_the_environment_shows_the_variables_that_change_results_where_they_are_set(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    text = environment(PLUGINS)
    assert ["OMP_NUM_THREADS", "3"] in cells(text)
    assert "CUDA_VISIBLE_DEVICES" in text
    assert "MKL_NUM_THREADS" not in text
    assert "hush" not in text


def test_files_are_listed_with_their_size_and_where_they_lie():
    one, two = (a_data_file(b"0123456789" * 200, name=name) for name in ("one", "two"))
    info = a_task_info("flights", files=(one, two))
    rows = [(info, one, FileStatus("damaged", Path("/data/some/one"), "is empty")), (info, two, FileStatus("missing"))]
    assert cells(data_files(rows)) == [
        ["flights", "some/one", "2,000 bytes", "damaged", "/data/some/one is empty"],
        ["flights", "some/two", "2,000 bytes", "missing"],
    ]
    assert data_files([]) == ""


def test_the_environment_of_what_is_installed_can_be_told():
    assert ["numpy backend", f"numpy {version('numpy')}"] in cells(environment(load_plugins()))
