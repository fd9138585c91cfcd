from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.text import describe, one_line


@given(st.text())
def test_a_line_has_no_break_and_nothing_that_drives_a_terminal(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert all(letter.isprintable() or letter == "\N{NO-BREAK SPACE}" for letter in line)
    assert one_line(line) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" two\n  lines\t", "two lines"),
        ("\x1b[2J", "\N{REPLACEMENT CHARACTER}[2J"),
        ("3\u00a0MiB", "3\u00a0MiB"),
        ("größer 模型 🙂", "größer 模型 🙂"),
    ],
)
def test_what_people_can_read_stays_as_it_is(text, line):
    assert one_line(text) == line


def test_an_exception_is_described_by_its_type_and_message():
    assert describe(ValueError("not\nthis")) == "ValueError: not this"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
