"""Small models of any backend, with data, and what they differ in from the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lstm_bench import Backend, ModelSpec, Options, Precision, Setting, TrainSpec
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.cases import STEPS, Case, Problem
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.quantities import Arrays
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import build_or_refuse
from lstm_bench_numpy._model import NumpyBackend

COUNT, BATCH, TIME = 12, 4, 7

FEW = 3
"""Time steps of a loop that is written out: a first one, a last one and one between. Each of them is compiled."""


class RememberingReference(Reference):
    """A reference that computes each case once, for tests that hold many backends against the same cases."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._known: dict[tuple[str, bytes, Precision], Arrays] = {}

    def observe(self, case: Case, problem: Problem, precision: Precision = "float64") -> Arrays:
        key = str(case), problem.x.tobytes(), precision
        if key not in self._known:
            self._known[key] = super().observe(case, problem, precision)
        return self._known[key]


def data_for(spec: ModelSpec, train: TrainSpec, seed: int = 0, *, time: int = TIME):
    """Random sequences, their targets, and rows of batches."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((COUNT, time, spec.input_size))
    shape = (COUNT,) if spec.readout == "last" else (COUNT, time)
    if train.loss == "mse":
        y = generator.standard_normal((*shape, spec.output_size))
    else:
        y = generator.integers(0, spec.output_size, shape)
    order = np.stack([generator.permutation(COUNT)[:BATCH] for _ in range(STEPS)])
    return x, y, order


def options_of(backend: Backend, texts: Mapping[str, str]) -> Options:
    """Every option of a built-in backend: as users would write it, or its default."""
    package = type(backend).__module__.partition(".")[0]
    infos = load_plugins().backends
    info = infos.get(package.removeprefix("lstm_bench_"), infos["numpy"])
    return info.read(texts)


def setting_of(backend: Backend, precision: Precision, device: str = "cpu", **options: str) -> Setting:
    """A setting of a built-in backend, whose options are written as users write them."""
    return Setting(precision, device, options_of(backend, options))


def build(
    backend: Backend,
    spec: ModelSpec,
    train: TrainSpec,
    how: Precision | Setting,
    scheme: str = "uniform",
    **options: str,
):
    """A model in a setting, or in a precision on the CPU with some options."""
    setting = how if isinstance(how, Setting) else setting_of(backend, how, **options)
    return backend.build(spec, train, initial_parameters(spec, scheme, 1), setting, seed=0)


def disagreements(
    backend: Backend, spec: ModelSpec, train: TrainSpec, how: Precision | Setting, *, time: int = TIME, **options: str
) -> list[str]:
    """One line for each quantity in which a backend differs from the reference, and for each misbehaviour."""
    setting = how if isinstance(how, Setting) else setting_of(backend, how, **options)
    comparison = compare(backend, Case(model=spec, train=train, time=time), setting)
    found = comparison.compared(0)
    return [*found.faults, *(f"{q.name}: {q.error} > {q.tolerance}" for q in found.quantities.values() if not q.agrees)]


def compare(backend: Backend, case: Case, setting: Setting) -> Comparison:
    """One case on a backend with every ability, beside the reference."""

    def build_model(case, problem):
        return build_or_refuse(backend, case.model, case.train, problem.parameters, setting, seed=case.seed)

    return Comparison(case, build_model, Reference(NumpyBackend()), setting)
