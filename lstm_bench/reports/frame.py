"""The DataFrame as it is, for spreadsheets and programs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lstm_bench.result import Attempt
from lstm_bench.store import to_frame


def render_csv(attempts: Sequence[Attempt]) -> str:
    """One row for each attempt, with a header; what a spreadsheet would take for a formula gets a quote before it."""
    return to_frame(attempts).map(_harmless).to_csv(index=False, lineterminator="\n")


def render_json(attempts: Sequence[Attempt]) -> str:
    """A list of records in full precision, with ``null`` where nothing is known."""
    frame = to_frame(attempts)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return msgspec.json.format(msgspec.json.encode(records)).decode() + "\n"


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # a lone carriage return would begin a row, and so a formula
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text
