"""Charts of a series and its forecasts."""

from __future__ import annotations

from pathlib import Path

import pytest

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
