"""The canonical model, built from torch's modules, and the place of each parameter in them."""

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
    """Recurrent layers, batch normalisation and nn.Linear.

    Neighbouring layers of one size share an nn.LSTM, which cuDNN runs as one kernel.

    torch adds two biases where the canonical model has one. The second (``bias_hh``) is held at zero and not trained.
    If both were trained, their sum would move twice as far. The GRU's candidate is the exception: the canonical model
    has its recurrent bias, too, so the last third of ``bias_hh`` is trained and the rest is held at zero.

    The class is no nn.Module: on small models the look-ups of one more module show in the time per step.

    Attributes:
        spec: the model.
        device: where it computes.
        dtype: what layers and head compute in.
        stacks: the recurrent layers, bottom first; a stack has one layer or more of one size.
        head: the last product.
        batch_norm: normalises the readout, if the model has it.
        weights: the trained tensors, in the order of the canonical names.
    """

    def __init__(self, spec: ModelSpec, device: torch.device, dtype: torch.dtype, impl: str) -> None:
        self.spec, self.device, self.dtype = spec, device, dtype
        self._bidirectional, self._has_c = spec.bidirectional, spec.cell == "lstm"
        self._reads_all = spec.readout == "all"
        self.stacks, firsts = _recurrent_layers(spec, impl, device=device, dtype=dtype)
        self.head = nn.Linear(spec.readout_size, spec.output_size, bias=spec.bias, device=device, dtype=dtype)
        for stack in self.stacks:
            for name, parameter in stack.named_parameters():
                if "bias_hh" in name:
                    nn.init.zeros_(parameter).requires_grad_(spec.cell == "gru")
        exact = torch.float32 if dtype == torch.bfloat16 else dtype
        self.batch_norm = BatchNorm(spec.readout_size, device, exact) if spec.batch_norm else None
        self._dropout, self._training = spec.dropout, True  # new modules are in training mode
        owners = dict(self._owners(firsts))
        self._owned = {name: owners[name] for name in parameter_shapes(spec)}
        self.weights: list[Tensor] = list(self._owned.values())
        self._held = [n for n, name in enumerate(self._owned) if name.endswith(".bias_hn")]

    def pick(self, arrays: Sequence[Tensor]) -> dict[str, Tensor]:
        """Name the arrays: the trained part of each, by canonical name; views.

        Args:
            arrays: ``weights``, or arrays of their shapes, such as gradients.
        """
        return {
            name: array[2 * len(array) // 3 :] if name.endswith(".bias_hn") else array
            for name, array in zip(self._owned, arrays, strict=True)
        }

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """The gradient of each of ``weights``; zero in the part of a ``bias_hh`` that is held at zero."""
        gradients = list(torch.autograd.grad(loss, self.weights))
        for n in self._held:
            gradients[n][: 2 * len(gradients[n]) // 3] = 0
        return gradients

    def _owners(self, firsts: list[int]) -> Iterator[tuple[str, nn.Parameter]]:
        """Each canonical name with torch's parameter. torch stacks its gates in the canonical order."""
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
        """Logits `(B, O)`, or `(B, T, O)` if every step is read out; float32 where layers compute in bfloat16.

        Args:
            x: sequences `(B, T, I)`.
            training: whether to drop elements, and to normalise by the batch's own statistics.
            remember: whether the batch's statistics move the running ones.
        """
        if self._dropout and training != self._training:
            self._set_mode(training)
        if x.dtype != self.dtype:  # a conversion to the same dtype would cost more than this comparison
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
        """The top layer's outputs `(B, T, D*H)`, and each layer's final h and, of an LSTM, c, `(D, B, H)`."""
        h: list[Tensor] = []
        c: list[Tensor] = []
        if self._dropout and self._training:
            self._set_mode(training=False)
        x = x.to(self.dtype)
        for stack in self.stacks:
            begin = None
            if initial is not None:
                layers = slice(len(h), len(h) + stack.num_layers)
                parts = [
                    torch.from_numpy(np.concatenate(part[layers])).to(x) for part in (initial.h, initial.c) if part
                ]
                begin = tuple(parts) if self._has_c else parts[0]
            x, end = stack(x, begin)
            for of_layers, final in zip((h, c), end if self._has_c else (end,), strict=False):
                of_layers += final.split(len(self.spec.directions))
        return x, h, c


def _recurrent_layers(
    spec: ModelSpec, impl: str, *, device: torch.device, dtype: torch.dtype
) -> tuple[list[nn.RNNBase | Loop], list[int]]:
    """The stacks of recurrent layers, and the number of the first layer of each."""
    common: dict[str, Any] = {"bias": spec.bias, "bidirectional": spec.bidirectional, "device": device, "dtype": dtype}
    if impl != "fused":
        loops: list[nn.RNNBase | Loop] = [
            LOOPS[impl](spec.cell, spec.layer_input_size(n), size, **common) for n, size in enumerate(spec.hidden_sizes)
        ]
        return loops, list(range(len(loops)))
    stacks: list[nn.RNNBase | Loop] = []
    firsts: list[int] = []
    first = 0
    for size, run in groupby(spec.hidden_sizes):
        length = len(list(run))
        dropout = spec.dropout if length > 1 else 0.0  # nn.LSTM drops between its own layers alone
        module = _CELLS[spec.cell]
        stacks.append(module(spec.layer_input_size(first), size, length, batch_first=True, dropout=dropout, **common))
        firsts.append(first)
        first += length
    return stacks, firsts


class BatchNorm:
    """torch's batch normalisation, with our own running statistics, since torch's running variance is unbiased.

    Args:
        size: features R.
        device: where it computes.
        dtype: what it computes in.
    """

    def __init__(self, size: int, device: torch.device, dtype: torch.dtype) -> None:
        self.weight, self.bias = (nn.Parameter(torch.empty(size, device=device, dtype=dtype)) for _ in range(2))
        # Four tensors, not four slices of one tensor: autograd would take a change of one slice for a change of all.
        # They begin at zero and not empty: torch forgets an old value by multiplying it by zero, which keeps a NaN.
        self.mean, self.variance, self._batch_mean, self._batch_variance = (
            torch.zeros(size, device=device, dtype=dtype) for _ in range(4)
        )

    def __call__(self, x: Tensor, *, training: bool, remember: bool) -> Tensor:
        """Normalise ``x`` `(..., R)` over all axes but the last; the result has the dtype of ``x``."""
        rows = x.flatten(0, -2).to(self.weight.dtype)
        if not training:
            return (
                functional.batch_norm(rows, self.mean, self.variance, self.weight, self.bias, eps=1e-5).view_as(x).to(x)
            )
        # With a momentum of 1, torch writes the batch's mean and unbiased variance into the running statistics.
        normal = functional.batch_norm(
            rows, self._batch_mean, self._batch_variance, self.weight, self.bias, training=True, momentum=1.0, eps=1e-5
        )
        if remember:
            self.mean.lerp_(self._batch_mean, 0.1)
            self.variance.lerp_(self._batch_variance * ((len(rows) - 1) / len(rows)), 0.1)
        return normal.view_as(x).to(x)
