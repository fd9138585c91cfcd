"""Holding any backend's model against the reference, quantity by quantity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from lstm_bench import Backend, ModelSpec, State, TrainSpec
from lstm_bench.agreement import TOLERANCES, relative_error
from lstm_bench.parameters import initial_parameters
from lstm_bench_numpy._model import NumpyBackend

COUNT, STEPS, BATCH, TIME = 12, 20, 4, 7

sizes = st.integers(1, 6)


def model_specs(*, batch_norm: bool) -> st.SearchStrategy[ModelSpec]:
    """Any model without dropout.

    Args:
        batch_norm: whether some have batch normalisation. Over four sequences and a handful of units it subtracts
            nearly equal numbers, which can leave float32 few right digits; in float64 the formulas show all the same.
    """
    return st.builds(
        ModelSpec,
        input_size=sizes,
        hidden_sizes=st.lists(sizes, min_size=1, max_size=3).map(tuple),
        output_size=sizes,
        cell=st.sampled_from(["lstm", "gru", "rnn"]),
        bidirectional=st.booleans(),
        bias=st.booleans(),
        batch_norm=st.booleans() if batch_norm else st.just(False),
        readout=st.sampled_from(["last", "all"]),
    )


train_specs = st.builds(
    lambda optimizer, momentum, **rest: TrainSpec(
        optimizer=optimizer, momentum=momentum if optimizer == "sgd" else 0.0, batch_size=BATCH, **rest
    ),
    optimizer=st.sampled_from(["sgd", "rmsprop", "adam"]),
    momentum=st.sampled_from([0.0, 0.9]),
    loss=st.sampled_from(["mse", "cross_entropy"]),
    learning_rate=st.sampled_from([1e-3, 1e-2]),
    clip_norm=st.sampled_from([None, 0.05, 1e3]),
)


def data_for(spec: ModelSpec, train: TrainSpec, seed: int = 0):
    """Random sequences, their targets, and rows of batches."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((COUNT, TIME, spec.input_size))
    shape = (COUNT,) if spec.readout == "last" else (COUNT, TIME)
    if train.loss == "mse":
        y = generator.standard_normal((*shape, spec.output_size))
    else:
        y = generator.integers(0, spec.output_size, shape)
    order = np.stack([generator.permutation(COUNT)[:BATCH] for _ in range(STEPS)])
    return x, y, order


def build(backend: Backend, spec: ModelSpec, train: TrainSpec, precision: str, scheme: str = "uniform", **options: str):
    parameters = initial_parameters(spec, scheme, 1)
    return backend.build(spec, train, parameters, precision=precision, device="cpu", seed=0, options=options)


def quantities(model, spec: ModelSpec, train: TrainSpec) -> Iterator[tuple[str, str, np.ndarray]]:
    """Everything that a model computes: tolerance band, name, value."""
    x, y, order = data_for(spec, train)
    native_x, native_y = model.put(x), model.put(y)
    batch = model.put(x[:BATCH])
    yield "forward", "logits", model.get(model.infer(batch))
    outputs, final = model.states(batch)
    yield "forward", "outputs", outputs
    yield from _state("final", final)
    outputs, final = model.states(batch, final)
    yield "forward", "outputs from given states", outputs
    yield from _state("final from given states", final)
    loss, gradients = model.gradients(batch, model.put(y[:BATCH]))
    yield "forward", "loss", np.asarray(loss)
    for name, gradient in gradients.items():
        yield "backward", f"gradient of {name}", gradient
    d_x = model.input_gradient(batch, model.put(y[:BATCH]))
    if d_x is not None:  # which a backend need not give
        yield "backward", "gradient of x", d_x
    yield "forward", "logits after gradients", model.get(model.infer(batch))
    yield "update", "losses", model.get(model.train(native_x, native_y, model.put(order)))
    for name, parameter in model.parameters().items():
        yield "update", f"trained {name}", parameter
    yield "update", "logits after training", model.get(model.infer(batch))


def disagreements(backend: Backend, spec: ModelSpec, train: TrainSpec, precision: str, **options: str) -> list[str]:
    """One line for each quantity in which a backend differs from the reference by more than its band."""
    lines = []
    ours = quantities(build(backend, spec, train, precision, **options), spec, train)
    reference = {
        name: value for _, name, value in quantities(build(NumpyBackend(), spec, train, "float64"), spec, train)
    }
    seen = set()
    for band, name, value in ours:
        expected = reference[name]
        seen.add(name)
        assert value.shape == expected.shape, f"{name}: shape {value.shape}, expected {expected.shape}"
        error, tolerance = relative_error(value, expected), TOLERANCES[precision][band]
        if band == "backward" and np.linalg.norm(expected) < 1e-6:
            # A gradient that cancels to nothing has no relative error worth the name; it must be nothing here, too.
            error, tolerance = (
                float(np.linalg.norm(value - expected)),
                100 * np.finfo("float32" if precision == "bfloat16" else precision).eps,
            )
        if not error <= tolerance:
            lines.append(f"{name}: {error:.1e} > {tolerance:.0e}")
    assert reference.keys() - seen <= {"gradient of x"}
    return lines


def _state(name: str, state: State) -> Iterator[tuple[str, str, np.ndarray]]:
    for kind, layers in (("h", state.hidden), ("c", state.cell)):
        for layer, value in enumerate(layers):
            yield "forward", f"{name} {kind} of layer {layer}", value
