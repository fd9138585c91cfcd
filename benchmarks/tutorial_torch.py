"""The loop of the well-known time series tutorial in PyTorch: one window at a time, Adam, states reset by hand."""

from __future__ import annotations

import torch
from torch import nn

from shapes import Scopes, Shape


class LSTM(nn.Module):
    def __init__(self, input_size: int, hidden_layer_size: int, output_size: int) -> None:
        super().__init__()
        self.hidden_layer_size = hidden_layer_size
        self.lstm = nn.LSTM(input_size, hidden_layer_size)
        self.linear = nn.Linear(hidden_layer_size, output_size)
        self.reset()

    def reset(self) -> None:
        self.hidden_cell = (torch.zeros(1, 1, self.hidden_layer_size), torch.zeros(1, 1, self.hidden_layer_size))

    def forward(self, input_seq: torch.Tensor) -> torch.Tensor:
        lstm_out, self.hidden_cell = self.lstm(input_seq.view(len(input_seq), 1, -1), self.hidden_cell)
        predictions = self.linear(lstm_out.view(len(input_seq), -1))
        return predictions[-1]


def build(shape: Shape) -> Scopes:
    """Training and inference; the tutorial has no gradient alone."""
    if shape.batch != 1 or shape.outputs != 1:
        raise ValueError("the tutorial knows only single sequences and one output")
    x, y = map(torch.from_numpy, shape.data())
    pairs = list(zip(x.unbind(), y.unbind(), strict=True))
    model = LSTM(shape.features, shape.hidden, 1)
    loss_function = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train(steps: int) -> None:
        for step in range(steps):
            seq, label = pairs[step % len(pairs)]
            optimizer.zero_grad()
            model.reset()
            single_loss = loss_function(model(seq), label)
            single_loss.backward()
            optimizer.step()

    def infer(steps: int) -> None:
        with torch.no_grad():
            for step in range(steps):
                model.reset()
                model(pairs[step % len(pairs)][0])

    return {"train": train, "infer": infer}
