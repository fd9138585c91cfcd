"""Charts of speed: throughput, scaling, start and ceiling."""

from __future__ import annotations

import pytest

from builders import ROUNDS, a_machine, a_training, some_run
from lstm_bench.analysis.groups import group_attempts
from lstm_bench.analysis.speed import start_and_step
from lstm_bench.analysis.statistics import break_even
from lstm_bench.record.attempt import Ceiling
from pictures import a_grid, axis_titles, drawn, layers, of_type, records, scales, texts, two_backends

# --- throughput


def test_throughput_has_axes_from_zero_and_intervals_around_its_dots():
    attempts = two_backends()
    _, spec = drawn("throughput", attempts)
    assert {scale["domain"][0] for scale in scales(spec, "x")} == {0.0}
    assert {scale["type"] for scale in scales(spec, "x")} == {"linear"}
    assert axis_titles(spec) == {"train, sequences per second"}
    dots, spans = of_type(spec, "point"), [r for r in of_type(spec, "rule") if "high" in r]
    for group, dot, span in zip(group_attempts(attempts), dots, spans, strict=True):
        found = group.estimate("train")
        assert dot["x"] == pytest.approx(4 / found.value)
        assert (span["x"], span["high"]) == (pytest.approx(4 / found.high), pytest.approx(4 / found.low))
        assert span["x"] < dot["x"] < span["high"]


def test_the_fastest_stands_above_and_each_backend_keeps_its_colour():
    colours = {}
    for attempts in (two_backends(), two_backends()[::-1], some_run(*ROUNDS, backend="jax")):
        _, spec = drawn("throughput", attempts)
        names = [text for text in texts(spec) if text in ("torch", "jax")]
        assert names == ["torch", "jax"][-len(names) :]
        marks = [layer["mark"] for layer in layers(spec) if layer["mark"]["type"] == "point"]
        for name, mark in zip(names, marks, strict=True):
            assert colours.setdefault(name, (mark["color"], mark["shape"])) == (mark["color"], mark["shape"])
    assert len(set(colours.values())) == 2


def test_one_round_says_that_it_has_no_interval():
    figure, spec = drawn("throughput", some_run(1.0))
    assert any("One round" in note for note in figure.notes)
    assert [record for record in of_type(spec, "rule") if "high" in record] == []


def test_a_column_stands_for_each_scope_and_says_what_was_not_timed():
    attempts = [*some_run(*ROUNDS, scopes=("train", "infer")), *some_run(*ROUNDS, backend="jax")]
    _, spec = drawn("throughput", [a for a in attempts if a.configuration.backend == "torch"])
    assert axis_titles(spec) == {"train, sequences per second", "infer, sequences per second"}


def test_models_that_differ_are_not_in_one_frame():
    _, spec = drawn("throughput", a_grid((8, 16)))
    assert [panel["title"]["text"] for panel in spec["vconcat"]] == [
        "flights:tutorial, hidden 8",
        "flights:tutorial, hidden 16",
    ]


def test_machines_are_never_mixed_and_named():
    here, there = a_machine(), a_machine(processor="Comptometer")
    attempts = [
        *some_run(*ROUNDS, findings={"machine": here}),
        *some_run(*ROUNDS, findings={"machine": there}, run="new"),
    ]
    _, spec = drawn("throughput", attempts)
    titles = [panel["title"]["text"] for panel in spec["vconcat"]]
    assert titles == ["flights:tutorial, Abacus 9", "flights:tutorial, Comptometer"]


def test_a_gpu_is_named_before_its_machine():
    gpu = {"machine": a_machine(processor="Intel(R) Xeon(R) Processor"), "device_name": "Hopper 5"}
    attempts = [*some_run(*ROUNDS), *some_run(*ROUNDS, findings=gpu, device="cuda:0", run="new")]
    _, spec = drawn("throughput", attempts)
    titles = [panel["title"]["text"] for panel in spec["vconcat"]]
    assert titles == ["flights:tutorial, Abacus 9", "flights:tutorial, Hopper 5, Intel Xeon"]


def test_machines_of_one_processor_are_told_apart():
    attempts = [
        *some_run(*ROUNDS, findings={"machine": a_machine(cores=2)}),
        *some_run(*ROUNDS, findings={"machine": a_machine(cores=4)}, run="new"),
    ]
    _, spec = drawn("throughput", attempts)
    assert len({panel["title"]["text"] for panel in spec["vconcat"]}) == 2


# --- scaling


def test_scaling_has_a_line_for_each_backend_on_logarithmic_axes():
    figure, spec = drawn("scaling", a_grid((8, 16, 64)))
    assert figure.title == "Throughput by hidden size"
    assert {scale["type"] for axis in "xy" for scale in scales(spec, axis)} == {"log"}
    curves = [records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line"]
    assert [[point["x"] for point in curve] for curve in curves] == [[8, 16, 64]] * 2
    for torch, jax in zip(*curves, strict=True):
        assert torch["y"] == pytest.approx(2 * jax["y"])
    assert [text for text in texts(spec) if text in ("torch", "jax")] == ["torch", "jax"]


@pytest.mark.parametrize(
    ("sizes", "ticks"), [((8, 16, 64), [8, 16, 64]), (range(1, 21), [1, 2, 5, 10, 20]), ((8, 9, 10), [8, 9, 10])]
)
def test_each_number_of_a_grid_has_its_tick_unless_there_are_many(sizes, ticks):
    _, spec = drawn("scaling", a_grid(sizes))
    axes = [layer["encoding"]["x"]["axis"] for layer in layers(spec) if "x" in layer.get("encoding", {})]
    assert [axis["values"] for axis in axes] == [ticks] * len(axes)


def test_every_number_that_was_varied_has_a_panel_of_its_own():
    attempts = [
        attempt
        for batch in (1, 4)
        for attempt in a_grid((8, 16), backends=("torch",), train=a_training(batch_size=batch), run=f"r{batch}")
    ]
    figure, spec = drawn("scaling", attempts)
    assert figure.title == "Throughput by hidden size and by batch size"
    assert len(spec["vconcat"]) == 2


# --- start


def test_curves_of_the_start_cross_where_the_break_even_point_is():
    slow = some_run(1.0, backend="jax", versions={"jax": "1"})
    fast = some_run(2.0, backend="torch")
    slow = [with_start(attempt, 10.0) for attempt in slow]
    fast = [with_start(attempt, 1.0) for attempt in fast]
    figure, spec = drawn("start", [*slow, *fast])
    ours, theirs = (start_and_step(group) for group in group_attempts([*slow, *fast]))
    steps = break_even(ours, theirs)
    (crossing,) = (records(spec, layer)[0] for layer in layers(spec) if layer["mark"].get("style") == "crossing")
    assert crossing["x"] == pytest.approx(steps)
    assert crossing["y"] == pytest.approx(ours[0] + steps * ours[1])
    assert "9,000 steps" in texts(spec)
    assert "In steps: jax is ahead of torch after 9,000." in figure.notes


def with_start(attempt, seconds):
    from msgspec.structs import replace

    return replace(attempt, findings=replace(attempt.findings, seconds={"build": 0.0, "first step": seconds}))


def test_who_is_ahead_from_the_start_on_is_crossed_by_nobody():
    _, spec = drawn("start", two_backends())
    assert [layer for layer in layers(spec) if layer["mark"].get("style") == "crossing"] == []


# --- ceiling


def test_bars_of_the_ceiling_are_shares_from_zero_with_the_line_at_one_hundred():
    ceiling = {"ceiling": Ceiling(size=512, flops_per_second=1e12), "batch_shape": (4, 12, 1)}
    attempts = some_run(1.0, findings=ceiling)
    _, spec = drawn("ceiling", attempts)
    (bar,) = of_type(spec, "bar")
    assert bar["x"] == pytest.approx(100 * attempts[0].operations("train") / 1e-3 / 1e12)
    assert {record["x"] for record in of_type(spec, "rule")} == {0.0, 100.0}
    assert {scale["domain"][0] for scale in scales(spec, "x")} == {0.0}
    assert all(scale["domain"][1] >= 100 for scale in scales(spec, "x"))
