"""A plugin of backends that compute in another precision than their setting has."""

from __future__ import annotations

from collections.abc import Iterable
from unittest import mock

import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo, hookimpl
from lstm_bench.conformance.rounding import SIGNIFICANDS, rounded
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()


def truncated(array, bits):
    """The numbers with ``bits`` bits of significand, rounded towards zero as some tensor cores do it."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    return np.ldexp(np.trunc(np.ldexp(significand, bits)), exponent - bits)


class Rounding(NumpyModel):
    """Rounds both operands of its products, or the activations alone.

    Attributes:
        bits: of the significand that stay.
        where: how the names of the weights end whose products are rounded.
        begins: how their names begin.
        weights: whether the weights are rounded, too.
        how: the rounding.
    """

    bits, where, begins, weights, how = SIGNIFICANDS["tf32"], "weight_hh", "", True, staticmethod(rounded)

    def coarse(self, array):
        return self.how(array, self.bits).astype(self._dtype)

    def _operands(self, a, b):
        names = [name for name, array in self._named.items() if np.may_share_memory(b, array)]
        if not any(name.startswith(self.begins) and name.endswith(self.where) for name in names):
            return a, b
        return self.coarse(a), self.coarse(b) if self.weights else b

    def _recur(self, *args, **how):
        exact = np.matmul

        def matmul(a, b, out):
            return exact(*self._operands(a, b), out=out)

        with mock.patch.object(np, "matmul", matmul):
            return super()._recur(*args, **how)

    def _head(self, readout):
        a, b = self._operands(readout, self._named["head.weight"].T)
        return a @ b + self._named.get("head.bias", 0)


class Restless(NumpyModel):
    """Gives other logits in every call."""

    def infer(self, x):
        return super().infer(x) * (1 + 1e-3 * np.random.default_rng().random())


class Double(NumpyModel):
    """Computes in float64, whatever precision the setting has."""

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, np.dtype(np.float64), seed)


def a_kind(**changes):
    return type("Kind", (Rounding,), changes)


MODELS = {
    "not-rounding": NumpyModel,
    "recurrent-tf32": a_kind(),
    "recurrent-truncated-tf32": a_kind(how=staticmethod(truncated)),
    "recurrent-bfloat16": a_kind(bits=SIGNIFICANDS["bfloat16"]),
    "recurrent-float32": a_kind(bits=SIGNIFICANDS["float32"]),
    "upper-layer-tf32": a_kind(begins="layers.1."),
    "all-tf32": a_kind(where=""),
    "all-bfloat16": a_kind(where="", bits=SIGNIFICANDS["bfloat16"]),
    **{
        f"{what}-{how}{precision}": a_kind(
            where=where, begins=begins, weights=False, how=staticmethod(rule), bits=SIGNIFICANDS[precision]
        )
        for precision in SIGNIFICANDS
        for how, rule in (("", rounded), ("truncated-", truncated))
        for what, where, begins in (
            ("states", "weight_hh", ""),
            ("upper-states", "weight_hh", "layers.1."),
            ("sequences", "weight_ih", "layers.0."),
            ("layer-outputs", "weight_ih", "layers.1."),
            ("readout", "weight", "head."),
        )
    },
    "restless": Restless,
    "never-float32": Double,
}


class Zoo(NumpyBackend):
    def __init__(self, model):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    for name, model in MODELS.items():
        yield BackendInfo(name=name, summary=name, load=lambda model=model: Zoo(model), abilities=NUMPY.abilities)
