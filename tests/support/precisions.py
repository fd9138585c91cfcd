"""What a backend's products are seen to be computed in."""

from __future__ import annotations

from lstm_bench import Backend, ModelSpec, Precision, TrainSpec
from lstm_bench.parameters import initial_parameters
from lstm_bench.precision import product_precisions

SGD = TrainSpec(loss="mse", optimizer="sgd", learning_rate=1e-3, batch_size=2)


def observe(
    backend: Backend, spec: ModelSpec, precision: Precision, *, steps: int = 12, **options: str
) -> dict[str, Precision]:
    """By weight matrix, in a model that is built on the CPU for two sequences."""

    def build(parameters):
        return backend.build(spec, SGD, parameters, precision=precision, device="cpu", seed=0, options=options)

    return product_precisions(build, spec, initial_parameters(spec, "uniform", 0), (2, steps, spec.input_size))
