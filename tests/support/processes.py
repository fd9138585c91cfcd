"""Looking after processes that are to come and go."""

from __future__ import annotations

from time import monotonic, sleep

import psutil


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
