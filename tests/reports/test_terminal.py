"""The table on a terminal: colours, widths, and notes in a file."""

import re
import sys

import pytest

from builders import a_failure, an_attempt
from formats import FORMATS, Stdout, numpy_configuration


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
    text = COLOURS.sub("", FORMATS["table"]([an_attempt(), a_failure(2, configuration=numpy_configuration())]))
    assert max(map(len, text.splitlines())) <= columns
    for word in (
        "torch",
        "2.9.1",
        "40,901",
        "(41,301)",
        "50.25",
        "28,300",
        "160,000",
        "250\u00a0ms",
        "crashed",
        "baseline:",
    ):
        assert word in text


@pytest.mark.parametrize("columns", [40, 10])
def test_a_narrow_terminal_still_gets_a_table(terminal, columns):
    terminal(columns)
    assert FORMATS["table"]([an_attempt()]).endswith("\n")


def test_in_a_file_notes_are_not_broken():
    reason = "a long story " * 50 + "with an end"
    assert f"crashed: {reason}\n" in FORMATS["table"]([a_failure(reason=reason)])
