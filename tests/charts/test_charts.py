"""What each kind of chart shows, read from its Vega-Lite: of made attempts, and of those that are published."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from builders import (
    ROUNDS,
    a_configuration,
    a_failure,
    a_judgement,
    a_machine,
    a_model,
    a_recipe,
    a_training,
    months,
    some_run,
    times,
)
from lstm_bench import Observed, charts
from lstm_bench.analysis.groups import group_attempts
from lstm_bench.analysis.speed import start_and_step
from lstm_bench.analysis.statistics import break_even
from lstm_bench.charts import KINDS, rendering
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.record.attempt import Ceiling, CurvePoint, Training
from lstm_bench.record.store import latest, read_folder
from lstm_bench.reports.summary import summarise

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


def drawn(kind, attempts):
    """The figure of this kind as Vega-Lite."""
    figure = charts.draw(KINDS[kind], attempts)
    return figure, rendering.specification(figure)


def layers(spec):
    """Every mark of a chart, with its data, which several can have in common."""
    if "mark" in spec:
        yield spec
    for part in ("layer", "vconcat", "hconcat"):
        for child in spec.get(part, ()):
            yield from layers({"data": spec["data"], **child} if "data" in spec else child)


def records(spec, layer):
    """The data of a mark."""
    data = layer["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def texts(spec):
    """Everything that is written within a chart."""
    return [layer["mark"]["text"] for layer in layers(spec) if layer["mark"]["type"] == "text"]


def of_type(spec, kind, axis="x"):
    """Records of all marks of a type that lie along an axis."""
    return [
        record
        for layer in layers(spec)
        if layer["mark"]["type"] == kind and axis in layer.get("encoding", {})
        for record in records(spec, layer)
    ]


def scales(spec, axis):
    return [s["encoding"][axis]["scale"] for s in layers(spec) if axis in s.get("encoding", {})]


def axis_titles(spec, axis="x"):
    found = (s["encoding"][axis].get("axis") for s in layers(spec) if axis in s.get("encoding", {}))
    return {one["title"] for one in found if one}


def two_backends(**configuration):
    return [
        *some_run(*ROUNDS, backend="torch", **configuration),
        *some_run(*times(2), run="old", backend="jax", **configuration),
    ]


def a_grid(sizes, backends=("torch", "jax"), run="old", **recipe):
    made = []
    for factor, backend in enumerate(backends, start=1):
        for size in sizes:
            chosen = a_recipe(model=a_model(hidden_sizes=(size,)), **recipe)
            made += some_run(*times(factor * size), backend=backend, recipe=chosen, run=run)
    return made


def trained(values, *, metric="recall", better="higher", **configuration):
    """An attempt whose metric went through these values, one each hundred steps."""
    curve = tuple(
        CurvePoint(step=100 * at, seconds=0.5 * at, metrics={metric: value}) for at, value in enumerate(values)
    )
    losses = tuple(1 / (1 + at) for at in range(3))
    training = Training(steps=100, seconds=9, first_losses=losses, epoch_losses=losses, curve=curve)
    judged = a_judgement(
        metric=metric, unit="", better=better, metrics={metric: values[-1]}, baselines={"guess": {metric: 0.125}}
    )
    return some_run(1.0, findings={"training": training, "judgement": judged}, **configuration)


# --- what is published


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


def test_the_close_up_says_what_the_table_says_of_the_median_seed(published):
    _, spec = drawn("close-up", published["flights-tutorial"])
    names = {text.split(": ")[0]: text.split(": ")[1] for text in texts(spec) if ": " in text}
    assert names == {
        "jax": "88.80",
        "keras": "111.6",
        "numpy": "90.67",
        "torch": "78.62",
        "same month last year": "50.71",
    }


def test_a_forecast_stands_beside_the_months_that_came(published):
    _, spec = drawn("forecast", published["flights-robust"])
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


# --- learning


def test_losses_are_drawn_by_step_and_by_epoch():
    attempts = trained([0.1, 0.9])
    _, spec = drawn("loss", attempts)
    assert axis_titles(spec) == {"step", "epoch, mean over its steps"}
    for layer in layers(spec):
        if layer["mark"]["type"] == "line":
            assert [point["y"] for point in records(spec, layer)] == [1, 1 / 2, pytest.approx(1 / 3)]


def test_a_loss_of_next_to_nothing_presses_nothing_together_and_is_told():
    training = Training(steps=4, seconds=1, first_losses=(1.0, 0.1, 1e-13, 0.1), epoch_losses=(1.0,))
    figure, spec = drawn("loss", some_run(1.0, findings={"training": training}))
    (low, _), *_ = (scale["domain"] for scale in scales(spec, "y"))
    assert low > 1e-6
    (line,) = (layer for layer in layers(spec) if layer["mark"]["type"] == "line")
    assert line["mark"]["clip"] is True
    assert records(spec, line)[2]["y"] == 1e-13
    assert sum("beyond the axis" in note for note in figure.notes) == 1


def test_what_is_not_finite_is_a_gap_in_its_curve():
    training = Training(steps=3, seconds=1, first_losses=(1.0, None, 0.5), epoch_losses=(None,))
    _, spec = drawn("loss", some_run(1.0, findings={"training": training}))
    (line,) = (records(spec, layer) for layer in layers(spec) if layer["mark"]["type"] == "line")
    assert [point["y"] for point in line] == [1.0, None, 0.5]


@pytest.mark.parametrize(
    ("values", "better", "level"),
    [([[0.1, 0.98765], [0.2, 0.99]], "higher", "0.987"), ([[90.0, 20.32], [80.0, 12.0]], "lower", "20.4")],
)
def test_without_a_target_the_level_is_what_all_of_them_reach(values, better, level):
    attempts = [
        attempt
        for backend, each in zip(("torch", "jax"), values, strict=True)
        for attempt in trained(each, better=better, backend=backend)
    ]
    _, spec = drawn("accuracy", attempts)
    assert axis_titles(spec, "y") == {f"recall, dashed: {level}"}
    assert [text for text in texts(spec) if text.endswith("never")] == []


def test_a_curve_that_never_reaches_the_target_says_so():
    recipe = a_recipe(target=0.95, evaluate_every=100)
    attempts = [*trained([0.1, 0.5, 0.97], recipe=recipe), *trained([0.1, 0.2, 0.3], recipe=recipe, backend="jax")]
    _, spec = drawn("accuracy", attempts)
    assert {"torch: 200 in 1\u00a0s", "jax: never"} <= set(texts(spec))


def test_several_seeds_are_one_curve_of_the_median_seed():
    attempts = [a for seed, end in enumerate((0.5, 0.9, 0.7)) for a in trained([0.1, end], seed=seed)]
    figure, spec = drawn("accuracy", attempts)
    ends = {
        records(spec, layer)[-1]["y"]
        for layer in layers(spec)
        if layer["mark"].get("style") != "baseline" and layer["mark"]["type"] == "line"
    }
    assert ends == {0.7}
    assert "Of 3 seeds, that with the median metric is drawn." in figure.notes


def test_a_metric_over_a_grid_is_the_median_over_seeds_with_their_range():
    attempts = [
        attempt
        for delay, ends in {"10": (0.9, 0.8, 0.95), "40": (0.5, 0.4, 0.7)}.items()
        for seed, end in enumerate(ends)
        for attempt in trained([0.1, end], seed=seed, task="copy", task_options={"delay": delay})
    ]
    _, spec = drawn("recall", attempts)
    (line,) = (records(spec, s) for s in layers(spec) if s["mark"]["type"] == "line" and "style" not in s["mark"])
    assert line == [{"x": 10.0, "y": 0.9}, {"x": 40.0, "y": 0.5}]
    assert of_type(spec, "rule") == [{"x": 10.0, "y": 0.8, "high": 0.95}, {"x": 40.0, "y": 0.4, "high": 0.7}]


# --- what is not drawn is told


@pytest.mark.parametrize("kind", ["throughput", "loss", "start"])
def test_failures_are_counted_by_how_they_ended(kind):
    attempts = [
        *two_backends(),
        a_failure(7, configuration=a_configuration(backend="keras")),
        a_failure(8, configuration=a_configuration(backend="numpy"), status="timeout"),
    ]
    figure, _ = drawn(kind, attempts)
    assert "Not drawn, since they failed: 2 attempts (1 crashed, 1 timeout)." in figure.notes


def test_what_was_disturbed_is_drawn_and_told():
    from msgspec.structs import replace

    attempts = [replace(attempt, status="disturbed") for attempt in some_run(*ROUNDS)]
    figure, spec = drawn("throughput", attempts)
    assert len(of_type(spec, "point")) == 1
    assert any("3 attempts (disturbed)" in note for note in figure.notes)


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
            "needs one attempt with a ceiling.*; these attempts do for throughput, start, loss",
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


# --- names and places


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([50.0], [50.0]),
        ([10.0, 60.0], [10.0, 60.0]),
        ([50.0, 50.0], [42.5, 57.5]),
        ([50.0, 40.0], [52.5, 37.5]),
        ([0.0, 0.0], [0.0, 15.0]),
        ([100.0, 100.0, 100.0], [70.0, 85.0, 100.0]),
        ([50.0, 50.0, 70.0], [41.666, 56.666, 71.666]),
        ([], []),
    ],
)
def test_names_are_moved_apart_and_stay_in_order(wanted, found):
    from lstm_bench.charts.panels import apart

    assert apart(wanted, 100.0) == pytest.approx(found, abs=0.01)


def test_more_names_than_there_is_room_for_stand_closer():
    from lstm_bench.charts.panels import apart

    found = sorted(apart([50.0] * 20, 100.0))
    assert (found[0], found[-1]) == (0.0, pytest.approx(100.0))
    assert all(low < high for low, high in pairwise(found))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 10.0, [1, 2, 5, 10]),
        (0.02, 30.0, [0.03, 0.1, 0.3, 1, 3, 10, 30]),
        (1.0, 1e6, [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
        (1.0, 1e12, [1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
        (2.3, 4.5, [3.0]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low, high, ticks):
    from lstm_bench.charts.panels import round_numbers

    assert round_numbers(low, high) == pytest.approx(ticks)
