"""The course of a run: take turns, drop configurations that failed, and repeat disturbed attempts once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lstm_bench.execute.rounds import Turn, schedule
from lstm_bench.record.attempt import SOUND, Attempt
from lstm_bench.record.configuration import Configuration

Key = tuple[str, int]
"""A configuration's fingerprint and a round: the name of a turn."""


class Runner(Protocol):
    """Runs one worker from its start to its end."""

    def __call__(self, number: int, total: int, turn: Turn, *, times_only: bool) -> Attempt:
        """Run turn ``number`` of ``total``. Returns the attempt, however it ended."""


def carry_out(
    configurations: Sequence[Configuration],
    seed: int,
    run: Runner,
    done: Mapping[Key, Attempt],
    keep: Callable[[Attempt], None],
) -> None:
    """Take every turn of a run.

    A configuration whose attempt fails has no more rounds. A disturbed attempt is timed once more in the same round;
    both attempts are kept.

    Args:
        configurations: the configurations of the run.
        seed: decides the order within each round.
        run: runs one worker.
        done: earlier attempts, by the turns that need not be run.
        keep: called with every attempt as soon as it has ended, and with those of ``done`` when their turn comes.
    """
    turns = schedule(configurations, seed)
    failed: set[str] = set()
    for number, turn in enumerate(turns, 1):
        fingerprint = turn.configuration.fingerprint
        if fingerprint in failed:
            continue
        if (earlier := done.get((fingerprint, turn.round))) is not None:
            keep(earlier)
            continue
        attempt = run(number, len(turns), turn, times_only=turn.times_only)
        keep(attempt)
        if attempt.status == "disturbed":
            attempt = run(number, len(turns), turn, times_only=True)
            keep(attempt)
        if attempt.status not in SOUND:
            failed.add(fingerprint)
