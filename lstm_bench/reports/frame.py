"""The DataFrame as it is, for spreadsheets and programs."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.result import Attempt
from lstm_bench.store import to_frame


def render_csv(attempts: Sequence[Attempt]) -> str:
    """One row for each attempt, with a header; what a spreadsheet would take for a formula gets a quote before it."""
    return to_frame(attempts).map(_no_formula).to_csv(index=False, lineterminator="\n")


def render_json(attempts: Sequence[Attempt]) -> str:
    """A list of records, with ``null`` where nothing is known."""
    return to_frame(attempts).to_json(orient="records", indent=2, double_precision=15, force_ascii=False) + "\n"


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
