"""What a model on PyTorch computes with, read from the operators that it called: for every backend on PyTorch."""

from __future__ import annotations

from collections.abc import Mapping


def describe_aten(calls: Mapping[str, int], *, steps: int, backward: bool = False) -> str:
    """What computed a model: ``oneDNN RNN``, ``ATen loop over time``, ``loop over time by torch.compile``.

    Args:
        calls: how often each operator was called in one pass, by its name, such as ``aten::addmm``.
        steps: of time. Operators that multiply at least so often are called in a loop over time.
        backward: whether the pass was also one back.
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
