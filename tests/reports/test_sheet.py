"""The tables as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

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
from lstm_bench.reports.summary import summarise

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
        "backend",
        "device",
        "precision",
        "threads",
        "params",
        "rmse",
        "accuracy",
        "steps to 0.99",
        "training",
        "train seq/s",
        "infer seq/s",
        "first step",
        "memory",
        "status",
    ]
    assert [row[:2] for row in rows] == [
        ["flights:tutorial", "torch 2.9.1"],
        ["flights:tutorial", "jax 2.9.1"],
        ["flights:tutorial", "torch"],
        ["flights:tutorial", "baseline: last value"],
        ["flights:tutorial", "baseline: same month"],
        ["copy:wide", "torch 2.9.1"],
        ["copy:wide", "baseline: chance"],
    ]
    by_title = dict(zip(head, rows[0], strict=True))
    assert by_title["train seq/s"] == "4,000 ±5.1%"
    assert by_title["accuracy"] == ""
    assert by_title["memory"] == "3 MiB"


def test_csv_and_json_have_the_texts_of_every_other_table():
    attempts = some_attempts()
    sections = summarise(attempts).sections
    shown = [[text.replace("\u00a0", " ") for text in row.texts] for section in sections for row in section.rows]
    _, *rows = read_csv(attempts)
    assert [[text for text in row[1:] if text] for row in rows] == [[text for text in row if text] for row in shown]
    found = [
        [entry["text"] for entry in row["cells"].values()]
        for section in read_json(attempts)["sections"]
        for row in section["rows"]
    ]
    assert found == shown


def test_json_holds_sections_with_their_columns_rows_and_notes():
    found = read_json(some_attempts())
    assert list(found) == ["sections", "notes"]
    section = found["sections"][0]
    assert (section["title"], section["subtitle"]) == ("flights:tutorial", "rmse in passengers, lower is better")
    assert section["columns"][:2] == [{"title": "backend", "numeric": False}, {"title": "device", "numeric": False}]
    assert [row["baseline"] for row in section["rows"]] == [False, False, False, True, True]
    for row in section["rows"]:
        assert list(row["cells"]) == [column["title"] for column in section["columns"]]
    assert any("crashed: left in phase" in note for note in found["notes"])


def test_beside_each_text_stands_the_number_in_the_unit_that_sorts_it():
    first, *_, baseline = read_json(some_attempts())["sections"][0]["rows"]
    entries = first["cells"]
    assert entries["backend"] == {"text": "torch 2.9.1", "value": None, "interval": None, "best": False}
    assert {title: entries[title]["value"] for title in ("threads", "params", "rmse", "memory")} == {
        "threads": 2,
        "params": 40_901,
        "rmse": 50.25,
        "memory": 3 * 2**20,
    }
    assert entries["first step"]["value"] == pytest.approx(0.1)
    speed = entries["train seq/s"]
    assert speed["value"] == pytest.approx(4000, rel=1e-3)
    low, high = speed["interval"]
    assert low < speed["value"] < high
    assert (high / low) ** 0.5 == pytest.approx(1.051, rel=1e-3)
    assert baseline["cells"]["rmse"]["value"] == 60.75
    assert baseline["cells"]["train seq/s"] == {"text": "", "value": None, "interval": None, "best": False}


def test_times_for_a_batch_are_in_seconds_and_so_are_published_ones():
    recipe = a_recipe("tiny", epochs=0, scopes=("infer",))
    published = (Published(name="cuDNN", hardware="GTX 1080", scope="infer", seconds=0.002, source="arXiv 1"),)
    findings = some_findings(
        judgement=None, training=None, timings={"infer": a_timing("infer", block_ns=(250_000,))}, published=published
    )
    (section,) = read_json([an_attempt(configuration=a_configuration(recipe=recipe, epochs=0), findings=findings)])[
        "sections"
    ]
    assert [row["cells"]["infer"]["value"] for row in section["rows"]] == [pytest.approx(25e-6), 0.002]
    assert section["rows"][0]["cells"]["infer"]["interval"] is None


def test_columns_of_the_same_title_are_told_apart():
    attempt = an_attempt(findings=some_findings(judgement=a_judgement(metric="memory", metrics={"memory": 7.0})))
    head, row, *_ = read_csv([attempt])
    assert (row[head.index("memory")], row[head.index("memory 2")]) == ("7.000", "3 MiB")
    entries = read_json([attempt])["sections"][0]["rows"][0]["cells"]
    assert (entries["memory"]["text"], entries["memory 2"]["text"]) == ("7.000", "3 MiB")
