"""Dates as places on an axis, as labels and as words."""

from __future__ import annotations

import pytest

from lstm_bench.charts.dates import ChartDate, the_last


@pytest.mark.parametrize(
    ("text", "begin", "end", "unit", "label", "long_label"),
    [
        ("1949", 1949, 1950, "year", "1949", "1949"),
        ("1949-01", 1949, 1949 + 1 / 12, "month", "Jan", "Jan 1949"),
        ("1949-12", 1949 + 11 / 12, 1950, "month", "Dec", "Dec 1949"),
        ("1949-01-31", 1949 + 30 / 365, 1949 + 31 / 365, "day", "31 Jan", "31 Jan 1949"),
        ("1949-12-31", 1949 + 364 / 365, 1950, "day", "31 Dec", "31 Dec 1949"),
        ("2024-03-01", 2024 + 60 / 366, 2024 + 61 / 366, "day", "1 Mar", "1 Mar 2024"),
        ("0000-02-01", 31 / 366, 32 / 366, "day", "1 Feb", "1 Feb 0"),
    ],
)
def test_a_date_is_a_part_of_its_year(text, begin, end, unit, label, long_label):
    date = ChartDate.parse(text)
    assert (date.begin, date.end) == (pytest.approx(begin, abs=1e-9), pytest.approx(end, abs=1e-9))
    assert (date.unit, date.label, date.long_label) == (unit, label, long_label)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["1949", "1950"], "the last two years"),
        (["1949-12", "1950-01", "1950-02"], "the last three months"),
        (["1949-12-31", "1950-01-01"], "the last two days"),
        (["2024-02-28", "2024-03-01"], "the last two times"),
        (["1949", "1950-01"], "the last two times"),
        (["1949-01"], "the last month"),
        ([str(year) for year in range(1900, 1930)], "the last 30 years"),
    ],
)
def test_dates_are_counted_by_their_unit_if_they_follow_each_other(texts, words):
    assert the_last([ChartDate.parse(text) for text in texts]) == words
