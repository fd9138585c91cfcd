from __future__ import annotations

import numpy as np
import pytest

from lstm_bench import parameter_count
from lstm_bench.plugins import load_plugins

INFO = load_plugins().task("flights")


@pytest.fixture
def series():
    return INFO.load().load(INFO.recipe(None, {}), {}, data_dir=None, seed=0)


def test_the_series_is_the_published_one(series):
    assert series.passengers.shape == (144,)
    assert series.passengers[[0, 11, 132, 143]].tolist() == [112, 118, 417, 432]
    assert series.passengers.sum() == 40_363  # a mean of 280.2986, as every textbook has it
    assert series.passengers.max() == 622


def test_training_sees_120_windows_and_none_of_the_last_year(series):
    assert series.train.x.shape == (120, 12, 1)
    assert series.train.y.shape == (120, 1)
    assert series.train.x.dtype == series.train.y.dtype == np.float64
    seen = series.unscale(np.concatenate([series.train.x[0, :, 0], series.train.y[:, 0]]))
    np.testing.assert_allclose(seen, series.passengers[:132])
    np.testing.assert_array_equal(series.train.x[1:, -1, 0], series.train.y[:-1, 0])


def test_the_scale_is_fitted_on_the_training_months_alone(series):
    assert series.train.y.max() == 1
    assert series.train.x.min() == -1
    assert series.scale(series.passengers).max() > 1


def test_the_default_recipe_is_the_tutorial():
    recipe = INFO.recipe(None, {})
    assert (recipe.name, recipe.epochs, recipe.train.batch_size, recipe.shuffle) == ("tutorial", 300, 1, False)
    assert parameter_count(recipe.model) == 40_901


def test_a_perfect_forecast_has_no_error(series):
    scaled = series.scale(series.passengers)

    def oracle(windows):
        """Looks each window up in the series and says what follows."""
        answers = []
        for window in windows[:, :, 0]:
            matches = [t for t in range(132) if np.allclose(scaled[t : t + 12], window)]
            answers.append(scaled[matches[0] + 12])
        return np.array(answers)[:, None]

    evaluation = INFO.load().evaluate(oracle, series)
    assert evaluation.metrics == pytest.approx({"rmse": 0, "mae": 0, "mape": 0, "one_step_rmse": 0}, abs=1e-9)
    assert evaluation.series["forecast"] == pytest.approx(series.passengers[-12:].tolist())
    assert evaluation.series["one_step"] == pytest.approx(series.passengers[-12:].tolist())


def test_the_forecast_is_fed_back_and_the_one_step_forecast_is_not(series):
    def one_more_passenger(windows):
        return series.scale(series.unscale(windows[:, -1]) + 1)

    evaluation = INFO.load().evaluate(one_more_passenger, series)
    assert evaluation.series["forecast"] == pytest.approx([405 + month for month in range(1, 13)])
    assert evaluation.series["one_step"] == pytest.approx((series.passengers[131:143] + 1).tolist())


def test_the_metrics_are_in_passengers(series):
    def constant(windows):
        return series.scale(np.full((len(windows), 1), 400.0))

    truth = series.passengers[-12:]
    metrics = INFO.load().evaluate(constant, series).metrics
    assert metrics["rmse"] == metrics["one_step_rmse"] == pytest.approx(np.sqrt(np.mean((truth - 400) ** 2)))
    assert metrics["mae"] == pytest.approx(np.mean(abs(truth - 400)))
    assert metrics["mape"] == pytest.approx(100 * np.mean(abs(truth - 400) / truth))


def test_the_baselines_are_the_known_ones(series):
    baselines = INFO.load().baselines(series)
    assert {name: round(metrics["rmse"], 1) for name, metrics in baselines.items()} == {
        "same month last year": 50.7,
        "last value": 103.0,
    }
    assert baselines["last value"]["one_step_rmse"] < baselines["last value"]["rmse"]
