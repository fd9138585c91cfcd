"""A plugin of a backend whose fast kernel somebody else has switched off."""

from __future__ import annotations

from collections.abc import Iterable

import lstm_bench_torch
from lstm_bench import Backend, BackendInfo, hookimpl

(TORCH,) = lstm_bench_torch.lstm_bench_backends()


def without_onednn() -> Backend:
    import torch

    torch.backends.mkldnn.enabled = False
    return TORCH.load()


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="torch-without-onednn",
        summary="as on a machine for which torch has no oneDNN",
        load=without_onednn,
        abilities=TORCH.abilities,
        requires=("torch",),
        options=TORCH.options,
    )
