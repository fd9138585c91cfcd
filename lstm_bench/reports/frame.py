"""Every attempt with all its numbers in full precision, for spreadsheets and programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from lstm_bench.record.attempt import Attempt
from lstm_bench.record.frame import to_frame

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, which could drive a terminal that shows a report."""


def render_csv(attempts: Sequence[Attempt]) -> str:
    """CSV with a header and one row for each attempt; texts that look like a formula get a quote before them."""
    return printable(to_frame(attempts).map(harmless).to_csv(index=False, lineterminator="\n"))


def render_json(attempts: Sequence[Attempt]) -> str:
    """JSON with one record for each attempt, with ``null`` for unknown values."""
    frame = to_frame(attempts)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return escape_control(msgspec.json.format(msgspec.json.encode(records)).decode()) + "\n"


def harmless(value: Any) -> Any:
    """A value of a CSV file, written so that no spreadsheet takes a text for a formula; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace(
        "\r", "\n"
    )  # a lone carriage return would begin a new row, which could be a formula
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text


def printable(text: str) -> str:
    """The text with control characters replaced, since they could drive a terminal."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def escape_control(text: str) -> str:
    """JSON with control characters written as escapes, so that strings lose nothing."""
    # JSON escapes all control characters below \x20 already, but none from \x7f on.
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
