"""A plugin of backends that compute in another precision than their setting has."""

from __future__ import annotations

from collections.abc import Iterable
from unittest import mock

import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo, hookimpl
from lstm_bench.conformance.precision import SIGNIFICANDS, rounded
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()


def truncated(array, bits):
    """The numbers with ``bits`` bits of significand, rounded towards zero as some tensor cores do it."""
    significand, exponent = np.frexp(np.asarray(array, np.float64))
    return np.ldexp(np.trunc(np.ldexp(significand, bits)), exponent - bits)


class Rounding(NumpyModel):
    """Rounds both operands of its products.

    Attributes:
        bits: of the significand that stay.
        everywhere: whether all products are rounded, or those with recurrent weights alone.
        only_layer: the one layer whose products are rounded; ``None`` for all layers.
        how: the rounding.
    """

    bits, everywhere, only_layer, how = SIGNIFICANDS["tf32"], False, None, staticmethod(rounded)

    def coarse(self, array):
        return self.how(array, self.bits).astype(self._dtype)

    def _rounds(self, weight):
        layers = self._layers if self.only_layer is None else [self._layers[self.only_layer]]
        recurrent = (direction.weight_hh for layer in layers for direction in layer)
        return self.everywhere or any(np.may_share_memory(weight, one) for one in recurrent)

    def _recur(self, *args, **how):
        exact = np.matmul

        def matmul(a, b, out):
            return exact(self.coarse(a), self.coarse(b), out=out) if self._rounds(b) else exact(a, b, out=out)

        with mock.patch.object(np, "matmul", matmul):
            return super()._recur(*args, **how)

    def _head(self, readout):
        if not self.everywhere:
            return super()._head(readout)
        return self.coarse(readout) @ self.coarse(self._named["head.weight"]).T + self._named["head.bias"]


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
    "upper-layer-tf32": a_kind(only_layer=1),
    "all-tf32": a_kind(everywhere=True),
    "all-bfloat16": a_kind(everywhere=True, bits=SIGNIFICANDS["bfloat16"]),
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
