"""The table on a terminal: colours, widths, and notes in a file."""

import re
import sys

import pytest

from builders import a_configuration, a_failure, a_timing, an_attempt, some_findings, some_run, times
from formats import FORMATS, USUAL_TABLE, Stdout, numpy_configuration
from lstm_bench.errors import UnknownName

SIX = ("numpy", "torch", "keras", "keras[engine=jax]", "keras[engine=torch]", "jax")


@pytest.fixture
def terminal(monkeypatch):
    """Sets up a terminal of a width."""

    def set_up(columns):
        monkeypatch.setattr(sys, "stdout", Stdout(on_terminal=True))
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        for variable in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(variable, raising=False)

    return set_up


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_gets_colours_and_a_file_the_same_text_without(terminal):
    attempts = [an_attempt(), a_failure(2, configuration=numpy_configuration())]
    in_file = FORMATS["table"](attempts)
    terminal(160)
    on_terminal = FORMATS["table"](attempts)
    assert not COLOURS.search(in_file)
    assert COLOURS.search(on_terminal)
    assert COLOURS.sub("", on_terminal) == in_file


def test_colours_are_for_terminals_only(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not COLOURS.search(FORMATS["table"]([an_attempt()]))


@pytest.mark.parametrize("columns", [160, 100, 80])
def test_a_terminal_of_usual_width_cuts_no_number_and_no_word(terminal, columns):
    terminal(columns)
    attempts = [an_attempt(), a_failure(2, configuration=numpy_configuration())]
    usual, whole = (COLOURS.sub("", render(attempts)) for render in (USUAL_TABLE, FORMATS["table"]))
    for text in (usual, whole):
        assert max(map(len, text.splitlines())) <= columns
        for word in ("torch", "2.9.1", "50.25", "28,300", "160,000", "crashed", "baseline:"):
            assert word in text
    for word in ("40,901", "(41,301)", "250\u00a0ms"):
        assert word in whole


def test_a_file_gets_the_usual_table_in_eighty_columns():
    attempts = [a for n, name in enumerate(SIX) for a in some_run(*times(1.0 + n), backend=name)]
    text = USUAL_TABLE(attempts)
    assert max(map(len, text.splitlines())) <= 80
    for name in SIX:
        assert name in text
    assert text.splitlines()[-1] == "--details shows 5 more columns and 12 notes"


def test_on_a_narrow_terminal_the_column_that_matters_least_is_left_out(terminal):
    timings = {scope: a_timing(scope) for scope in ("train", "infer")}
    attempts = [
        an_attempt(n, configuration=a_configuration(backend=name), findings=some_findings(timings=timings))
        for n, name in enumerate(("jax", "torch"))
    ]
    wide, narrow = 100, 36
    terminal(wide)
    assert all(title in COLOURS.sub("", USUAL_TABLE(attempts)) for title in ("rmse", "train", "infer"))
    terminal(narrow)
    text = COLOURS.sub("", USUAL_TABLE(attempts).split("\n\n")[0])
    assert "train" in text
    assert "rmse" not in text.split("\n", 2)[2]


def test_columns_are_chosen_by_name():
    attempts = [*some_run(*times(1.0), backend="jax"), *some_run(*times(2.0), backend="torch")]
    text = USUAL_TABLE(attempts, columns=["memory", "relative", "train"])
    head = text.splitlines()[2]
    assert head.split() == ["backend", "memory", "vs", "fastest", "train", "seq/s"]
    with pytest.raises(UnknownName, match=r"unknown column 'memroy' of --columns. Did you mean 'memory'?"):
        USUAL_TABLE(attempts, columns=["memroy"])


def test_details_show_the_output_of_what_failed_and_its_attempt():
    failed = a_failure(3, output_tail="Traceback\n  File x\nValueError: no\x1b[2J", reason="ValueError: no")
    usual, whole = USUAL_TABLE([failed]), FORMATS["table"]([failed])
    assert "torch: crashed: ValueError: no" in usual
    assert "Traceback" not in usual
    assert f"the end of the output of torch on flights:tutorial (cpu, float32), attempt {failed.id}:" in whole
    assert "  Traceback\n    File x\n" in whole
    assert "\x1b" not in whole


@pytest.mark.parametrize("columns", [40, 10])
def test_a_narrow_terminal_still_gets_a_table(terminal, columns):
    terminal(columns)
    assert FORMATS["table"]([an_attempt()]).endswith("\n")


def test_in_a_file_notes_are_not_broken():
    reason = "a long story " * 50 + "with an end"
    assert f"crashed: {reason}\n" in FORMATS["table"]([a_failure(reason=reason)])
