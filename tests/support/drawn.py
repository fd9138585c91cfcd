"""A model of every kind: its weights, and the sequences and states that it is given, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from lstm_bench import ModelSpec, State
from lstm_bench.model.parameters import state_shapes


@dataclass(frozen=True)
class Drawn:
    """All numbers are float64, and float32 has each of them too.

    Attributes:
        spec: the model.
        parameters: by canonical name, statistics included.
        x: sequences `(B, T, I)`.
        initial: an initial state that is not zero.
    """

    spec: ModelSpec
    parameters: dict[str, np.ndarray]
    x: np.ndarray
    initial: State

    def __str__(self) -> str:
        return f"{self.spec}, x {self.x.shape}"


def draw(spec: ModelSpec, seed: int) -> Drawn:
    """Weights, sequences and an initial state for a model."""
    generator = np.random.default_rng(seed)

    def numbers(*shape: int, low: float = -1, high: float = 1) -> np.ndarray:
        return generator.uniform(low, high, shape).astype(np.float32).astype(np.float64)

    shapes = state_shapes(spec)
    parameters = {name: numbers(*shape) for name, shape in shapes.items()}
    if spec.batch_norm:
        parameters["batch_norm.variance"] = numbers(*shapes["batch_norm.variance"], low=0.25, high=1.25)
    batch, time = generator.integers(1, [6, 10]).tolist()
    states = [(len(spec.directions), batch, size) for size in spec.hidden_sizes]
    h, c = (tuple(numbers(*shape) for shape in states) for _ in range(2))
    return Drawn(spec, parameters, numbers(batch, time, spec.input_size), State(h, c if spec.cell == "lstm" else ()))


def draw_every_kind() -> list[Drawn]:
    """Every cell, one to three layers, one or both directions, with and without biases and batch norm, both readouts.

    There are 144 such kinds. Every model has sizes of its own.
    """
    yes_or_no = (False, True)
    kinds = product(("lstm", "gru", "rnn"), (1, 2, 3), yes_or_no, yes_or_no, yes_or_no, ("last", "all"))
    found = []
    for seed, (cell, layers, bidirectional, bias, batch_norm, readout) in enumerate(kinds):
        inputs, outputs, *hidden = np.random.default_rng([seed, layers]).integers(1, 9, 2 + layers).tolist()
        spec = ModelSpec(
            input_size=inputs,
            hidden_sizes=tuple(hidden),
            output_size=outputs,
            cell=cell,
            bidirectional=bidirectional,
            bias=bias,
            batch_norm=batch_norm,
            readout=readout,
        )
        found.append(draw(spec, seed))
    return found


def kind_of(drawn: Drawn) -> str:
    """The kind of a model as the name of a test: ``lstm-2-bidirectional-bias-last``."""
    spec = drawn.spec
    flags = [name for name in ("bidirectional", "bias", "batch_norm") if getattr(spec, name)]
    return "-".join([spec.cell, str(len(spec.hidden_sizes)), *flags, spec.readout])
