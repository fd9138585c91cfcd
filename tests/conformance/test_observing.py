"""Backends that are right in the first call, at small sizes or in short sequences, and wrong in another."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from conformance import RememberingReference
from lstm_bench import Setting
from lstm_bench.conformance.cases import draw_case
from lstm_bench.conformance.differential import Comparison
from lstm_bench.conformance.shapes import MODELS
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

REFERENCE = RememberingReference(NumpyBackend())


class Backend(NumpyBackend):
    """The NumPy backend with another class of model."""

    def __init__(self, model):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


def compare(model, number, precision="float32"):
    setting = Setting(precision)

    def build(case, problem):
        return Backend(model).build(case.model, case.train, problem.parameters, setting, seed=0)

    return Comparison(draw_case(0, number), build, REFERENCE, setting).compared(number)


def first_wrong(model):
    """The first of all models in whose case the backend is wrong."""
    return next((found for n in range(MODELS) if not (found := compare(model, n)).agrees), None)


class Remembering(NumpyModel):
    """Answers from memory if it thinks that it has seen the batch."""

    def __init__(self, *given):
        super().__init__(*given)
        self._seen = {}

    def infer(self, x):
        key = self.key(x)
        if key not in self._seen:
            self._seen[key] = super().infer(x)
        return self._seen[key].copy()

    def train(self, x, y, order):
        self._seen.clear()
        return super().train(x, y, order)


class RemembersShapes(Remembering):
    def key(self, x):
        return x.shape


class RemembersAddresses(Remembering):
    def key(self, x):
        return x.shape, x.ctypes.data


class RemembersFirstNumbers(Remembering):
    def key(self, x):
        return x.shape, float(x[0, 0, 0])


class RemembersArrays(Remembering):
    """Never forgets, so that its logits are old after training."""

    def key(self, x):
        return x.tobytes()

    def train(self, x, y, order):
        return NumpyModel.train(self, x, y, order)


@pytest.mark.parametrize("model", [RemembersShapes, RemembersAddresses, RemembersFirstNumbers])
def test_logits_from_memory_are_named(model):
    assert "answers a batch with the logits of an earlier one" in compare(model, 0).faults


def test_logits_that_are_as_old_as_the_weights_are_seen():
    found = compare(RemembersArrays, 0)
    assert found.quantities["logits"].agrees
    assert not found.quantities["logits after training"].agrees


class SkipsAnOrderThatItKnows(NumpyModel):
    _order = None

    def train(self, x, y, order):
        if order is self._order:
            return np.zeros(len(order), self._dtype)
        self._order = order
        return super().train(x, y, order)


class BeginsEachCallAnew(NumpyModel):
    """Its optimizer forgets everything between calls."""

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._new_optimizer = partial(type(self._optimizer), train, self._flat.size, dtype)

    def train(self, x, y, order):
        self._optimizer = self._new_optimizer()
        return super().train(x, y, order)


class SkipsABatchThatRepeats(NumpyModel):
    def train(self, x, y, order):
        losses, before = [], None
        for rows in order:
            if before is None or not np.array_equal(rows, before):
                losses.append(super().train(x, y, rows[None])[0])
            else:
                losses.append(losses[-1])
            before = rows
        return np.array(losses, self._dtype)


class TakesEachSequenceOnce(NumpyModel):
    def train(self, x, y, order):
        return np.concatenate([super(TakesEachSequenceOnce, self).train(x, y, np.unique(r)[None]) for r in order])


class NeverMoves(NumpyModel):
    def train(self, x, y, order):
        before = self._flat.copy()
        losses = super().train(x, y, order)
        self._flat[...] = before
        return losses


class MovesAHundredthTooFar(NumpyModel):
    def train(self, x, y, order):
        losses = []
        for rows in order:
            before = self._flat.copy()
            losses.append(super().train(x, y, rows[None])[0])
            self._flat += 0.01 * (self._flat - before)
        return np.array(losses, self._dtype)


@pytest.mark.parametrize("model", [SkipsAnOrderThatItKnows, BeginsEachCallAnew, SkipsABatchThatRepeats])
def test_every_call_of_train_counts(model):
    found = compare(model, 0)
    assert found.quantities["parameters after 1 step"].agrees
    assert not found.quantities["parameters after 20 steps"].agrees


def test_a_sequence_that_a_batch_has_twice_counts_twice():
    some = next(n for n in range(MODELS) if draw_case(0, n).train.batch_size > 2)
    found = compare(TakesEachSequenceOnce, some)
    assert not found.quantities["training losses"].agrees


@pytest.mark.parametrize("model", [NeverMoves, MovesAHundredthTooFar])
@pytest.mark.parametrize("number", range(MODELS))
def test_a_wrong_movement_shows_however_short_it_is(model, number):
    assert not compare(model, number).quantities["parameters after 1 step"].agrees


class DifferentiatesOnce(NumpyModel):
    _found = None

    def differentiate(self, x, y):
        if self._found is None:
            loss, gradients = super().differentiate(x, y)
            self._found = loss, {name: array.copy() for name, array in gradients.items()}
        return self._found

    def gradients(self, x, y):
        loss, gradients = NumpyModel.differentiate(self, x, y)
        return loss.item(), {name: array.copy() for name, array in gradients.items()}


class DifferentiatesAtInitialWeights(NumpyModel):
    def __init__(self, *given):
        super().__init__(*given)
        self._first = self._flat.copy()

    def differentiate(self, x, y):
        now = self._flat.copy()
        self._flat[...] = self._first
        found = super().differentiate(x, y)
        self._flat[...] = now
        return found


class StepsWhereItDifferentiates(NumpyModel):
    def differentiate(self, x, y):
        found = super().differentiate(x, y)
        self._flat -= 1e-7 * self._flat_gradient
        return found


class LeavesOutAGradient(NumpyModel):
    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return loss, {name: array for name, array in gradients.items() if not name.endswith("weight_hh")}


class PadsGradients(NumpyModel):
    """Right: it holds some more parameters at zero."""

    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return loss, gradients | {"more": np.zeros(7, self._dtype)}

    def gradients(self, x, y):
        loss, gradients = NumpyModel.differentiate(self, x, y)
        return loss.item(), {name: array.copy() for name, array in gradients.items()}


def test_differentiate_is_held_against_the_reference_on_two_batches_and_after_training():
    found = compare(DifferentiatesOnce, 0).quantities["native gradients"]
    assert (found.agrees, found.name) == (False, "native gradients of a second batch")
    found = compare(DifferentiatesAtInitialWeights, 0).quantities
    assert found["native gradients"].agrees
    assert not found["native gradients after training"].agrees
    assert "differentiate changes the parameters" in compare(StepsWhereItDifferentiates, 0).faults
    assert not compare(LeavesOutAGradient, 0).quantities["native gradients"].agrees
    assert compare(PadsGradients, 0).agrees


class CutsTheBackwardPass(NumpyModel):
    """Its gradients take in the last steps only."""

    steps = 90

    def _direction(self, prefix, *, reverse):
        direction = super()._direction(prefix, reverse=reverse)
        whole = direction.run_back

        def run_back(buffers, d_outputs):
            whole(buffers, d_outputs)
            for t in list(buffers.times)[: -self.steps]:
                buffers.d_z[t] = buffers.d_recurrent[t] = 0

        direction.run_back = run_back
        return direction


@pytest.mark.parametrize("steps", [32, 50, 64, 90])
def test_a_backward_pass_that_is_cut_off_shows_in_every_cell(steps):
    model = type("Cuts", (CutsTheBackwardPass,), {"steps": steps})
    wrong = {n: compare(model, n) for n in (3, 4, 5)}
    assert {draw_case(0, n).model.cell for n in wrong} == {"lstm", "gru", "rnn"}
    for found in wrong.values():
        quantity = found.quantities["dW_ih"]
        assert quantity.error > 100 * quantity.tolerance, found
    assert all(compare(model, n).agrees for n in range(3))


class WrongIfWide(NumpyModel):
    """Its kernel for wide layers leaves out the last unit."""

    least = 15

    def infer(self, x):
        logits = super().infer(x)
        return logits * 1.001 if max(self._spec.hidden_sizes) >= self.least else logits


class WrongInLargeBatches(NumpyModel):
    def infer(self, x):
        return super().infer(x) * (1.001 if len(x) >= 16 else 1)


@pytest.mark.parametrize("model", [WrongIfWide, type("Wider", (WrongIfWide,), {"least": 33}), WrongInLargeBatches])
def test_sizes_reach_those_at_which_kernels_change(model):
    seeds = range(3)
    setting = Setting("float32")

    def build(case, problem):
        return Backend(model).build(case.model, case.train, problem.parameters, setting, seed=0)

    reaches = [
        number
        for seed in seeds
        for number in (6, 7, 8)
        if not Comparison(draw_case(seed, number), build, REFERENCE, setting).compared(number).agrees
    ]
    assert reaches


def test_what_is_right_has_no_fault():
    assert first_wrong(NumpyModel) is None
