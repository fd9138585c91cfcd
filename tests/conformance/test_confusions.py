from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from unittest import mock

import msgspec
import numpy as np
import pytest

from lstm_bench import Setting, State
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.cases import draw_case
from lstm_bench.conformance.confusions import CONFUSIONS, explain
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench_numpy import _batch_norm
from lstm_bench_numpy._batch_norm import BatchNorm
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

PLUGINS = load_plugins([Path(__file__).parents[1] / "zoo" / "wrong_backends.py"])
REFERENCE = Reference(NumpyBackend())
SETTING = Setting("float64")
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Loading(NumpyModel):
    """Computes with weights that ``load`` has changed."""

    def __init__(self, spec, train, parameters, dtype, seed):
        self._cell = spec.cell
        super().__init__(spec, train, {name: self.load(name, p) for name, p in parameters.items()}, dtype, seed)


class Regated(Loading):
    order: ClassVar[dict[str, tuple[int, ...]]]

    def load(self, name, parameter):
        if not name.startswith("layers") or name.endswith("bias_hn") or self._cell not in self.order:
            return parameter
        gates = np.split(parameter, GATES[self._cell])
        return np.concatenate([gates[k] for k in self.order[self._cell]])


class ReadsOnnxGates(Regated):
    order: ClassVar = {"lstm": (0, 2, 3, 1)}  # the places of i, f, g, o in i, o, f, g


class ReadsKerasGruGates(Regated):
    order: ClassVar = {"gru": (1, 0, 2)}


class AddsTheForgetBiasTwice(Loading):
    def load(self, name, parameter):
        if self._cell != "lstm" or not (name.startswith("layers") and name.endswith(".bias")):
            return parameter
        return parameter * np.repeat([1, 2, 1, 1], len(parameter) // 4)


class AddsOneToTheForgetBias(Loading):
    def load(self, name, parameter):
        if self._cell != "lstm" or not (name.startswith("layers") and name.endswith(".bias")):
            return parameter
        return parameter + np.repeat([0, 1, 0, 0], len(parameter) // 4)


class AddsBiasesTwice(Loading):
    def load(self, name, parameter):
        return 2 * parameter if name.startswith("layers") and "bias" in name else parameter


class TransposesRecurrentWeights(Loading):
    def load(self, name, parameter):
        if not name.endswith("weight_hh"):
            return parameter
        return np.concatenate([gate.T for gate in np.split(parameter, GATES[self._cell])])


class ReadsTheLastOutput(NumpyModel):
    def _readout(self, outputs):
        return outputs[-1] if self._spec.readout == "last" else super()._readout(outputs)


class IgnoresInitialStates(NumpyModel):
    def states(self, x, initial=None):
        return super().states(x)


class ResetsBefore(NumpyModel):
    """The GRU of Cho et al. (2014), which resets h before the recurrent product."""

    def _recur(self, x, initial=None, *, training=False):
        if self._spec.cell != "gru":
            return super()._recur(x, initial, training=training)
        outputs = np.ascontiguousarray(x.swapaxes(0, 1))
        self._ends = []
        for n, hidden in enumerate(self._spec.hidden_sizes):
            halves, ends = [], []
            for d, direction in enumerate(self._spec.directions):
                own = self._below(f"layers.{n}.{direction}")
                h = np.zeros((x.shape[0], hidden)) if initial is None else initial.h[n][d]
                order = range(len(outputs))[:: -1 if d else 1]
                steps = {}
                for t in order:
                    x_r, x_z, x_n = np.split(outputs[t] @ own["weight_ih"].T + own.get("bias", 0), 3, axis=-1)
                    u_r, u_z, u_n = np.split(own["weight_hh"], 3)
                    r, z = (1 / (1 + np.exp(-(a + h @ u.T))) for a, u in ((x_r, u_r), (x_z, u_z)))
                    h = (1 - z) * np.tanh(x_n + (r * h) @ u_n.T + own.get("bias_hn", 0)) + z * h
                    steps[t] = h
                halves.append(np.stack([steps[t] for t in range(len(outputs))]))
                ends.append(h)
            outputs = np.concatenate(halves, axis=-1)
            self._ends.append(ends)
        return outputs

    def _readout(self, outputs):
        if self._spec.cell != "gru" or self._spec.readout == "all":
            return super()._readout(outputs)
        return np.concatenate(self._ends[-1], axis=-1)

    def states(self, x, initial=None):
        if self._spec.cell != "gru":
            return super().states(x, initial)
        outputs = self._recur(x, initial)
        return outputs.swapaxes(0, 1).copy(), State(tuple(np.stack(ends) for ends in self._ends))

    def gradients(self, x, y):
        if self._spec.cell != "gru":
            return super().gradients(x, y)
        readout = self._readout(self._recur(x))
        if self._batch_norm is not None:
            readout = self._batch_norm.forward(readout, remember=False)
        return self._loss(self._head(readout), y)[0], {}

    def input_gradient(self, x, y):
        return super().input_gradient(x, y) if self._spec.cell != "gru" else None

    def train(self, x, y, order):
        return super().train(x, y, order) if self._spec.cell != "gru" else np.zeros(len(order))


class StepByStep(NumpyModel):
    def train(self, x, y, order):
        return np.concatenate([self.step(x, y, rows[None]) for rows in order])

    def step(self, x, y, rows):
        return super().train(x, y, rows)


class TrainsBothBiases(StepByStep):
    def step(self, x, y, rows):
        moved = {}
        for name, view in self._named.items():
            if name.startswith("layers") and name.endswith(".bias"):
                moved[name] = view.copy()
        losses = super().step(x, y, rows)
        for name, before in moved.items():
            view = self._named[name]
            own = slice(None) if self._spec.cell != "gru" else slice(0, 2 * len(view) // 3)
            view[own] += view[own] - before[own]
        return losses


class NeverClips(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, msgspec.structs.replace(train, clip_norm=None), parameters, dtype, seed)


class UnbiasedVariance(StepByStep):
    def step(self, x, y, rows):
        before = self._statistics["batch_norm.variance"].copy() if self._spec.batch_norm else None
        losses = super().step(x, y, rows)
        if before is not None:
            now = self._statistics["batch_norm.variance"]
            n = rows.size * (x.shape[1] if self._spec.readout == "all" else 1)
            now += (now - 0.9 * before) * (n / (n - 1) - 1)
        return losses


class SlowerStatistics(StepByStep):
    def step(self, x, y, rows):
        before = {name: array.copy() for name, array in self._statistics.items()}
        losses = super().step(x, y, rows)
        for name, now in self._statistics.items():
            now[...] = 0.99 * before[name] + 0.01 * (now - 0.9 * before[name]) / 0.1
        return losses


class LargeEpsilon(BatchNorm):
    def infer(self, x):
        with mock.patch.object(_batch_norm, "EPSILON", 1e-3):
            return super().infer(x)

    def forward(self, x, *, remember):
        with mock.patch.object(_batch_norm, "EPSILON", 1e-3):
            return super().forward(x, remember=remember)


class TakesALargeEpsilonInBatchNorm(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        if self._batch_norm is not None:
            self._batch_norm = LargeEpsilon(self._below("batch_norm"), *self._statistics.values())


class InvertsTheUpdateGate(Loading):
    def load(self, name, parameter):
        if self._cell != "gru" or not name.startswith("layers") or name.endswith("bias_hn"):
            return parameter
        r, z, n = np.split(parameter, 3)
        return np.concatenate([r, -z, n])  # sigmoid(-z) is 1 - sigmoid(z)


class Momentum(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        if train.optimizer == "sgd":
            self._velocity, self._momentum, self._rate = 0.0, train.momentum, train.learning_rate
            self._optimizer._update = self.update


class Nesterov(Momentum):
    def update(self, parameters, gradient):
        self._velocity = self._momentum * self._velocity + gradient
        parameters -= self._rate * (gradient + self._momentum * self._velocity)


class Dampened(Momentum):
    def update(self, parameters, gradient):
        first = isinstance(self._velocity, float)
        self._velocity = gradient.copy() if first else self._momentum * self._velocity + (1 - self._momentum) * gradient
        parameters -= self._rate * self._velocity


def found_in(model_or_name, cases=30):
    """The comparisons in which a backend disagrees with the reference."""
    if isinstance(model_or_name, str):
        backend = PLUGINS.backend(model_or_name).load()
    else:

        class Backend(NumpyBackend):
            def build(self, spec, train, parameters, setting, *, seed):
                return model_or_name(spec, train, parameters, np.dtype(setting.precision), seed)

        backend = Backend()

    def build(case, problem):
        return backend.build(case.model, case.train, problem.parameters, SETTING, seed=0)

    comparisons = [Comparison(draw_case(0, number), build, REFERENCE, SETTING) for number in range(cases)]
    return [comparison for comparison in comparisons if comparison.stage is not None]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (ReadsOnnxGates, "its gates are i, o, f, g, where they should be i, f, g, o"),
        (ReadsKerasGruGates, "its gates are z, r, n, where they should be r, z, n"),
        (AddsTheForgetBiasTwice, "the forget gate's bias is added twice"),
        (AddsOneToTheForgetBias, "it adds 1 to the forget gate's bias"),
        (AddsBiasesTwice, "the bias is added twice, as b_ih and as b_hh"),
        (TransposesRecurrentWeights, "the recurrent weights of each gate are transposed"),
        (ReadsTheLastOutput, "the head reads the last output of the backward direction, not its final state"),
        (IgnoresInitialStates, "it ignores the initial states"),
        (ResetsBefore, "it resets h before the recurrent product, not after it"),
        ("sums-over-the-batch", "its gradients are those of the sum over the batch"),
        (TrainsBothBiases, "both of two biases are trained, so that their sum moves twice as far"),
        ("puts-epsilon-in-the-root", "the epsilon stands within the root"),
        ("takes-a-large-epsilon", "the epsilon is 1e-3, not 1e-8"),
        ("leaves-out-bias-correction", "Adam's bias correction is left out"),
        ("never-trains-the-head", "the head's weight is not trained"),
        ("trains-on-the-first-batch-only", "every step of a call trains on its first batch"),
        ("ignores-the-order", "it trains on the sequences as they come, whatever the order says"),
        (NeverClips, "gradients are not clipped"),
        (UnbiasedVariance, "batch norm's running variance is unbiased"),
        (SlowerStatistics, "batch norm's decay is 0.99, not 0.9"),
        (TakesALargeEpsilonInBatchNorm, "batch norm's epsilon is 1e-3, not 1e-5"),
        (InvertsTheUpdateGate, "its update gate is inverted: z * n + (1 - z) * h"),
        (Nesterov, "momentum is Nesterov's"),
        (Dampened, "momentum is dampened"),
        ("rounds-weights-to-float16", None),
    ],
)
def test_a_wrong_backend_is_named(wrong, text):
    failing = found_in(wrong)
    assert failing
    assert explain(failing[:6]) == ([] if text is None else [text])


def test_a_right_backend_needs_no_explanation():
    assert explain([]) == []
    assert found_in(NumpyModel) == []


def test_confusions_have_words_of_their_own():
    assert len({confusion.text for confusion in CONFUSIONS}) == len(CONFUSIONS)
