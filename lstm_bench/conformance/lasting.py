"""Make weights with which a state lasts for a hundred steps, so that a backward pass that is cut short shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import ModelSpec

OPEN = 5.0
"""Bias of an open gate. sigmoid(5) is 0.993, so half of the state is left after 100 steps."""

FAINT = 0.02
"""Factor on what a lasting tanh RNN takes in at a step, so that tanh stays near its linear range and the state, which
its orthogonal recurrent weights only turn, lasts."""


def make_lasting(parameters: dict[str, NDArray[np.float64]], spec: ModelSpec, seed: int) -> None:
    """Change uniform weights so that the state lasts: open the forget and update gates, or turn the state by rotations.

    Without biases there is nothing to open the gates by, and they stay half open.

    Args:
        parameters: by canonical name; changed in place.
        spec: the model.
        seed: of the rotations.
    """
    orthogonal = initial_parameters(spec, "glorot", seed)
    for name, array in parameters.items():
        if not name.startswith("layers."):
            continue
        if spec.cell == "rnn":
            array[...] = orthogonal[name] if name.endswith("weight_hh") else FAINT * array
        elif name.endswith(".bias"):
            _, lasting, *_ = np.split(array, 4 if spec.cell == "lstm" else 3)  # the second gate of both: f, and z
            lasting += OPEN
