"""The errors of a request. Each message is one clear line: what is wrong, where, what to do."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class LSTMBenchError(Exception):
    """A request that cannot be carried out. The message is one line, ready to print."""


class InvalidSpec(LSTMBenchError, ValueError):
    """A specification that makes no sense in any framework."""


class InvalidRequest(LSTMBenchError, ValueError):
    """A request for a run or a comparison with a value that makes no sense.

    Args:
        name: of the argument, such as ``"threads"``.
        problem: what is wrong with it, in words that follow the name.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name, self.problem = name, problem


class PluginError(LSTMBenchError):
    """A plugin that cannot be used; the message names it."""


class NotInstalled(LSTMBenchError):
    """A backend whose framework is missing; the message contains the pip command that installs it."""


class StoreError(LSTMBenchError):
    """A results folder or result file that cannot be read or written."""


class NoResults(LSTMBenchError):
    """A folder or file without a single attempt.

    Args:
        place: the folder or file.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(f"there are no results in {place}: write some with lstm-bench run --results {place}")


class DataError(LSTMBenchError):
    """A data file that is missing, damaged, or cannot be fetched or stored; the message names it."""


class UnknownName(LSTMBenchError, LookupError):
    """An unknown name. The message suggests the nearest known name and lists all of them.

    Args:
        kind: the kind of thing that was looked up, in the singular, such as ``"backend"``.
        name: the name as it was given.
        known: all known names.
        where: the place in which the name was looked up, such as ``"task 'flights'"``; empty if it is obvious.
        meant: the name to suggest, where its letters are too far from the given one.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], where: str = "", *, meant: str | None = None
    ) -> None:
        known = sorted(known)
        place = f" of {where}" if where else ""
        near = difflib.get_close_matches(name, known, n=1) if meant is None else [meant]
        hint = f" Did you mean {near[0]!r}?" if near else ""
        there_is = ", ".join(known) if known else "none"
        super().__init__(f"unknown {kind} {name!r}{place}.{hint} There is: {there_is}.")
        self.kind, self.name, self.known = kind, name, tuple(known)


def print_error(error: BaseException) -> None:
    """Release the variables that the error's frames hold, then print the error with its traceback on stderr.

    These variables may hold all of the memory, and printing needs some.
    """
    traceback.clear_frames(error.__traceback__)
    traceback.print_exception(error)
