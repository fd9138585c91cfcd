"""A collection of wrong backends, which are models of the NumPy backend with a fault each."""

from __future__ import annotations

import re

import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo
from lstm_bench_numpy._model import NumpyBackend

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()


class Of(NumpyBackend):
    """The NumPy backend with another class of model."""

    def __init__(self, model):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


class Menagerie:
    """Models by the names of their classes, as backends whose summaries are the docstrings."""

    def __init__(self):
        self._kinds = {}

    def add(self, kind):
        self._kinds[re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()] = kind
        return kind

    def backends(self):
        for name, kind in self._kinds.items():
            summary = " ".join(kind.__doc__.split())
            yield BackendInfo(name=name, summary=summary, load=lambda kind=kind: Of(kind), abilities=NUMPY.abilities)
