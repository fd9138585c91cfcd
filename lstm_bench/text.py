"""Text that comes from elsewhere, made fit for one line of a terminal."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """The text on one line, with control characters, which could drive a terminal, replaced."""
    shown = "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", shown).strip()


def describe(error: BaseException) -> str:
    """An exception's type and message on one line."""
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
