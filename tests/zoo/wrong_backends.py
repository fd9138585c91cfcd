"""A plugin of backends that are each wrong in one way, and of a few right ones that look wrong.

The harness must catch the wrong ones and let the right ones pass. The docstring of a class says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo, State, Unsupported, hookimpl
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
from lstm_bench_numpy._training import Optimizer

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()

ANIMALS: dict[str, type] = {}


def animal(kind: type) -> type:
    ANIMALS[re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()] = kind
    return kind


class Zoo(NumpyBackend):
    """The NumPy backend with another class of model."""

    def __init__(self, model=NumpyModel):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)


# --- right: the wrong backends below inherit from these, which must bring no fault of their own


@animal
class Unchanged(NumpyModel):
    """nothing is wrong"""


@animal
class StepByStep(NumpyModel):
    """nothing is wrong: trains one step at a time"""

    def train(self, x, y, order):
        return np.concatenate([self.step(x, y, rows[None]) for rows in order])

    def step(self, x, y, rows):
        return super().train(x, y, rows)


@animal
class TextbookAdam(NumpyModel):
    """nothing is wrong: Adam is written as in its paper"""

    epsilon, epsilon_in_root, corrected = 1e-8, 0.0, True

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._optimizer = _Adam(train, self._flat.size, dtype)
        self._optimizer.owner = self


class _Adam(Optimizer):
    def _adam(self, parameters, g):
        n = self._steps
        first, second = (1 - 0.9**n, 1 - 0.999**n) if self.owner.corrected else (1, 1)
        self._m += 0.1 * (g - self._m)
        self._v += 0.001 * (g * g - self._v)
        root = np.sqrt(self._v / second + self.owner.epsilon_in_root) + self.owner.epsilon
        parameters -= self._train.learning_rate * self._m / first / root


# --- wrong weights


class _Reloaded(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, {name: self.load(name, p) for name, p in parameters.items()}, dtype, seed)


class _Regated(_Reloaded):
    """Reorders the gates of weights that come in, and of all that goes out, so that the computation alone is wrong."""

    def load(self, name, parameter):
        return parameter if name.startswith("head") else np.concatenate([np.split(parameter, 4)[k] for k in self.order])

    def parameters(self):
        return {name: self.load(name, p) for name, p in super().parameters().items()}

    def gradients(self, x, y):
        loss, gradients = super().gradients(x, y)
        return loss, {name: self.load(name, g) for name, g in gradients.items()}


@animal
class SwapsInputAndForgetGate(_Regated):
    """rows are stacked f, i, g, o"""

    order = (1, 0, 2, 3)


@animal
class SwapsCandidateAndOutputGate(_Regated):
    """rows are stacked i, f, o, g"""

    order = (0, 1, 3, 2)


@animal
class AddsTheForgetBiasTwice(_Reloaded):
    """the forget gate's bias counts twice"""

    def load(self, name, parameter):
        return (
            parameter if name != "layers.0.forward.bias" else parameter * np.repeat([1, 2, 1, 1], len(parameter) // 4)
        )


@animal
class TransposesRecurrentWeights(_Reloaded):
    """each gate's recurrent matrix is transposed"""

    def load(self, name, parameter):
        return np.concatenate([gate.T for gate in np.split(parameter, 4)]) if name.endswith("weight_hh") else parameter


@animal
class RoundsWeightsToFloat16(_Reloaded):
    """weights have been through float16"""

    def load(self, name, parameter):
        return parameter.astype(np.float16)


# --- wrong states


@animal
class KeepsStateBetweenCalls(NumpyModel):
    """infer starts from the final state of its last call"""

    _kept = None

    def infer(self, x):
        outputs, self._kept = self.states(x, self._kept)
        return self._head(outputs if self._spec.readout == "all" else outputs[:, -1])


@animal
class KeepsStateBetweenTrainingSteps(StepByStep):
    """a training step starts from the final state of the step before"""

    _kept, _training = None, False

    def step(self, x, y, rows):
        self._training = True
        losses = super().step(x, y, rows)
        self._training = False
        return losses

    def _recur(self, x, initial=None, *, training=False):
        outputs = super()._recur(x, self._kept if self._training else initial)
        if self._training:
            h, c = self._layers[0][0].final()
            self._kept = State((h[None].copy(),), (c[None].copy(),))
        return outputs


@animal
class InfersWithItsInitialWeights(NumpyModel):
    """infer uses the initial weights even after training"""

    def __init__(self, *args):
        super().__init__(*args)
        self._stale = NumpyModel(*args)

    def infer(self, x):
        return self._stale.infer(x)


@animal
class InfersOneStepLate(InfersWithItsInitialWeights, StepByStep):
    """infer misses the last training step"""

    def step(self, x, y, rows):
        self._stale._flat[...] = self._flat
        return super().step(x, y, rows)


# --- wrong training


@animal
class TrainsBothBiases(StepByStep):
    """both of two biases are trained, so that their sum moves twice as far"""

    def step(self, x, y, rows):
        bias = self._named["layers.0.forward.bias"]
        before = bias.copy()
        losses = super().step(x, y, rows)
        bias += bias - before
        return losses


@animal
class NeverTrainsTheHead(StepByStep):
    """the head's weight stays as it was"""

    def step(self, x, y, rows):
        before = self._named["head.weight"].copy()
        losses = super().step(x, y, rows)
        self._named["head.weight"][...] = before
        return losses


@animal
class PutsEpsilonInTheRoot(TextbookAdam):
    """sqrt(v_hat + 1e-8)"""

    epsilon, epsilon_in_root = 0.0, 1e-8


@animal
class TakesALargeEpsilon(TextbookAdam):
    """Adam with epsilon 1e-3"""

    epsilon = 1e-3


@animal
class LeavesOutBiasCorrection(TextbookAdam):
    """Adam without bias correction"""

    corrected = False


@animal
class SumsOverTheBatch(NumpyModel):
    """the gradient is that of the sum over the batch, not of the mean"""

    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= len(x)
        return loss


@animal
class ScalesGradientsOddly(NumpyModel):
    """the gradient is 1.37 times as large, which is no known confusion"""

    def _backpropagate(self, x, y, **how):
        loss = super()._backpropagate(x, y, **how)
        self._flat_gradient *= 1.37
        return loss


@animal
class IgnoresTheOrder(NumpyModel):
    """trains on the sequences in the order of the data, whatever the given order is"""

    def train(self, x, y, order):
        return super().train(x, y, np.arange(order.size).reshape(order.shape) % len(x))


@animal
class TrainsOnTheFirstBatchOnly(NumpyModel):
    """trains on the first batch again and again"""

    def train(self, x, y, order):
        return super().train(x, y, np.broadcast_to(order[0], order.shape))


@animal
class ReturnsTheLossAfterTheUpdate(StepByStep):
    """the loss of a step is that of the updated weights"""

    def step(self, x, y, rows):
        super().step(x, y, rows)
        return np.array([self.gradients(x[rows[0]], y[rows[0]])[0]])


# --- answers that cannot be compared with anything


@animal
class AnswersNan(NumpyModel):
    """logits are NaN"""

    def infer(self, x):
        return super().infer(x) * np.nan


@animal
class SqueezesLogits(NumpyModel):
    """logits have lost an axis"""

    def infer(self, x):
        return super().infer(x)[:, 0]


@animal
class ReturnsOneLoss(NumpyModel):
    """train returns the mean loss"""

    def train(self, x, y, order):
        return super().train(x, y, order).mean()


@animal
class RenamesParameters(NumpyModel):
    """a parameter has another framework's name"""

    def parameters(self):
        return {name.replace("forward.weight_ih", "kernel"): p for name, p in super().parameters().items()}


@animal
class TransposesGradients(NumpyModel):
    """gradients of weights are transposed"""

    def gradients(self, x, y):
        loss, gradients = super().gradients(x, y)
        return loss, {name: gradient.T for name, gradient in gradients.items()}


# --- faults that show only after some training steps


@animal
class DivergesLater(StepByStep):
    """the loss is NaN from the 1,000th step on"""

    _steps, first = 0, 1000

    def step(self, x, y, rows):
        self._steps += 1
        return super().step(x, y, rows) * (1 if self._steps < self.first else np.nan)


animal(type("DivergesSoon", (DivergesLater,), {"__doc__": "the loss is NaN from the 15th step on", "first": 15}))


@animal
class LosesAWeightLater(StepByStep):
    """parameters() gives an infinite weight from the 15th step on"""

    _steps = 0

    def step(self, x, y, rows):
        self._steps += 1
        return super().step(x, y, rows)

    def parameters(self):
        infinite = {"head.bias": np.array([np.inf])} if self._steps >= 15 else {}
        return super().parameters() | infinite


# --- wrong backends


@animal
class RefusesEverything(Zoo):
    """refuses every model, with a reason of two lines"""

    def refuses(self, spec, train, setting):
        return f"this zoo has no {spec.cell}\n   of {spec.hidden_sizes[0]} units"


@animal
class RefusesOnBuilding(Zoo):
    """refuses no model, and raises Unsupported when it builds one"""

    def build(self, *args, **kwargs):
        raise Unsupported("this zoo has no room")


@animal
class BuildsOnlyOnce(Zoo):
    """build returns the first model again, trained as it is"""

    _built = None

    def build(self, *args, **kwargs):
        self._built = self._built or super().build(*args, **kwargs)
        return self._built


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    for name, kind in ANIMALS.items():
        load = kind if issubclass(kind, Zoo) else lambda kind=kind: Zoo(kind)
        yield BackendInfo(name=name, summary=kind.__doc__, load=load, abilities=NUMPY.abilities)
