"""Looking after processes that are to come and go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

COMMAND = Path(sys.executable).with_name("lstm-bench")


def gone(pid):
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def soon(condition):
    """Whether something comes true that can only be looked for."""
    give_up = monotonic() + 10
    while not condition() and monotonic() < give_up:
        sleep(0.01)
    return condition()


@contextmanager
def started(*arguments):
    """The command while it runs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, which a child would inherit
    try:
        child = subprocess.Popen(
            [COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def read_only(folder):
    """A folder in which nothing can be written, even by root; what a command has to begin with for that to hold."""
    prefix = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to take that away")
        prefix = ["setpriv", "--bounding-set=-dac_override", "--"]
    folder.chmod(0o555)
    try:
        yield prefix
    finally:
        folder.chmod(0o755)
