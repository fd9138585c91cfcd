"""Recurrent layers that loop over time, with the interface and the parameter names of nn.LSTM, nn.GRU and nn.RNN."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_CELLS: dict[str, type[nn.RNNCellBase]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


class Loop(nn.Module, ABC):
    """One layer that computes one time step after the other.

    Args:
        cell: ``lstm``, ``gru`` or ``rnn``.
        input_size: features I of each time step.
        hidden_size: H, the size of the state.
        bias: whether the layer has biases.
        bidirectional: whether it also reads from the end of the sequence.
        factory: device and dtype of the parameters.
    """

    num_layers = 1

    def __init__(
        self, cell: str, input_size: int, hidden_size: int, *, bias: bool, bidirectional: bool, **factory: Any
    ) -> None:
        super().__init__()
        self.hidden_size, self._cell = hidden_size, cell
        self._suffixes = ("", "_reverse") if bidirectional else ("",)
        self.cells = [_CELLS[cell](input_size, hidden_size, bias=bias, **factory) for _ in self._suffixes]
        for one, suffix in zip(self.cells, self._suffixes, strict=True):
            for name, parameter in one.named_parameters():
                self.register_parameter(f"{name}_l0{suffix}", parameter)

    def flatten_parameters(self) -> None:
        """Do nothing: no kernel here wants all weights in one block of memory, as nn.LSTM's does."""

    def forward(self, x: Tensor, begin: Any = None) -> tuple[Tensor, Any]:
        """The outputs `(B, T, D*H)` and the final h, or h and c, `(D, B, H)` each, as nn.LSTM with ``batch_first``."""
        ends, outputs = [], []
        for d, cell in enumerate(self.cells):
            if begin is None:
                zeros = x.new_zeros(len(x), self.hidden_size)
                state: tuple[Tensor, ...] = (zeros, zeros) if self._cell == "lstm" else (zeros,)
            else:
                state = tuple(part[d] for part in (begin if self._cell == "lstm" else (begin,)))
            hs = []
            inputs = self.inputs(cell, x).unbind(1)
            for x_t in reversed(inputs) if d else inputs:
                state = self.step(cell, x_t, state)
                hs.append(state[0])
            outputs.append(torch.stack(hs[::-1] if d else hs, dim=1))
            ends.append(state)
        end = tuple(torch.stack(part) for part in zip(*ends, strict=True))
        return torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0], end if self._cell == "lstm" else end[0]

    @abstractmethod
    def inputs(self, cell: nn.RNNCellBase, x: Tensor) -> Tensor:
        """The input of ``step`` at all time steps, `(B, T, ...)`, from ``x`` `(B, T, I)`."""

    @abstractmethod
    def step(self, cell: nn.RNNCellBase, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next h, and c of an LSTM, `(B, H)` each, from one time step of ``inputs``."""


class CellLoop(Loop):
    """Calls nn.LSTMCell, nn.GRUCell or nn.RNNCell at each time step."""

    def inputs(self, cell: nn.RNNCellBase, x: Tensor) -> Tensor:
        return x

    def step(self, cell: nn.RNNCellBase, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._cell == "lstm":
            result: tuple[Tensor, ...] = cell(x, state)
            return result
        return (cell(x, *state),)


class HandWrittenLoop(Loop):
    """Writes the gates out as elementary operations. One product with the inputs serves all time steps."""

    def inputs(self, cell: nn.RNNCellBase, x: Tensor) -> Tensor:
        return functional.linear(x, cell.weight_ih, cell.bias_ih)

    def step(self, cell: nn.RNNCellBase, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h = state[0]
        if self._cell == "gru":
            x_r, x_z, x_n = x.chunk(3, dim=1)
            h_r, h_z, h_n = functional.linear(h, cell.weight_hh, cell.bias_hh).chunk(3, dim=1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + r * h_n)
            return ((1 - z) * n + z * h,)
        z = torch.addmm(x, h, cell.weight_hh.t())  # the second bias is held at zero, so it is left out
        if self._cell == "rnn":
            return (torch.tanh(z),)
        i, f, g, o = z.chunk(4, dim=1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


LOOPS: dict[str, type[Loop]] = {"cell": CellLoop, "loop": HandWrittenLoop}


def weights_of(stack: nn.Module, layer: int, suffix: str) -> Sequence[nn.Parameter | None]:
    """W_ih, W_hh, b_ih and b_hh of one layer and direction of nn.LSTM or a loop; ``None`` for a missing bias."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(stack, f"{name}_l{layer}{suffix}", None) for name in names]
