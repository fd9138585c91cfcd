"""Charts of a series and its forecasts, whatever the dates of the series."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from builders import ROUNDS, a_judgement, months, some_run
from lstm_bench import Observed
from lstm_bench.record.store import latest, read_folder
from pictures import drawn, layers, records, texts

RESULTS = Path(__file__).parents[2] / "results"


def published(name):
    return latest(read_folder(RESULTS / name)[0])


def test_the_close_up_says_what_the_table_says_of_the_median_seed():
    _, spec = drawn("close-up", published("flights-tutorial"))
    names = {text.split(": ")[0]: text.split(": ")[1] for text in texts(spec) if ": " in text}
    assert names == {
        "jax": "88.80",
        "keras": "111.6",
        "numpy": "90.67",
        "torch": "78.62",
        "same month last year": "50.71",
    }


def test_a_forecast_stands_beside_the_months_that_came():
    _, spec = drawn("forecast", published("flights-robust"))
    lines = [records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line"]
    assert [len(line) for line in lines] == [144, 12, 12, 12, 12]
    assert (lines[0][0], lines[0][-1]) == ({"x": 1949.0, "y": 112.0}, {"x": pytest.approx(1960 + 11 / 12), "y": 432.0})
    for forecast in lines[1:]:
        assert [point["x"] for point in forecast] == [point["x"] for point in lines[0][-12:]]


def test_a_forecast_needs_nothing_but_the_attempt():
    observed = Observed(forecast="next", title="rain", times=months("2001-11", 30), values=tuple(range(30)))
    findings = {"observed": observed, "judgement": a_judgement(series={"next": tuple(range(100, 112))})}
    _, spec = drawn("forecast", some_run(*ROUNDS, task="rain of a stranger", findings=findings))
    came, forecast = [records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line"]
    assert came[0] == {"x": pytest.approx(2001 + 10 / 12), "y": 0.0}
    assert [point["x"] for point in forecast] == [point["x"] for point in came[-12:]]
    assert [point["y"] for point in forecast] == list(range(100, 112))


# --- any dates


def some_forecast(dates, count, **observed):
    """Two attempts that forecast the last of these dates, ten beyond the truth."""
    truth = tuple(float(at) for at in range(len(dates)))
    series = Observed(forecast="next", title="rain", times=tuple(dates), values=truth, **observed)
    judgement = a_judgement(series={"next": tuple(value + 10 for value in truth[len(truth) - count :])})
    return some_run(*ROUNDS, task="rain of a stranger", findings={"observed": series, "judgement": judgement})


def days(first, count):
    begin = date.fromisoformat(first).toordinal()
    return [date.fromordinal(begin + at).isoformat() for at in range(count)]


def years(first, count):
    return [str(first + at) for at in range(count)]


def x_axis(spec):
    """Domain, title, and text at each tick."""
    encoding = next(layer["encoding"]["x"] for layer in layers(spec) if "x" in layer.get("encoding", {}))
    axis = encoding["axis"]
    labels = dict(re.findall(r"datum\.value === ([0-9.]+) \? \"([^\"]*)\"", axis["labelExpr"]))
    assert list(map(float, labels)) == axis["values"]
    return encoding["scale"]["domain"], axis["title"], labels


def drawn_lines(spec):
    return [records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line"]


def test_a_close_up_of_months_names_each_and_their_years():
    figure, spec = drawn("close-up", some_forecast(months("2001-11", 30), 12))
    assert figure.title == "The last twelve months"
    domain, title, labels = x_axis(spec)
    assert domain == [2003 + 4 / 12, 2004 + 3 / 12]
    assert title == "2003 to 2004"
    assert list(labels.values()) == ["May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr"]


def test_a_close_up_of_days_names_each_day():
    figure, spec = drawn("close-up", some_forecast(days("2023-12-01", 36), 10))
    assert figure.title == "The last ten days"
    domain, title, labels = x_axis(spec)
    assert domain == [pytest.approx(2023 + 360 / 365, abs=1e-9), pytest.approx(2024 + 4 / 366, abs=1e-9)]
    assert title == "2023 to 2024"
    december, january = [f"{day} Dec" for day in range(27, 32)], [f"{day} Jan" for day in range(1, 6)]
    assert list(labels.values()) == december + january
    forecast, truth = drawn_lines(spec)
    assert [point["y"] for point in truth] == list(range(26, 36))
    assert [point["y"] for point in forecast] == list(range(36, 46))
    assert [point["x"] for point in forecast] == [point["x"] for point in truth]


def test_a_close_up_of_years_names_each_year():
    figure, spec = drawn("close-up", some_forecast(years(1700, 300), 5))
    assert figure.title == "The last five years"
    domain, title, labels = x_axis(spec)
    assert (domain, title) == ([1995.0, 1999.0], "")
    assert list(labels.values()) == ["1995", "1996", "1997", "1998", "1999"]
    assert [len(line) for line in drawn_lines(spec)] == [5, 5]


def test_many_dates_of_a_close_up_share_few_labels():
    figure, spec = drawn("close-up", some_forecast(days("2023-01-01", 400), 60))
    assert figure.title == "The last 60 days"
    _, _, labels = x_axis(spec)
    assert 6 <= len(labels) <= 12


def test_dates_with_gaps_are_called_times():
    quarters = [f"{year}-{month}" for year in (2001, 2002) for month in ("03", "06", "09", "12")]
    figure, spec = drawn("close-up", some_forecast(quarters, 4))
    assert figure.title == "The last four times"
    assert list(x_axis(spec)[2].values()) == ["Mar", "Jun", "Sep", "Dec"]


def test_a_single_forecast_is_a_dot_within_the_axis():
    figure, spec = drawn("close-up", some_forecast(days("2024-02-01", 29), 1))
    assert figure.title == "The last day"
    (low, high), _, labels = x_axis(spec)
    dots = [records(spec, s)[0] for s in layers(spec) if s["mark"]["type"] == "point" and "x" in s.get("encoding", {})]
    assert [dot["y"] for dot in dots] == [38.0, 28.0]
    assert all(low < dot["x"] < high for dot in dots)
    assert list(labels.values()) == ["29 Feb"]


def test_forecasts_of_several_lengths_are_last_times():
    attempts = some_forecast(years(1900, 20), 3)
    others = [
        replace(attempt, id=f"{attempt.id}b", configuration=replace(attempt.configuration, task="snow"))
        for attempt in some_forecast(years(1900, 20), 4)
    ]
    figure, _ = drawn("close-up", [*attempts, *others])
    assert figure.title == "The last times"


@pytest.mark.parametrize(
    ("dates", "labels"),
    [
        (months("1949-01", 144), ["1950", "1952", "1954", "1956", "1958", "1960"]),
        (years(1700, 300), ["1700", "1750", "1800", "1850", "1900", "1950", "2000"]),
        (years(2001, 3), ["2001", "2002", "2003"]),
        (months("2001-05", 12), ["May 2001", "Jul 2001", "Sep 2001", "Nov 2001", "Jan 2002", "Mar 2002"]),
        (days("2024-02-26", 6), [f"{day} 2024" for day in ("26 Feb", "27 Feb", "28 Feb", "29 Feb", "1 Mar", "2 Mar")]),
    ],
)
def test_ticks_of_a_whole_series_are_round_years_or_some_of_its_dates(dates, labels):
    _, spec = drawn("forecast", some_forecast(dates, 2))
    assert list(x_axis(spec)[2].values()) == labels


def test_a_baseline_of_days_stands_at_the_days_that_are_forecast():
    attempts = some_forecast(days("2024-02-01", 29), 7, baselines={"yesterday": tuple(range(7))})
    judged = replace(attempts[0].findings.judgement, baselines={"yesterday": {"rmse": 3.0}}, metric="rmse")
    attempts = [replace(attempt, findings=replace(attempt.findings, judgement=judged)) for attempt in attempts]
    _, spec = drawn("close-up", attempts)
    assert "yesterday: 3.000" in texts(spec)
    assert [[point["y"] for point in line] for line in drawn_lines(spec)][1] == list(range(7))
    assert len({tuple(point["x"] for point in line) for line in drawn_lines(spec)}) == 1
