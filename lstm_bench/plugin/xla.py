"""Describe the kernels of an XLA program, from its optimised text. For all backends that use XLA."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

PRODUCTS = {"YNNPACK": "__ynn_fusion", "oneDNN": "__onednn$", "cuBLAS": "__cublas$", "Triton": "__triton"}
"""Marks of the libraries that XLA calls for matrix products. Without a mark, XLA computes the products itself."""

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$", re.MULTILINE)
_SCATTER = re.compile(r'op_name="[^"]*/scatter[\w-]*"')
"""Mark of the operations that XLA makes of a scatter. Where it has no kernel for it, one of them is a loop over the
indices. The gradient of cross-entropy has a scatter."""

_CALLED = re.compile(r"\b(?:calls|to_apply|body|\w+_computations?)=(\{[^}]*\}|[^\s,]+)")


def describe_xla(text: str, *, around: int = 0) -> str:
    """Describe what computes a program: ``cuDNN RNN``, or ``XLA program, a loop over time, products by YNNPACK``.

    Args:
        text: text of the optimised program, from ``jax.stages.Compiled.as_text``. An empty text gives an empty text.
        around: number of nested loops around the model, such as the loop over training steps.
    """
    if not text:
        return ""
    if re.search(r'custom_call_target="[^"]*cudnn_?rnn', text, re.IGNORECASE):
        return "cuDNN RNN"
    loop = "a loop over time" if depth_of_loops(text) > around else "no loop"
    libraries = [name for name, mark in PRODUCTS.items() if mark in text]
    return f"XLA program, {loop}, products by {', '.join(libraries) or 'XLA itself'}"


def depth_of_loops(text: str) -> int:
    """Return the largest number of nested loops in a program. A loop that XLA makes of a scatter does not count."""
    computations = _computations(text)

    @cache
    def depth(name: str) -> int:
        deepest = 0
        for line in computations[name]:
            called = re.findall(r"[\w.\-]+", " ".join(_CALLED.findall(line)))
            inner = max((depth(other) for other in called if other in computations), default=0)
            deepest = max(deepest, inner + (" while(" in line and not _SCATTER.search(line)))
        return deepest

    return max(map(depth, computations), default=0)


def _computations(text: str) -> Mapping[str, Sequence[str]]:
    """Return the lines of each computation, by its name."""
    begins = list(_COMPUTATION.finditer(text))
    ends = [begin.start() for begin in begins[1:]] + [len(text)]
    return {begin[1]: text[begin.end() : end].splitlines() for begin, end in zip(begins, ends, strict=True)}
