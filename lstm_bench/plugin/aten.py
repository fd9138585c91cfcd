"""Describe the kernels of a model on PyTorch, from the operators that it called. For all backends on PyTorch."""

from __future__ import annotations

from collections.abc import Mapping


def describe_aten(calls: Mapping[str, int], *, steps: int, backward: bool = False) -> str:
    """Describe what computed a model: ``oneDNN RNN``, ``ATen loop over time``, ``loop over time by torch.compile``.

    Args:
        calls: number of calls of each operator in one pass, by its name, such as ``aten::addmm``.
        steps: time steps. At least this many matrix products mean a loop over time.
        backward: whether the calls include a backward pass.
    """
    for name, operator in (("cuDNN RNN", "aten::_cudnn_rnn"), ("oneDNN RNN", "aten::mkldnn_rnn_layer")):
        if operator in calls and (not backward or f"{operator}_backward" in calls):
            return name
    products = sum(calls.get(f"aten::{name}", 0) for name in ("mm", "addmm", "bmm", "baddbmm"))
    loop = "loop over time" if products >= steps else "no loop over time"
    pieces = sum(count for key, count in calls.items() if key.startswith("Torch-Compiled Region"))
    if not pieces:
        return f"ATen {loop}"
    return f"{loop} by torch.compile" + (f", in {pieces} pieces" if pieces > 1 else "")
