"""The canonical model out of torch's modules, and where its parameters lie in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lstm_bench import ModelSpec, State, parameter_shapes
from lstm_bench_torch._loops import LOOPS, Loop, weights_of

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Network:
    """Recurrent layers and nn.Linear. Neighbouring layers of one size share an nn.LSTM, one kernel to cuDNN.

    torch adds two biases where the canonical model has one. The second (``bias_hh``) is held at zero and takes no part
    in training: trained, both would move, and the bias they sum to would move twice as far. The GRU's candidate does
    have a recurrent bias of its own: there the last third of ``bias_hh`` is trained, and the rest held at zero.

    It is no nn.Module itself: on small models the look-ups of one more module show in the time per step.
    """

    def __init__(self, spec: ModelSpec, device: torch.device, dtype: torch.dtype, impl: str) -> None:
        self.spec, self.device, self.dtype = spec, device, dtype
        self._bidirectional, self._reads_all, self._has_c = (
            spec.bidirectional,
            spec.readout == "all",
            spec.cell == "lstm",
        )
        common: dict[str, Any] = {"bias": spec.bias, "bidirectional": spec.bidirectional}
        common |= {"device": device, "dtype": dtype}
        self.stacks: list[nn.RNNBase | Loop]
        if impl == "fused":
            runs = [(size, len(list(run))) for size, run in groupby(spec.hidden_sizes)]
            firsts = [sum(length for _, length in runs[:n]) for n in range(len(runs))]
            self.stacks = [
                _CELLS[spec.cell](
                    spec.layer_input_size(first),
                    size,
                    length,
                    batch_first=True,
                    dropout=spec.dropout if length > 1 else 0.0,
                    **common,
                )
                for (size, length), first in zip(runs, firsts, strict=True)
            ]
        else:
            firsts = list(range(len(spec.hidden_sizes)))
            self.stacks = [
                LOOPS[impl](spec.cell, spec.layer_input_size(n), size, **common)
                for n, size in enumerate(spec.hidden_sizes)
            ]
        self.head = nn.Linear(spec.readout_size, spec.output_size, bias=spec.bias, device=device, dtype=dtype)
        for stack in self.stacks:
            for name, parameter in stack.named_parameters():
                if "bias_hh" in name:
                    nn.init.zeros_(parameter).requires_grad_(spec.cell == "gru")
        exact = torch.float32 if dtype == torch.bfloat16 else dtype
        self.batch_norm = BatchNorm(spec.readout_size, device, exact) if spec.batch_norm else None
        self._dropout, self._training = spec.dropout, True  # as modules begin
        owners = dict(self._owners(firsts))
        self._owned = {name: owners[name] for name in parameter_shapes(spec)}
        self.weights: list[Tensor] = list(self._owned.values())
        self._held = [n for n, name in enumerate(self._owned) if name.endswith(".bias_hn")]

    def pick(self, arrays: Sequence[Tensor]) -> dict[str, Tensor]:
        """By canonical name, the trained part of each of ``weights`` or of arrays of their shapes; views."""
        return {
            name: array[2 * len(array) // 3 :] if name.endswith(".bias_hn") else array
            for name, array in zip(self._owned, arrays, strict=True)
        }

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Of ``weights``, zero where a part is held."""
        gradients = list(torch.autograd.grad(loss, self.weights))
        for n in self._held:
            gradients[n][: 2 * len(gradients[n]) // 3] = 0
        return gradients

    def _owners(self, firsts: list[int]) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameter that holds each canonical one; torch's gates are in canonical order, too."""
        for stack, first in zip(self.stacks, firsts, strict=True):
            for n in range(stack.num_layers):
                for direction, suffix in zip(self.spec.directions, ("", "_reverse"), strict=False):
                    names = ("weight_ih", "weight_hh", "bias", "bias_hn")
                    for name, parameter in zip(names, weights_of(stack, n, suffix), strict=True):
                        if parameter is not None:
                            yield f"layers.{first + n}.{direction}.{name}", parameter
        if self.batch_norm is not None:
            yield "batch_norm.weight", self.batch_norm.weight
            yield "batch_norm.bias", self.batch_norm.bias
        for name, parameter in self.head.named_parameters():
            yield f"head.{name}", parameter

    def __call__(self, x: Tensor, *, training: bool = False, remember: bool = False) -> Tensor:
        """Logits `(B, O)` or `(B, T, O)`, never less exact than float32, from ``x`` `(B, T, I)`.

        Args:
            x: sequences.
            training: whether to drop elements, and to normalise by the batch's own statistics.
            remember: whether to take these into the running ones.
        """
        if self._dropout and training != self._training:
            self._set_mode(training)
        if x.dtype != self.dtype:  # asking costs less than converting what needs no conversion
            x = x.to(self.dtype)
        for n, stack in enumerate(self.stacks):
            if n and training and self._dropout:
                x = functional.dropout(x, self._dropout)
            x, h = stack(x)
        if not self._reads_all:
            if self._has_c:
                h, _ = h
            x = torch.cat((h[-2], h[-1]), dim=-1) if self._bidirectional else h[-1]
        if self.batch_norm is not None:
            x = self.batch_norm(x, training=training, remember=remember)
        logits: Tensor = self.head(x)
        return logits.float() if self.dtype == torch.bfloat16 else logits

    def _set_mode(self, training: bool) -> None:
        for stack in self.stacks:
            stack.train(training)
        self._training = training

    def states(self, x: Tensor, initial: State | None) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The top layer's outputs `(B, T, D*H)`, and for each layer the final h, and c if there is one, `(D, B, H)`."""
        hidden: list[Tensor] = []
        cell: list[Tensor] = []
        if self._dropout and self._training:
            self._set_mode(training=False)
        x = x.to(self.dtype)
        for stack in self.stacks:
            begin = None
            if initial is not None:
                layers = slice(len(hidden), len(hidden) + stack.num_layers)
                parts = [
                    torch.from_numpy(np.concatenate(part[layers])).to(x) for part in (initial.h, initial.c) if part
                ]
                begin = tuple(parts) if self._has_c else parts[0]
            x, end = stack(x, begin)
            for layers_of, final in zip((hidden, cell), end if self._has_c else (end,), strict=False):
                layers_of += final.split(len(self.spec.directions))
        return x, hidden, cell


class BatchNorm:
    """torch's batch normalisation, with running statistics of our own: torch's running variance is unbiased."""

    def __init__(self, size: int, device: torch.device, dtype: torch.dtype) -> None:
        self.weight, self.bias = (nn.Parameter(torch.empty(size, device=device, dtype=dtype)) for _ in range(2))
        # Four tensors and no slices of one: autograd would take a change to one for a change to all. Zeros, since torch
        # multiplies the old by zero where it is to be forgotten, and nothing times zero makes a NaN go away.
        self.mean, self.variance, self._batch_mean, self._batch_variance = (
            torch.zeros(size, device=device, dtype=dtype) for _ in range(4)
        )

    def __call__(self, x: Tensor, *, training: bool, remember: bool) -> Tensor:
        """Normalise `(..., R)` over all axes but the last; in its own dtype, whatever that of ``x``."""
        rows = x.flatten(0, -2).to(self.weight.dtype)
        if not training:
            return (
                functional.batch_norm(rows, self.mean, self.variance, self.weight, self.bias, eps=1e-5).view_as(x).to(x)
            )
        # With a momentum of 1 torch leaves the batch's mean and unbiased variance in what it takes for running ones.
        normal = functional.batch_norm(
            rows, self._batch_mean, self._batch_variance, self.weight, self.bias, training=True, momentum=1.0, eps=1e-5
        )
        if remember:
            self.mean.lerp_(self._batch_mean, 0.1)
            self.variance.lerp_(self._batch_variance * ((len(rows) - 1) / len(rows)), 0.1)
        return normal.view_as(x).to(x)
