from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lstm_bench import LSTMBenchError, parameter_count
from lstm_bench.catalog.choosing import choose_tasks
from lstm_bench.catalog.loading import load_plugins
from lstm_bench_flights import _task
from lstm_bench_flights._scales import Growth, Range

PLUGINS = load_plugins()
INFO = PLUGINS.task("flights")
PASSENGERS = _task.read_passengers()
ALL = list(product(["tutorial", "robust"], [1, 2, 6]))


def load(recipe="tutorial", origins=1):
    (task,) = choose_tasks(PLUGINS, [f"flights:{recipe}[origins={origins}]"])
    return INFO.load().load(task.recipe, task.options, data_dir=None, seed=0)


def validated(recipe, origins):
    """How many of the training windows validate."""
    return round(
        INFO.recipe(recipe, INFO.read({"origins": str(origins)})).validation * len(load(recipe, origins).train.x)
    )


@pytest.fixture
def series():
    return load()


def test_the_series_is_the_published_one(series):
    assert series.passengers.shape == (144,)
    assert series.passengers[[0, 11, 132, 143]].tolist() == [112, 118, 417, 432]
    assert series.passengers.sum() == 40_363  # a mean of 280.2986, as every textbook has it
    assert series.passengers.max() == 622


def test_training_sees_120_windows_and_none_of_the_last_year(series):
    assert series.train.x.shape == (120, 12, 1)
    assert series.train.y.shape == (120, 1)
    assert series.train.x.dtype == series.train.y.dtype == np.float64
    seen = series.units.unscale(np.concatenate([series.train.x[0, :, 0], series.train.y[:, 0]]), np.zeros(132))
    np.testing.assert_allclose(seen, series.passengers[:132])
    np.testing.assert_array_equal(series.train.x[1:, -1, 0], series.train.y[:-1, 0])


def test_the_scale_is_fitted_on_the_training_months_alone(series):
    assert series.train.y.max() == 1
    assert series.train.x.min() == -1
    assert series.units.scale(series.passengers).max() > 1


def test_the_default_recipe_is_the_tutorial():
    recipe = INFO.recipe(None, INFO.read({}))
    assert (recipe.name, recipe.epochs, recipe.train.batch_size, recipe.shuffle) == ("tutorial", 300, 1, False)
    assert parameter_count(recipe.model) == 40_901
    assert load().origins == 1


@pytest.mark.parametrize("origins", range(1, 7))
def test_the_robust_recipe_stops_by_the_last_year_that_it_may_see(origins):
    series = load("robust", origins)
    assert len(series.train.x) == 108 - 12 * (origins - 1)
    assert validated("robust", origins) == 12
    assert validated("tutorial", origins) == 0
    last = series.passengers[: 144 - 12 * origins]
    year = series.units.unscale(series.train.y[-12:, 0], last[-24:-12])
    np.testing.assert_allclose(year, last[-12:])


def test_the_robust_recipe_learns_the_growth_over_last_year(series):
    robust = load("robust")
    growth = np.log(PASSENGERS[12:132] / PASSENGERS[:120])
    assert robust.units == Growth(pytest.approx(growth[:-12].mean()), pytest.approx(growth[:-12].std()))
    np.testing.assert_allclose(robust.train.x[0, :, 0], (growth[:12] - robust.units.mean) / robust.units.deviation)


@pytest.mark.parametrize("origins", ["0", "7", "-1", "two", "1.0"])
def test_as_many_origins_as_leave_too_little_to_learn_from_are_refused_in_one_line(origins):
    with pytest.raises(LSTMBenchError) as caught:
        choose_tasks(PLUGINS, [f"flights[origins={origins}]"])
    assert str(caught.value) == (
        f"option 'origins' of task 'flights' must be a whole number from 1 to 6; got {origins!r}"
    )


passengers = arrays(np.float64, st.integers(13, 60), elements=st.floats(1, 1e4))


@given(passengers)
def test_passengers_come_back_from_growth(series):
    units = Growth(0.1, 0.05)
    assert len(units.scale(series)) == len(series) - 12
    np.testing.assert_allclose(units.unscale(units.scale(series), series[:-12]), series[12:], rtol=1e-12)


@given(passengers.filter(lambda series: np.ptp(series) > 1))
def test_passengers_come_back_from_their_range(series):
    units = Range.fit(series)
    assert (units.scale(series).min(), units.scale(series).max()) == (-1, 1)
    np.testing.assert_allclose(units.unscale(units.scale(series), np.zeros(len(series))), series, rtol=1e-12)


@given(passengers.filter(lambda series: np.ptp(np.log(series[12:] / series[:-12])) > 0.01))
def test_growth_is_standardised(series):
    scaled = Growth.fit(series).scale(series)
    assert (scaled.mean(), scaled.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


@pytest.fixture
def changed(monkeypatch):
    """A function that replaces the passengers of the months from ``first`` to ``last``."""

    def change(first, last=144):
        other = PASSENGERS.copy()
        other[first:last] = np.random.default_rng(first).uniform(50, 900, last - first)
        monkeypatch.setattr(_task, "read_passengers", lambda: other)

    return change


def arbitrary(windows):
    """A predictor to which every month of a window matters."""
    return np.tanh(windows[:, :, 0] @ np.linspace(-1, 1, 12))[:, None]


@pytest.mark.parametrize(("recipe", "origins"), ALL)
def test_what_is_held_out_changes_nothing_that_is_learnt_from(recipe, origins, changed):
    before = load(recipe, origins)
    changed(144 - 12 * origins)
    after = load(recipe, origins)
    assert after.units == before.units
    assert after.train.x.tobytes() == before.train.x.tobytes()
    assert after.train.y.tobytes() == before.train.y.tobytes()
    changed(143 - 12 * origins)
    assert load(recipe, origins).train.y.tobytes() != before.train.y.tobytes()


@pytest.mark.parametrize("origins", [1, 2, 6])
def test_what_validates_changes_no_other_window(origins, changed):
    before = load("robust", origins)
    changed(132 - 12 * origins)
    after = load("robust", origins)
    assert after.units == before.units
    np.testing.assert_array_equal(after.train.x[:-12], before.train.x[:-12])
    np.testing.assert_array_equal(after.train.y[:-12], before.train.y[:-12])


@pytest.mark.parametrize("recipe", ["tutorial", "robust"])
@pytest.mark.parametrize("month", [72, 95, 96, 97, 131, 132, 143])
def test_no_forecast_knows_what_comes_after_it(recipe, month, changed):
    def forecasts():
        found = INFO.load().evaluate(arbitrary, load(recipe, 6)).series
        return found["forecast"], found["one_step"]

    forecast, one_step = forecasts()
    changed(month)
    other_forecast, other_one_step = forecasts()
    known = month - 72
    begun = known - known % 12 + 12  # forecasts that have begun by then
    assert other_one_step[: known + 1] == one_step[: known + 1]
    assert other_forecast[:begun] == forecast[:begun]
    assert other_one_step[known + 1 :] != one_step[known + 1 :] or month == 143
    assert other_forecast[begun:] != forecast[begun:] or month > 131


@pytest.mark.parametrize(("recipe", "origins"), ALL)
def test_a_perfect_forecast_has_no_error(recipe, origins):
    series = load(recipe, origins)
    scaled = series.units.scale(series.passengers)

    def oracle(windows):
        """A predictor that looks each window up in the series."""
        answers = []
        for window in windows[:, :, 0]:
            matches = [t for t in range(len(scaled) - 12) if np.allclose(scaled[t : t + 12], window)]
            answers.append(scaled[matches[0] + 12])
        return np.array(answers)[:, None]

    evaluation = INFO.load().evaluate(oracle, series)
    assert evaluation.metrics == pytest.approx({"rmse": 0, "mae": 0, "mape": 0, "one_step_rmse": 0}, abs=1e-9)
    assert evaluation.series["forecast"] == pytest.approx(series.passengers[-12 * origins :].tolist())
    assert evaluation.series["one_step"] == pytest.approx(series.passengers[-12 * origins :].tolist())


def test_the_forecast_is_fed_back_and_the_one_step_forecast_is_not(series):
    def one_more_passenger(windows):
        return series.units.scale(series.units.unscale(windows[:, -1], 0) + 1)

    evaluation = INFO.load().evaluate(one_more_passenger, series)
    assert evaluation.series["forecast"] == pytest.approx([405 + month for month in range(1, 13)])
    assert evaluation.series["one_step"] == pytest.approx((series.passengers[131:143] + 1).tolist())


def test_each_origin_begins_from_the_true_past():
    series = load("tutorial", 3)

    def the_same_again(windows):
        return windows[:, -1]

    evaluation = INFO.load().evaluate(the_same_again, series)
    assert evaluation.series["forecast"] == pytest.approx(np.repeat(PASSENGERS[[107, 119, 131]], 12).tolist())
    assert evaluation.series["one_step"] == pytest.approx(PASSENGERS[107:143].tolist())


def test_growth_is_fed_back_as_growth():
    series = load("robust", 2)

    def by_a_tenth(windows):
        return np.full((len(windows), 1), (np.log(1.1) - series.units.mean) / series.units.deviation)

    evaluation = INFO.load().evaluate(by_a_tenth, series)
    assert evaluation.series["forecast"] == pytest.approx((1.1 * PASSENGERS[108:132]).tolist())
    assert evaluation.series["one_step"] == evaluation.series["forecast"]


@pytest.mark.parametrize("origins", [1, 4])
def test_the_metrics_are_in_passengers_and_over_all_origins(origins):
    series = load("tutorial", origins)

    def constant(windows):
        return series.units.scale(np.full((len(windows), 1), 400.0))

    truth = series.passengers[-12 * origins :]
    metrics = INFO.load().evaluate(constant, series).metrics
    assert metrics["rmse"] == metrics["one_step_rmse"] == pytest.approx(np.sqrt(np.mean((truth - 400) ** 2)))
    assert metrics["mae"] == pytest.approx(np.mean(abs(truth - 400)))
    assert metrics["mape"] == pytest.approx(100 * np.mean(abs(truth - 400) / truth))


def test_predictions_are_asked_for_in_two_shapes_however_many_origins():
    shapes = []

    def noting(windows):
        shapes.append(windows.shape)
        return np.zeros((len(windows), 1))

    INFO.load().evaluate(noting, load("robust", 5))
    assert shapes == [(60, 12, 1)] + [(5, 12, 1)] * 12


def test_the_baselines_are_the_known_ones(series):
    baselines = INFO.load().baselines(series)
    assert {name: round(metrics["rmse"], 1) for name, metrics in baselines.items()} == {
        "same month last year": 50.7,
        "last value": 103.0,
    }
    assert baselines["last value"]["one_step_rmse"] < baselines["last value"]["rmse"]


def test_a_model_of_growth_is_held_against_mean_growth():
    baselines = INFO.load().baselines(load("robust"))
    assert {name: round(metrics["rmse"], 1) for name, metrics in baselines.items()} == {
        "same month last year": 50.7,
        "last value": 103.0,
        "mean growth over last year": 17.6,
    }


def test_baselines_are_over_all_origins_each_with_its_own_past():
    baselines = INFO.load().baselines(load("robust", 2))
    truth = PASSENGERS[120:]
    last_year = PASSENGERS[108:132]
    growth = [np.log(PASSENGERS[12:end] / PASSENGERS[: end - 12]).mean() for end in (120, 132)]

    def rmse(forecast):
        return pytest.approx(np.sqrt(np.mean((forecast - truth) ** 2)))

    assert baselines["same month last year"]["rmse"] == rmse(last_year)
    assert baselines["last value"]["rmse"] == rmse(np.repeat(PASSENGERS[[119, 131]], 12))
    assert baselines["last value"]["one_step_rmse"] == rmse(PASSENGERS[119:143])
    assert baselines["mean growth over last year"]["rmse"] == rmse(last_year * np.exp(np.repeat(growth, 12)))


@pytest.mark.parametrize(("recipe", "origins"), ALL)
def test_what_forecasts_are_drawn_beside_is_what_they_are_judged_by(recipe, origins):
    options = INFO.read({"origins": str(origins)})
    series, chosen = load(recipe, origins), INFO.recipe(recipe, options)
    observed = INFO.observed(chosen, options)
    assert observed.values == tuple(PASSENGERS)
    truth = PASSENGERS[-series.held_out :]
    scores = INFO.load().baselines(series)
    assert observed.baselines.keys() == scores.keys()
    for name, forecast in observed.baselines.items():
        assert len(forecast) == series.held_out
        assert np.sqrt(np.mean((forecast - truth) ** 2)) == pytest.approx(scores[name]["rmse"])
