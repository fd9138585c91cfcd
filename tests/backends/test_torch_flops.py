"""PyTorch's own count of its operators, as a witness of ours."""

from __future__ import annotations

import pytest

from builders import a_model
from lstm_bench.model.flops import operations

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

CELLS = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "rnn": torch.nn.RNNCell}
BATCH, TIME = 5, 7


def run(spec, x):
    """The model out of PyTorch's cells, step by step; returns the logits."""
    for hidden in spec.hidden_sizes:
        directions = []
        for direction in spec.directions:
            cell = CELLS[spec.cell](x.shape[2], hidden, bias=spec.bias)
            # It has a gradient, since its product is counted in the backward pass, too.
            h = torch.zeros(BATCH, hidden, requires_grad=True)
            state = (h, torch.zeros(BATCH, hidden)) if spec.cell == "lstm" else h
            steps = range(TIME) if direction == "forward" else reversed(range(TIME))
            outputs = [None] * TIME
            for t in steps:
                state = cell(x[:, t], state)
                outputs[t] = state[0] if spec.cell == "lstm" else state
            directions.append(outputs)
        x = torch.cat([torch.stack(outputs, dim=1) for outputs in directions], dim=2)
    finals = [outputs[-1 if d == 0 else 0] for d, outputs in enumerate(directions)]
    readout = torch.cat(finals, dim=1) if spec.readout == "last" else x
    return torch.nn.Linear(readout.shape[-1], spec.output_size, bias=spec.bias)(readout)


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bias": False},
        {"readout": "all"},
        {"hidden_sizes": (4, 6)},
        {"bidirectional": True},
        {"bidirectional": True, "hidden_sizes": (4, 6, 2), "readout": "all"},
    ],
    ids=str,
)
def test_our_count_is_that_of_pytorch(cell, changes):
    spec = a_model(**{"input_size": 3, "hidden_sizes": (4,), "output_size": 2, "cell": cell} | changes)
    for wanted in (False, True):
        x = torch.zeros(BATCH, TIME, spec.input_size, requires_grad=wanted)
        with FlopCounterMode(display=False) as counter:
            run(spec, x)
        assert operations(spec, "infer", batch=BATCH, time=TIME) == counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            run(spec, x).sum().backward()
        assert counter.get_total_flops() == operations(spec, "gradient", batch=BATCH, time=TIME, input_gradient=wanted)
