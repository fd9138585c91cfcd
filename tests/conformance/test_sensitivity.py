"""What rounding to bfloat16 does is no disagreement, and what is wrong beside it is one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from conformance import RememberingReference
from lstm_bench import Setting
from lstm_bench.conformance.cases import draw_case, representable
from lstm_bench.conformance.differential import Comparison
from lstm_bench.conformance.rounding import SIGNIFICANDS, rounded
from lstm_bench.conformance.shapes import MODELS
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

REFERENCE = RememberingReference(NumpyBackend())


class InBfloat16(NumpyModel):
    """Rounds weights and sequences to bfloat16 before it computes with them, and keeps parameters in float32."""

    def _coarsely(self, method, x, *others, **how):
        exact = self._flat.copy()
        self._flat[...] = rounded(exact, SIGNIFICANDS["bfloat16"])
        found = method(rounded(x, SIGNIFICANDS["bfloat16"]).astype(np.float32), *others, **how)
        self._flat[...] = exact
        return found

    def infer(self, x):
        return self._coarsely(super().infer, x)

    def states(self, x, initial=None):
        return self._coarsely(super().states, x, initial)

    def _backpropagate(self, x, y, **how):
        return self._coarsely(super()._backpropagate, x, y, **how)


class WithTripleGradients(InBfloat16):
    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= 3
        return loss


class ThatStandsStill(InBfloat16):
    def train(self, x, y, order):
        before = self._flat.copy()
        losses = super().train(x, y, order)
        self._flat[...] = before
        return losses


def compare(model, number):
    def build(case, problem):
        return model(case.model, case.train, problem.parameters, np.dtype(np.float32), 0)

    return Comparison(draw_case(0, number), build, REFERENCE, Setting("bfloat16"))


@pytest.mark.parametrize("number", range(MODELS))
def test_in_bfloat16_rounding_agrees_and_what_is_wrong_does_not(number):
    found = compare(InBfloat16, number).compared(number)
    assert found.agrees, found
    found = compare(ThatStandsStill, number).compared(number)
    assert not found.quantities["parameters after 1 step"].agrees
    assert compare(WithTripleGradients, number).stage == "backward"


def test_bfloat16_is_not_held_to_a_state_that_lasts_and_tf32_is():
    case = draw_case(0, 3)
    assert case.weights == "lasting"
    assert representable(case, "bfloat16") == msgspec.structs.replace(case, weights="uniform")
    assert representable(case, "tf32") == case
