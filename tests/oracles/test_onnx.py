"""The reference against ONNX's reference evaluator, which others wrote from the equations of the ONNX standard."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_bench import ModelSpec, Setting, State, TrainSpec
from lstm_bench.conformance.agreement import relative_error
from lstm_bench.model.parameters import initial_parameters
from lstm_bench_numpy._model import NumpyBackend
from onnx_network import layer_attributes, layer_weights

# Before 1.23 the evaluator takes one direction only, runs a reverse one forwards and gives no final cell state.
onnx = pytest.importorskip("onnx", minversion="1.23")
evaluator = pytest.importorskip("onnx.reference")

TRAIN = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=1)


def drawn(seed: int) -> tuple[ModelSpec, dict[str, np.ndarray], np.ndarray, State | None]:
    """A spec of one layer, its parameters, sequences and initial states, all of them numbers that float32 has."""
    generator = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return generator.uniform(-1, 1, shape).astype(np.float32).astype(np.float64)

    inputs, size, batch = generator.integers(1, [9, 9, 6]).tolist()
    bidirectional, bias, from_zeros = generator.integers(0, 2, 3).astype(bool).tolist()
    cell = ("lstm", "gru", "rnn")[seed % 3]
    spec = ModelSpec(
        input_size=inputs, hidden_sizes=(size,), output_size=1, cell=cell, bidirectional=bidirectional, bias=bias
    )
    parameters = {name: numbers(*array.shape) for name, array in initial_parameters(spec, "uniform", 0).items()}
    x = numbers(batch, int(generator.integers(1, 10)), inputs)
    h, c = (numbers(1 + bidirectional, batch, size) for _ in range(2))
    initial = None if from_zeros else State((h,), (c,) if cell == "lstm" else ())
    return spec, parameters, x, initial


def evaluated(spec: ModelSpec, parameters: dict[str, np.ndarray], x: np.ndarray, initial: State | None) -> list:
    """ONNX's Y as outputs `(B, T, D*H)`, Y_h and, of an LSTM, Y_c."""
    given = {"X": x.swapaxes(0, 1)} | layer_weights(spec, parameters, 0)
    if initial is not None:
        given |= zip(("initial_h", "initial_c"), initial.h + initial.c, strict=False)

    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c"]
    node = onnx.helper.make_node(
        spec.cell.upper(),
        [name if name in given else "" for name in names[: 7 if spec.cell == "lstm" else 6]],
        ["Y", "Y_h", "Y_c"][: 3 if spec.cell == "lstm" else 2],
        **layer_attributes(spec, 0),
    )
    feeds = {name: array.astype(np.float32) for name, array in given.items()}
    outputs, *final = evaluator.ReferenceEvaluator(node).run(None, feeds)
    return [outputs.transpose(2, 0, 1, 3).reshape(*x.shape[:2], -1), *final]


@pytest.mark.parametrize("seed", range(200))
def test_outputs_and_final_states_are_those_that_onnx_evaluates(seed):
    spec, parameters, x, initial = drawn(seed)
    model = NumpyBackend().build(spec, TRAIN, parameters, Setting("float64"), seed=0)
    outputs, final = model.states(x, initial)
    ours = [outputs, *final.h, *final.c]
    theirs = evaluated(spec, parameters, x, initial)
    for name, value, expected in zip(["Y", "Y_h", "Y_c"][: len(theirs)], ours, theirs, strict=True):
        assert expected.dtype == np.float32
        assert value.shape == expected.shape, f"{name} of {spec}"
        error = relative_error(expected, value)  # ours is the exacter one, so it is what errors are relative to
        assert error < 1e-6, f"{name} of {spec}, T={x.shape[1]}, B={x.shape[0]}: {error:.1e}"
