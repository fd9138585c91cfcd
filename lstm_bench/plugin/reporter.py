"""What a reporter promises: to turn attempts into text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True, kw_only=True)
class ReporterInfo:
    """One output format. Given by ``lstm_bench_reporters``.

    Attributes:
        name: what users type after ``--format``.
        summary: one line for people.
        render: the report as text, ending in a newline, from attempts in the order in which they should appear.
        suffix: what the names of its files end in, such as ``.md``, so that ``--output`` chooses it; empty if that does
            not tell it from others.
    """

    name: str
    summary: str
    render: Callable[[Sequence[Attempt]], str]
    suffix: str = ""
