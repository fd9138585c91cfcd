"""Prepare text from plugins, files and servers for one line of a terminal."""

from __future__ import annotations

import re

_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Colours and the like, ECMA-48 section 5.4. Keras writes its messages in bold type."""


def one_line(text: str) -> str:
    """Put the text on one line without control sequences, and replace the control characters that are left."""
    shown = "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}"
        for letter in _CONTROL_SEQUENCE.sub("", text)
    )
    return re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", shown).strip()


LONGEST_ENTRY, LONGEST_LINE = 500, 2000
"""Most characters of a text that a table and a line show. Result files hold the whole text."""


_HOME = re.compile(r"(?:[A-Za-z]:)?[/\\]+(?:home|Users)[/\\]+[^/\\\s\"'<>:]+|/root(?=[/\\])")
"""A home folder on Linux, macOS or Windows, also with the backslashes of JSON."""


def without_home(text: str) -> str:
    """Write ``~`` for every home folder, so that what is published names nobody."""
    return _HOME.sub("~", text)


def brief(text: str, most: int = LONGEST_LINE) -> str:
    """Put the text on one line as ``one_line`` does; cut a text of more than ``most`` characters, with an ellipsis."""
    return one_line(text) if len(text) <= most else f"{one_line(text[: most - 1])}\N{HORIZONTAL ELLIPSIS}"


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8 and JSON. Arguments and paths may hold bytes that cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def describe(error: BaseException) -> str:
    """Write an exception's type and message on one line."""
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
