"""Evaluate a model: the task's metrics beside its baselines, and the validation loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import expect, logits_shape
from lstm_bench.model.losses import mean_loss
from lstm_bench.record.attempt import Judgement
from lstm_bench.worker.training import Feed, finite

if TYPE_CHECKING:
    from lstm_bench.model.spec import ModelSpec, Recipe
    from lstm_bench.plugin.backend import Model
    from lstm_bench.plugin.task import Dataset, Evaluation, Metric, Predict, Task

LARGEST_PREDICTION = 1000
"""Largest number of sequences in one call of ``infer``."""


class Judge:
    """Evaluates models during and after training.

    Attributes:
        held_out: validation data; ``None`` if the recipe holds none out.
    """

    def __init__(self, recipe: Recipe, metric: Metric | None, task: Task[Any], dataset: Dataset, feed: Feed) -> None:
        self._recipe, self._metric, self._task, self._dataset = recipe, metric, task, dataset
        self.held_out = feed.validation

    def evaluate(self, model: Model[Any]) -> Evaluation:
        """Evaluate a model with the task."""
        return self._task.evaluate(_predictor(model, self._recipe.model), self._dataset)

    def metrics(self, model: Model[Any]) -> Mapping[str, float]:
        """Return the task's metrics; empty if the task has no metric."""
        return {} if self._metric is None else self.evaluate(model).metrics

    def judgement(self, model: Model[Any]) -> Judgement | None:
        """Return the task's evaluation and its baselines; ``None`` if the task has no metric."""
        if self._metric is None:
            return None
        return _judgement(self._metric, self.evaluate(model), self._task.baselines(self._dataset))

    def validation_loss(self, model: Model[Any]) -> float:
        """Return the mean loss on the validation data, in evaluation mode."""
        assert self.held_out is not None
        logits = _predictor(model, self._recipe.model)(self.held_out.x)
        return mean_loss(self._recipe.train.loss, logits, self.held_out.y)

    def reached(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metric has reached the recipe's target."""
        if self._metric is None or self._recipe.target is None:
            return False
        value = metrics[self._metric.name]
        return value <= self._recipe.target if self._metric.better == "lower" else value >= self._recipe.target


def _predictor(model: Model[Any], spec: ModelSpec) -> Predict:
    def predict(x: NDArray[Any]) -> NDArray[Any]:
        parts = [x[begin : begin + LARGEST_PREDICTION] for begin in range(0, len(x), LARGEST_PREDICTION)]
        logits = [expect("logits", model.get(model.infer(model.put(part))), logits_shape(spec, part)) for part in parts]
        return np.concatenate(logits).astype(np.float64)

    return predict


def _judgement(metric: Metric, evaluation: Evaluation, baselines: Mapping[str, Mapping[str, float]]) -> Judgement:
    return Judgement(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        metrics={name: finite(value) for name, value in evaluation.metrics.items()},
        series={name: tuple(finite(value) for value in values) for name, values in evaluation.series.items()},
        baselines={
            baseline: {name: finite(value) for name, value in metrics.items()}
            for baseline, metrics in baselines.items()
        },
    )
