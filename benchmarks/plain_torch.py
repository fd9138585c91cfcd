"""A good engineer's loop in PyTorch alone: nn.LSTM, fused Adam, batches sliced in order."""

from __future__ import annotations

import torch
from torch import nn

from shapes import Scopes, Shape


class Net(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.lstm = nn.LSTM(shape.features, shape.hidden, batch_first=True)
        self.head = nn.Linear(shape.hidden, shape.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (h, _) = self.lstm(x)
        return self.head(h[-1])


def build(shape: Shape) -> Scopes:
    x, y = map(torch.from_numpy, shape.data())
    net = Net(shape)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    criterion = nn.MSELoss() if shape.outputs == 1 else nn.CrossEntropyLoss()
    batches = len(x) // shape.batch

    def differentiate(step: int) -> torch.Tensor:
        begin = step % batches * shape.batch
        optimizer.zero_grad()
        loss = criterion(net(x[begin : begin + shape.batch]), y[begin : begin + shape.batch])
        loss.backward()
        return loss.detach()

    def train(steps: int) -> torch.Tensor:
        losses = []
        for step in range(steps):
            loss = differentiate(step)
            optimizer.step()
            losses.append(loss)
        return torch.stack(losses)

    def gradient(steps: int) -> None:
        for step in range(steps):
            differentiate(step)

    @torch.inference_mode()
    def infer(steps: int) -> None:
        for step in range(steps):
            begin = step % batches * shape.batch
            net(x[begin : begin + shape.batch])

    return {"train": train, "gradient": gradient, "infer": infer}
