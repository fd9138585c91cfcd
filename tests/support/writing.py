"""Run as a script: a parent that stores copies of an attempt in a folder, while something happens to it.

    python writing.py SOURCE FOLDER FIRST LAST [--killed-before WORDS] [--most-bytes N [--and-die]] [--wait]

The copies have the numbers from FIRST to LAST in their ids. It prints those that it has stored, and complains of the
others.
"""

from __future__ import annotations

import argparse
import linecache
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

from lstm_bench.errors import StoreError
from lstm_bench.record import store


def numbered(attempt, number):
    return msgspec.structs.replace(attempt, id=f"20260102T030405-{number:06d}-0123abcd")


def kill_before(words):
    """Kill this process as if by ``kill -9`` when it comes to the first line of the store that has these words."""

    def trace(frame, event, argument):
        if frame.f_code.co_filename != store.__file__:
            return None
        if event == "line" and words in linecache.getline(store.__file__, frame.f_lineno):
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def limit_files(most_bytes, *, and_die):
    """Let no file grow beyond so many bytes: writing more fails, or kills the process in the midst of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if and_die else signal.SIG_IGN)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--killed-before")
    parser.add_argument("--most-bytes", type=int)
    parser.add_argument("--and-die", action="store_true")
    parser.add_argument("--wait", action="store_true", help="until there is a line to be read")
    given = parser.parse_args()
    attempt = store.read_attempt(given.source)
    if given.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    if given.killed_before:
        kill_before(given.killed_before)
    if given.most_bytes is not None:
        limit_files(given.most_bytes, and_die=given.and_die)
    for number in range(given.first, given.last + 1):
        try:
            store.write_attempt(numbered(attempt, number), given.folder)
            print(number)
        except StoreError as error:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
