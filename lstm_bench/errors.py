"""What can be wrong with a request, each as one clear line: what, where, what to do."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class LSTMBenchError(Exception):
    """The request cannot be carried out as it stands. The message is one line, fit to print as it is."""


class InvalidSpec(LSTMBenchError, ValueError):
    """A specification that makes no sense, whichever framework were to run it."""


class PluginError(LSTMBenchError):
    """A plugin that cannot be used; the message names it."""


class NotInstalled(LSTMBenchError):
    """A backend whose framework is missing; the message holds the pip line that mends it."""


class StoreError(LSTMBenchError):
    """A results folder or result file that cannot be read or written."""


class NoResults(LSTMBenchError):
    """A folder or file without a single attempt.

    Args:
        place: of the folder or file.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(f"there are no results in {place}: write some with lstm-bench run --results {place}")


class DataError(LSTMBenchError):
    """A data file that is missing, damaged, or can neither be fetched nor stored; the message names it."""


class UnknownName(LSTMBenchError, LookupError):
    """A name that nothing answers to; the message offers the nearest one and lists what there is.

    Args:
        kind: what was looked for, in the singular, such as ``"backend"``.
        name: the name as it was given.
        known: every name that would have been right.
        where: what the name was looked up in, such as ``"task 'flights'"``; empty if that goes without saying.
        meant: the name that was meant, where the letters do not tell.
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
    """Print an error with its traceback on stderr, once what its frames hold is given back.

    That may be all the memory there is, and telling takes some.
    """
    traceback.clear_frames(error.__traceback__)
    traceback.print_exception(error)
