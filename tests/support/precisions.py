"""The precision of a backend's products, and its treatment of denormal numbers, as seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance import setting_of
from lstm_bench import Backend, Model, ModelSpec, Precision, TrainSpec
from lstm_bench.conformance import denormals
from lstm_bench.conformance.precision import product_precisions
from lstm_bench.model.parameters import Parameters, initial_parameters
from lstm_bench.record.attempt import Denormals

SGD = TrainSpec(loss="mse", optimizer="sgd", learning_rate=1e-3, batch_size=2)


def observe(
    backend: Backend, spec: ModelSpec, precision: Precision, *, steps: int = 12, **options: str
) -> dict[str, Precision]:
    """The precision of each weight matrix's products, in a model on the CPU that infers two sequences."""
    parameters = initial_parameters(spec, "uniform", 0)
    return product_precisions(
        _builder(backend, spec, precision, options), spec, parameters, (2, steps, spec.input_size)
    )


def observe_denormals(
    backend: Backend, spec: ModelSpec, precision: Precision = "float32", **options: str
) -> Denormals | None:
    """Whether a model on the CPU that infers two sequences keeps denormal numbers or flushes them."""
    parameters = initial_parameters(spec, "uniform", 0)
    return denormals.detect_denormals(
        _builder(backend, spec, precision, options), parameters, (2, 12, spec.input_size), precision
    )


def _builder(
    backend: Backend, spec: ModelSpec, precision: Precision, options: dict[str, str]
) -> Callable[[Parameters], Model[Any]]:
    setting = setting_of(backend, precision, **options)

    def build(parameters: Parameters) -> Model[Any]:
        return backend.build(spec, SGD, parameters, setting, seed=0)

    return build
