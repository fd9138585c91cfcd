"""The contract of a reporter, which turns attempts into text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True, kw_only=True)
class ReporterInfo:
    """An output format, returned by ``lstm_bench_reporters``.

    Attributes:
        name: name for ``--format``.
        summary: one line for lists.
        render: turns attempts, in the order of the report, into text that ends with a newline.
        suffix: file name suffix, such as ``.md``, by which ``--output`` chooses this format; empty if other formats
            have the same suffix.
    """

    name: str
    summary: str
    render: Callable[[Sequence[Attempt]], str]
    suffix: str = ""
