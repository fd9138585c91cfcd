"""Small models of any backend, with data, and what they differ in from the reference."""

from __future__ import annotations

import numpy as np

from lstm_bench import Backend, ModelSpec, TrainSpec
from lstm_bench.conformance.cases import STEPS, Case
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.model.parameters import initial_parameters
from lstm_bench_numpy._model import NumpyBackend

COUNT, BATCH, TIME = 12, 4, 7


def data_for(spec: ModelSpec, train: TrainSpec, seed: int = 0):
    """Random sequences, their targets, and rows of batches."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((COUNT, TIME, spec.input_size))
    shape = (COUNT,) if spec.readout == "last" else (COUNT, TIME)
    if train.loss == "mse":
        y = generator.standard_normal((*shape, spec.output_size))
    else:
        y = generator.integers(0, spec.output_size, shape)
    order = np.stack([generator.permutation(COUNT)[:BATCH] for _ in range(STEPS)])
    return x, y, order


def build(backend: Backend, spec: ModelSpec, train: TrainSpec, precision: str, scheme: str = "uniform", **options: str):
    parameters = initial_parameters(spec, scheme, 1)
    return backend.build(spec, train, parameters, precision=precision, device="cpu", seed=0, options=options)


def disagreements(backend: Backend, spec: ModelSpec, train: TrainSpec, precision: str, **options: str) -> list[str]:
    """One line for each quantity in which a backend differs from the reference, and for each misbehaviour."""

    def build_model(case, problem):
        how = {"precision": precision, "device": "cpu", "seed": 0, "options": options}
        return backend.build(case.model, case.train, problem.parameters, **how)

    case = Case(model=spec, train=train, time=TIME)
    found = Comparison(case, build_model, Reference(NumpyBackend()), precision).compared(0)
    return [*found.faults, *(f"{q.name}: {q.error} > {q.tolerance}" for q in found.quantities.values() if not q.agrees)]
