"""Which charts attempts have, of made attempts and of published ones, and what notes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import ROUNDS, a_configuration, a_failure, some_run
from lstm_bench import charts
from lstm_bench.charts import KINDS
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.record.store import latest, read_folder
from lstm_bench.reports.summary import summarise
from pictures import a_grid, axis_titles, drawn, layers, of_type, records, texts, two_backends

RESULTS = Path(__file__).parents[2] / "results"

PUBLISHED = {
    "copy": ["throughput", "scaling", "start", "loss", "accuracy", "recall"],
    "flights-robust": ["throughput", "start", "ceiling", "loss", "accuracy", "forecast", "close-up"],
    "flights-tutorial": ["throughput", "start", "ceiling", "loss", "forecast", "close-up"],
    "mnist-stacked": ["throughput", "loss", "accuracy"],
}


@pytest.fixture(scope="module")
def published():
    return {name: latest(read_folder(RESULTS / name)[0]) for name in PUBLISHED}


# --- published results


@pytest.mark.parametrize("folder", PUBLISHED)
def test_the_published_attempts_have_the_pictures_that_they_can_have(folder, published):
    assert [kind.name for kind in KINDS.values() if kind.applies(published[folder])] == PUBLISHED[folder]


def test_the_published_table_and_the_throughput_chart_say_the_same(published):
    attempts = published["flights-tutorial"]
    _, spec = drawn("throughput", attempts)
    (section,) = summarise(attempts).sections
    places = [at for at, column in enumerate(section.columns) if column.title.endswith("seq/s")]
    shown = {row.texts[at] for row in section.rows if not row.baseline for at in places}
    assert len(shown) == 8
    assert shown <= set(texts(spec))


def test_recall_by_delay_has_a_curve_for_each_cell(published):
    figure, spec = drawn("recall", published["copy"])
    assert figure.title == "What was learnt: recall by delay"
    names = texts(spec)
    assert {"jax lstm", "jax gru", "jax rnn", "torch lstm", "baseline: memoryless"} <= set(names)
    curves = [records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line"]
    assert sorted(len(curve) for curve in curves) == [1, 1, 1, 3, 3, 3, 3]
    assert {point["x"] for curve in curves for point in curve} == {10.0, 20.0, 50.0}


def test_the_time_to_the_target_stands_at_each_curve(published):
    _, spec = drawn("accuracy", published["copy"])
    said = texts(spec)
    assert axis_titles(spec, "y") == {"recall, dashed: 0.99"}
    assert {"torch lstm: 4,600 in 24.1\u00a0s", "jax rnn: never"} <= set(said)


# --- what is not drawn


@pytest.mark.parametrize("kind", ["throughput", "loss", "start"])
def test_failures_are_counted_by_how_they_ended(kind):
    attempts = [
        *two_backends(),
        a_failure(7, configuration=a_configuration(backend="keras")),
        a_failure(8, configuration=a_configuration(backend="numpy"), status="timeout"),
    ]
    figure, _ = drawn(kind, attempts)
    assert "Not drawn: 2 attempts (1 crashed, 1 timeout)." in figure.notes


def test_what_was_disturbed_is_drawn_and_told():
    from msgspec.structs import replace

    attempts = [replace(attempt, status="disturbed") for attempt in some_run(*ROUNDS)]
    figure, spec = drawn("throughput", attempts)
    assert len(of_type(spec, "point")) == 1
    assert any("disturbed by other processes: 3 attempts" in note for note in figure.notes)


def test_a_large_grid_is_cut_and_says_what_is_left_out():
    figure, spec = drawn("throughput", a_grid(range(1, 11)))
    assert len(spec["vconcat"]) == 6
    assert any(note.startswith("Left out: 4 of 10 (flights:tutorial, hidden 7") for note in figure.notes)


@pytest.mark.parametrize(
    ("kind", "attempts", "says"),
    [
        (
            "ceiling",
            two_backends(),
            "needs one attempt of a backend that can time a .*; these attempts do for throughput, start, loss",
        ),
        ("throughput", [], "needs one attempt whose steps were timed; these attempts do for no other chart"),
        ("loss", [a_failure()], "needs one attempt that was trained; these attempts do for no other chart"),
        ("start", some_run(1.0), "needs two backends that trained the same model"),
        ("scaling", two_backends(), "needs attempts that differ in a number"),
        ("forecast", [a_failure()], "a task that forecasts a series"),
    ],
)
def test_nothing_to_draw_is_one_line_with_what_would_do(kind, attempts, says):
    with pytest.raises(LSTMBenchError, match=says) as raised:
        charts.draw(KINDS[kind], attempts)
    assert "\n" not in str(raised.value)


def test_an_unknown_kind_is_told_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown chart 'troughput'\. Did you mean 'throughput'"):
        charts.find_kind("troughput")
