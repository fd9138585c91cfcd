"""The DataFrame of attempts as it is, in full precision, for spreadsheets and programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from lstm_bench.record.attempt import Attempt
from lstm_bench.record.store import to_frame

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could drive a terminal that shows a report."""


def render_csv(attempts: Sequence[Attempt]) -> str:
    """One row for each attempt, with a header; what a spreadsheet would take for a formula gets a quote before it."""
    return printable(to_frame(attempts).map(harmless).to_csv(index=False, lineterminator="\n"))


def render_json(attempts: Sequence[Attempt]) -> str:
    """A list of records in full precision, with ``null`` where nothing is known."""
    frame = to_frame(attempts)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return escape_control(msgspec.json.format(msgspec.json.encode(records)).decode()) + "\n"


def harmless(value: Any) -> Any:
    """A value of a CSV file, written so that no spreadsheet takes a text for a formula; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # a lone carriage return would begin a row, and so a formula
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text


def printable(text: str) -> str:
    """Text without what could drive a terminal."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def escape_control(text: str) -> str:
    """JSON whose strings keep all their letters, those that could drive a terminal as escapes."""
    # JSON has to escape most of them, but not those from \x7f on.
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
