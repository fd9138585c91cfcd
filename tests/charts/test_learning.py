"""Charts of what was learnt: losses, learning curves, and the metric over a sweep."""

from __future__ import annotations

import pytest

from builders import a_recipe, some_run
from lstm_bench.record.attempt import Training
from pictures import axis_titles, drawn, layers, of_type, records, scales, texts, trained


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
