from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.text import brief, describe, one_line


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
        ("\x1b[2J", ""),
        ("\x1b[1mnot\x1b[0m \x1b[38;5;1mthis", "not this"),
        ("\x1b]0;a title\x07", "\N{REPLACEMENT CHARACTER}]0;a title\N{REPLACEMENT CHARACTER}"),
        ("\x1b\x1b[2J[2J", "\N{REPLACEMENT CHARACTER}[2J"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("3\u00a0MiB", "3\u00a0MiB"),
        ("größer 模型 🙂", "größer 模型 🙂"),
    ],
)
def test_what_people_can_read_stays_as_it_is(text, line):
    assert one_line(text) == line


@given(st.text(), st.integers(2, 20))
def test_what_people_are_shown_is_one_line_of_bounded_length_that_says_where_something_is_missing(text, most):
    shown = brief(text, most)
    assert brief(shown, most) == one_line(shown) == shown
    assert len(shown) <= most
    assert shown == one_line(text) or shown == one_line(text[: most - 1]) + "\N{HORIZONTAL ELLIPSIS}"


@pytest.mark.parametrize(
    ("text", "line"), [("12345", "12345"), ("123456", "1234…"), ("\x1b" * 10**6, "\ufffd" * 4 + "…")]
)
def test_a_long_text_ends_in_an_ellipsis(text, line):
    assert brief(text, 5) == line


def test_an_exception_is_described_by_its_type_and_message():
    assert describe(ValueError("not\nthis")) == "ValueError: not this"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
