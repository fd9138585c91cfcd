"""A whole model with slips, which is observed as a backend's model is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.cases import Case
from lstm_bench.conformance.relevance import factor
from lstm_bench.conformance.slips import Array, Slip, loaded
from lstm_bench.conformance.tape import Variable, backpropagate
from lstm_bench.conformance.wrong_forward import forward
from lstm_bench.conformance.wrong_training import WrongOptimizer
from lstm_bench.model.parameters import Parameters, parameter_shapes, statistics_shapes
from lstm_bench.plugin.backend import Model, State

Memory = dict[Any, Any]
"""What was computed before. Many slips share a forward pass."""


class _Computed(NamedTuple):
    """Logits, the top layer's outputs, and the final states of all layers."""

    logits: Array
    outputs: Array
    final: State


class _Differentiated(NamedTuple):
    """The loss of a batch, its gradients by the parameters, the new running statistics, and its gradient by x."""

    loss: float
    gradients: dict[str, Array]
    statistics: dict[str, Array]
    dx: Array


def wrong_model(case: Case, slip: Slip, parameters: Parameters, memory: Memory) -> Model[NDArray[Any]]:
    """Build the canonical model in float64, with everything wrong that the slip names.

    Args:
        case: the model and its training.
        slip: what is wrong.
        parameters: initial values by canonical name.
        memory: results of earlier models of the same case; new ones are added.
    """
    return _WrongModel(case, slip, parameters, memory)


class _WrongModel(Model[NDArray[Any]]):
    def __init__(self, case: Case, slip: Slip, parameters: Parameters, memory: Memory) -> None:
        self._case, self._slip, self._memory = case, slip, memory
        self._spec, self._train = case.model, case.train
        spec = case.model
        self._named = {name: loaded(slip, spec.cell, name, array) for name, array in parameters.items()}
        self._public = (*parameter_shapes(spec), *statistics_shapes(spec))
        if slip.peephole and spec.cell == "lstm":
            self._named |= {
                f"layers.{layer}.{direction}.peephole_{gate}": np.zeros(hidden)
                for layer, hidden in enumerate(spec.hidden_sizes)
                for direction in spec.directions
                for gate in "ifo"
            }
        self._optimizer = WrongOptimizer(spec.cell, case.train, slip)
        self._initial = self._before_step = self._before_call = dict(self._named)
        self._sum: dict[str, Array] = {}
        self._steps = 0
        self._carried: State | None = None
        self._late: Array | None = None

    def put(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.array(array, dtype=np.float64 if np.issubdtype(array.dtype, np.floating) else np.int64)

    def get(self, native: NDArray[Any]) -> NDArray[Any]:
        return native.copy()

    def parameters(self) -> Parameters:
        return {name: self._named[name].copy() for name in self._public}

    def infer(self, x: NDArray[Any]) -> NDArray[Any]:
        named = {"initial": self._initial, "step": self._before_step, "call": self._before_call}
        found = self._computed(named.get(self._slip.infers, self._named), x, self._start("infer", x))
        if self._slip.stateful == "infer":
            self._carried = found.final
        logits = _softmax(found.logits) if self._slip.probabilities else found.logits
        late, self._late = self._late, logits
        return logits if late is None or not self._slip.late or late.shape != logits.shape else late

    def states(self, x: NDArray[Any], initial: State | None = None) -> tuple[NDArray[Any], State]:
        found = self._computed(self._named, x, initial)
        h, c = found.final.h, found.final.c
        if self._slip.exchanged == "all":
            h, c = (tuple(array[::-1] for array in part) for part in (h, c))
        return found.outputs, State(c, h) if self._slip.finals_swapped and c else State(h, c)

    def gradients(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[float, Parameters]:
        return self._returned(x, y, clipped=bool(self._slip.clips_early))

    def differentiate(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], Any]:
        loss, gradients = self._returned(x, y, clipped=self._slip.clips_early == "all")
        return np.asarray(loss), gradients

    def _returned(self, x: Array, y: Array, *, clipped: bool) -> tuple[float, dict[str, Array]]:
        """The loss and the gradients as they are returned."""
        loss, gradients, statistics, _ = self._differentiated(x, y)
        if self._slip.norm_remembers:
            self._named |= statistics
        if self._slip.accumulates == "calls":
            gradients = self._accumulated(gradients)
        if clipped:
            gradients = self._optimizer.clipped(gradients)
        factor = self._factor("gradients")
        return loss * self._factor("loss"), {
            name: factor * gradients[name].copy() for name in self._public if name in gradients
        }

    def input_gradient(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        _, gradients, _, dx = self._differentiated(x, y)
        if self._slip.accumulates == "calls":
            self._accumulated(gradients)
        return self._factor("dx") * dx

    def train(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[Any]) -> NDArray[Any]:
        slip = self._slip
        self._before_call = dict(self._named)
        if slip.forgets == "calls":
            self._optimizer.forget()
        losses: list[float] = []
        for rows in slip.order(order, self._steps, len(x)):
            if slip.forgets == "steps":
                self._optimizer.forget()
            self._before_step = dict(self._named)
            start = self._start("train", x[rows])
            loss, gradients, statistics, _ = self._differentiated(x[rows], y[rows], start)
            factor = self._factor("training")
            gradients = {name: factor * gradient for name, gradient in gradients.items()}
            if slip.accumulates:
                gradients = self._accumulated(gradients)
            if slip.stateful == "train":
                self._carried = self._computed(self._named, x[rows], start).final
            self._named |= statistics
            self._optimizer.step(self._named, gradients)
            if slip.losses == "after":
                loss = self._differentiated(x[rows], y[rows]).loss
            losses.append(loss * self._factor("loss"))
        self._steps += len(order)
        found = np.array(losses)
        if slip.losses == "mean":
            return np.asarray(np.cumsum(found) / np.arange(1, len(found) + 1))
        return np.concatenate((found[:1], found[:-1])) if slip.losses == "last" else found

    def _start(self, call: str, x: Array) -> State | None:
        """The state from which a stateful model starts."""
        kept = self._carried if self._slip.stateful == call else None
        return kept if kept is not None and kept.h[0].shape[1] == len(x) else None

    def _accumulated(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        self._sum = {name: self._sum.get(name, 0.0) + gradient for name, gradient in gradients.items()}
        return self._sum

    def _factor(self, what: str) -> float:
        return factor(self._slip.scale, self._case) if what in self._slip.scaled else 1.0

    def _computed(self, named: dict[str, Array], x: Array, initial: State | None = None) -> _Computed:
        parts = () if initial is None else (*initial.h, *initial.c)
        key = (self._slip.forward(), "logits", _digest((*named.values(), x, *parts)))
        if key not in self._memory:
            tape: list[Variable] = []
            parameters = {name: Variable(array, tape) for name, array in named.items()}
            found = forward(self._spec, self._slip, parameters, Variable(x, tape), initial)
            states = [
                tuple(np.stack([end[part].value for end in layer]) for layer in found.finals)
                for part in range(len(found.finals[0][0]))
            ]
            self._memory[key] = _Computed(found.logits.value, found.outputs.value, State(*states))
        computed: _Computed = self._memory[key]
        return computed

    def _differentiated(self, x: Array, y: Array, initial: State | None = None) -> _Differentiated:
        parts = () if initial is None else (*initial.h, *initial.c)
        key = (self._slip.forward(), "gradients", _digest((*self._named.values(), x, y, *parts)))
        if key not in self._memory:
            tape: list[Variable] = []
            parameters = {name: Variable(array, tape) for name, array in self._named.items()}
            source = Variable(x, tape)
            found = forward(self._spec, self._slip, parameters, source, initial, training=True)
            loss, d_logits = _loss(self._train.loss, found.logits.value, y)
            backpropagate(found.logits, d_logits)
            fixed = statistics_shapes(self._spec)
            gradients = {name: _gradient(variable) for name, variable in parameters.items() if name not in fixed}
            self._memory[key] = _Differentiated(loss, gradients, found.statistics, _gradient(source))
        remembered: _Differentiated = self._memory[key]
        return remembered


def _gradient(variable: Variable) -> Array:
    return np.zeros_like(variable.value) if variable.grad is None else variable.grad


def _digest(arrays: Iterable[Array]) -> bytes:
    digest = blake2b()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.digest()


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _loss(kind: str, logits: Array, y: Array) -> tuple[float, Array]:
    """The loss of the specification, and its gradient by the logits."""
    if kind == "mse":
        return float(np.mean((logits - y) ** 2)), 2 * (logits - y) / y.size
    chosen = np.eye(logits.shape[-1])[y]
    p = _softmax(logits)
    return float(-np.sum(chosen * np.log(p)) / y.size), (p - chosen) / y.size
