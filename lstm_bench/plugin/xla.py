"""What an XLA program computes with, read from its optimised text: for every backend that XLA compiles for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

PRODUCTS = {"YNNPACK": "__ynn_fusion", "oneDNN": "__onednn$", "cuBLAS": "__cublas$", "Triton": "__triton"}
"""What marks the libraries that XLA leaves products to. Where there is no mark it computes them itself."""

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$", re.MULTILINE)
_CALLED = re.compile(r"\b(?:calls|to_apply|body|\w+_computations?)=(\{[^}]*\}|[^\s,]+)")


def describe_xla(text: str, *, around: int = 0) -> str:
    """What computes an LSTM's program: ``cuDNN RNN``, or ``XLA program, a loop over time, products by YNNPACK``.

    Args:
        text: of the optimised program, as ``jax.stages.Compiled.as_text`` gives it; of none, nothing is said.
        around: how many loops there are around the model, one within the other, such as that over steps of training.
    """
    if not text:
        return ""
    if re.search(r'custom_call_target="[^"]*cudnn_?rnn', text, re.IGNORECASE):
        return "cuDNN RNN"
    loop = "a loop over time" if depth_of_loops(text) > around else "no loop"
    libraries = [name for name, mark in PRODUCTS.items() if mark in text]
    return f"XLA program, {loop}, products by {', '.join(libraries) or 'XLA itself'}"


def depth_of_loops(text: str) -> int:
    """How many loops of a program lie within each other at most."""
    computations = _computations(text)

    @cache
    def depth(name: str) -> int:
        deepest = 0
        for line in computations[name]:
            called = re.findall(r"[\w.\-]+", " ".join(_CALLED.findall(line)))
            inner = max((depth(other) for other in called if other in computations), default=0)
            deepest = max(deepest, inner + (" while(" in line))
        return deepest

    return max(map(depth, computations), default=0)


def _computations(text: str) -> Mapping[str, Sequence[str]]:
    """The lines of each computation by its name."""
    begins = list(_COMPUTATION.finditer(text))
    ends = [begin.start() for begin in begins[1:]] + [len(text)]
    return {begin[1]: text[begin.end() : end].splitlines() for begin, end in zip(begins, ends, strict=True)}
