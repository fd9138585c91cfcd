"""Text that comes from elsewhere, made fit for one line of a terminal."""

from __future__ import annotations

import re


def one_line(text: str) -> str:
    """The text on one line, with control characters, which could drive a terminal, replaced."""
    shown = "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", shown).strip()


LONGEST_ENTRY, LONGEST_LINE = 500, 2000
"""Characters that people are shown of a text in a table, and in a line. Results hold all of it."""


def brief(text: str, most: int = LONGEST_LINE) -> str:
    """The text on one line, as ``one_line`` gives it; of a longer text, the beginning and an ellipsis."""
    return one_line(text) if len(text) <= most else f"{one_line(text[: most - 1])}\N{HORIZONTAL ELLIPSIS}"


def is_unicode(text: str) -> bool:
    """Whether a text can be written in JSON; arguments and paths, whose bytes may be any, need not be."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def describe(error: BaseException) -> str:
    """An exception's type and message on one line."""
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
