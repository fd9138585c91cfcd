"""Optimizer steps by the kernels of ``torch.optim``, without its bookkeeping per step.

On small models the bookkeeping (hooks, grouping by device, state look-ups) costs more than the update itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from lstm_bench import TrainSpec

Step = Callable[[list[Tensor]], None]
"""Updates the parameters in place from their gradients, in the same order; the gradients may be changed."""


def optimizer_step(train: TrainSpec, parameters: Sequence[Tensor]) -> Step:
    """The update of a ``TrainSpec``, with fresh state for these parameters."""
    update = {"sgd": _sgd, "rmsprop": _rmsprop, "adam": _adam}[train.optimizer](train, list(parameters))
    clip = train.clip_norm

    @torch.no_grad()
    def step(gradients: list[Tensor]) -> None:
        if clip is not None:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, (clip / norm).clamp(max=1.0))
        update(gradients)

    return step


def _adam(train: TrainSpec, parameters: list[Tensor]) -> Step:
    m, v = [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters]
    counts = [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters]

    def update(gradients: list[Tensor]) -> None:
        adam(
            parameters,
            gradients,
            m,
            v,
            [],
            counts,
            fused=True,
            grad_scale=None,
            found_inf=None,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=train.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    return update


def _sgd(train: TrainSpec, parameters: list[Tensor]) -> Step:
    buffers: list[Tensor | None] = [torch.zeros_like(p) if train.momentum else None for p in parameters]

    def update(gradients: list[Tensor]) -> None:
        sgd(
            parameters,
            gradients,
            buffers,
            fused=True,
            weight_decay=0.0,
            momentum=train.momentum,
            lr=train.learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    return update


def _rmsprop(train: TrainSpec, parameters: list[Tensor]) -> Step:
    squares = [torch.zeros_like(p) for p in parameters]
    counts = [torch.zeros((), dtype=torch.float32) for _ in parameters]

    def update(gradients: list[Tensor]) -> None:  # torch has no fused RMSprop
        rmsprop(
            parameters,
            gradients,
            squares,
            [],
            [],
            counts,
            foreach=True,
            lr=train.learning_rate,
            alpha=0.9,
            eps=1e-8,
            weight_decay=0.0,
            momentum=0.0,
            centered=False,
        )

    return update
