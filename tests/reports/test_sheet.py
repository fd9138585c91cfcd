"""The tables as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from builders import (
    a_configuration,
    a_failure,
    a_judgement,
    a_recipe,
    a_timing,
    an_attempt,
    some_findings,
    some_run,
    times,
)
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.record.published import Published

FORMATS = {name: info.render for name, info in load_plugins().reporters.items()}


def read_csv(attempts):
    return list(csv.reader(io.StringIO(FORMATS["csv"](attempts), newline=""), strict=True))


def read_json(attempts):
    return json.loads(FORMATS["json"](attempts))


def some_attempts():
    """Two tasks with their own metrics, a grid, baselines, several rounds, and a failure."""
    accuracy = a_judgement(
        metric="accuracy", unit="", better="higher", metrics={"accuracy": 0.5}, baselines={"chance": {"accuracy": 0.1}}
    )
    recipe = a_recipe("wide", evaluate_every=100, target=0.99)
    return [
        *some_run(*times(1.0)),
        *some_run(*times(2.0), backend="jax", threads=1),
        a_failure(9),
        an_attempt(
            7, configuration=a_configuration(task="copy", recipe=recipe), findings=some_findings(judgement=accuracy)
        ),
    ]


def test_csv_is_one_table_of_all_with_the_columns_of_each_in_order():
    head, *rows = read_csv(some_attempts())
    assert head == [
        "task",
        "shape",
        "backend",
        "device",
        "precision",
        "threads",
        "params",
        "rmse [passengers]",
        "accuracy",
        "steps to 0.99 [steps]",
        "training [s]",
        "train [seq/s]",
        "train low [seq/s]",
        "train high [seq/s]",
        "infer [seq/s]",
        "first step [s]",
        "memory [bytes]",
        "status",
    ]
    assert [(row[0], row[2]) for row in rows] == [
        ("flights:tutorial", "torch 2.9.1"),
        ("flights:tutorial", "torch"),
        ("flights:tutorial", "jax 2.9.1"),
        ("flights:tutorial", "baseline: last value"),
        ("flights:tutorial", "baseline: same month"),
        ("copy:wide", "torch 2.9.1"),
        ("copy:wide", "baseline: chance"),
    ]
    by_title = dict(zip(head, rows[0], strict=True))
    speed, low, high = (float(by_title[f"train{end} [seq/s]"]) for end in ("", " low", " high"))
    assert speed == pytest.approx(4000, rel=1e-3)
    assert (high / low) ** 0.5 == pytest.approx(1.051, rel=1e-3)
    assert by_title["accuracy"] == ""
    assert by_title["memory [bytes]"] == str(3 * 2**20)


def test_under_a_unit_stand_numbers_alone():
    head, *rows = read_csv(some_attempts())
    numeric = [at for at, title in enumerate(head) if title.endswith("]")]
    texts = [row[at] for row in rows for at in numeric if row[at]]
    assert len(texts) > 15
    assert all(math.isfinite(float(text)) for text in texts)
    assert not any("±" in text for row in rows for text in row)


def test_a_number_below_zero_stays_a_number():
    attempt = an_attempt(findings=some_findings(judgement=a_judgement(-0.5)))
    head, row, *_ = read_csv([attempt])
    assert row[head.index("rmse [passengers]")] == "-0.5"


def test_json_holds_sections_with_their_columns_rows_answers_and_notes():
    found = read_json(some_attempts())
    assert list(found) == ["sections", "notes"]
    section = found["sections"][0]
    assert (section["title"], section["subtitle"]) == ("flights:tutorial", "rmse in passengers, lower is better")
    assert section["shape"] == "4 x time x 1 -> LSTM 1 x 100 -> 1, 40,901 parameters"
    assert section["columns"][0] == {"name": "backend", "title": "backend", "unit": ""}
    assert {"name": "train", "title": "train", "unit": "seq/s"} in section["columns"]
    assert [row["baseline"] for row in section["rows"]] == [False, False, False, True, True]
    for row in section["rows"]:
        assert list(row["entries"]) == [column["name"] for column in section["columns"]]
    assert section["answers"][-1].startswith(
        "2 of 3 rows agree with the float64 reference; torch on flights:tutorial: crashed: left"
    )
    assert any("crashed: left in phase" in note for note in section["notes"])


def test_every_entry_of_json_is_a_number_or_a_text_with_its_interval():
    first, *_, baseline = read_json(some_attempts())["sections"][0]["rows"]
    entries = first["entries"]
    assert entries["backend"] == {"value": "torch 2.9.1", "low": None, "high": None, "best": False}
    assert {title: entries[title]["value"] for title in ("threads", "params", "metric", "memory")} == {
        "threads": 2,
        "params": 40_901,
        "metric": 50.25,
        "memory": 3 * 2**20,
    }
    assert entries["first-step"]["value"] == pytest.approx(0.1)
    speed = entries["train"]
    assert speed["value"] == pytest.approx(4000, rel=1e-3)
    assert speed["low"] < speed["value"] < speed["high"]
    assert baseline["entries"]["metric"]["value"] == 60.75
    assert baseline["entries"]["train"] == {"value": None, "low": None, "high": None, "best": False}


def test_times_for_a_batch_are_in_seconds_and_so_are_published_ones():
    recipe = a_recipe("tiny", epochs=0, scopes=("infer",))
    published = (Published(name="cuDNN", hardware="GTX 1080", scope="infer", seconds=0.002, source="arXiv 1"),)
    findings = some_findings(
        judgement=None, training=None, timings={"infer": a_timing("infer", block_ns=(250_000,))}, published=published
    )
    (section,) = read_json([an_attempt(configuration=a_configuration(recipe=recipe, epochs=0), findings=findings)])[
        "sections"
    ]
    assert [row["entries"]["infer"]["value"] for row in section["rows"]] == [pytest.approx(25e-6), 0.002]
    assert section["rows"][0]["entries"]["infer"]["low"] is None


def test_columns_of_the_same_title_are_told_apart():
    attempt = an_attempt(findings=some_findings(judgement=a_judgement(metric="memory", metrics={"memory": 7.0})))
    head, row, *_ = read_csv([attempt])
    assert row[head.index("memory [passengers]")] == "7.0"
    assert row[head.index("memory 2 [bytes]")] == str(3 * 2**20)
    entries = read_json([attempt])["sections"][0]["rows"][0]["entries"]
    assert (entries["metric"]["value"], entries["memory"]["value"]) == (7.0, 3 * 2**20)
