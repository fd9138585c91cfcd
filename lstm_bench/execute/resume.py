"""What a run that broke off has done already, so that going on with it does only the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import lstm_bench
from lstm_bench.record.attempt import Attempt, Machine
from lstm_bench.record.configuration import Configuration

Installed = Callable[[str], str | None]
"""The version of a distribution, by its name; ``None`` if there is none of that name."""


@dataclass(frozen=True)
class Resumption:
    """What is left of an earlier run.

    Attributes:
        run: to go on with; ``""`` if there is none.
        done: its attempts that need not be made again, by the configuration's fingerprint and the round.
    """

    run: str
    done: dict[tuple[str, int], Attempt]


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, as its metadata say, without importing it."""
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # what a worker calls a version may be no name at all
        return None


def reusable(
    configurations: Sequence[Configuration],
    attempts: Iterable[Attempt],
    machine: Machine,
    installed: Installed = installed_version,
) -> Resumption:
    """The run to go on with, and what of it is done.

    An attempt need not be made again if it ended ``ok``, is of a planned configuration and one of its rounds, and comes
    from this machine, this lstm-bench and the framework's present version. What a worker names in its versions is
    compared where a distribution of that name is installed; the rest (a BLAS, cuDNN) only a worker can tell, and it is
    taken to be unchanged. One that was ``disturbed`` is made again.

    All attempts come from one run, since those of a configuration are pooled: the one that has the latest of them.

    Args:
        configurations: planned, each with as many rounds as its effort has.
        attempts: earlier ones, of any machine. Those before schema version 3 belong to no run.
        machine: this one.
        installed: tells versions.
    """
    rounds = {configuration.fingerprint: configuration.effort.rounds for configuration in configurations}
    installed = cache(installed)  # looking for one reads folders, and thousands of attempts name the same few

    def is_done(attempt: Attempt) -> bool:
        return (
            attempt.status == "ok"
            and attempt.run != ""
            and attempt.findings.machine == machine
            and attempt.lstm_bench == lstm_bench.__version__
            and attempt.round < rounds.get(attempt.configuration.fingerprint, 0)
            and (attempt.round > 0 or not attempt.times_only)
            and all(_is_present(version, installed(name)) for name, version in attempt.findings.versions.items())
        )

    found = sorted(filter(is_done, attempts), key=lambda attempt: attempt.id)
    run = found[-1].run if found else ""
    return Resumption(run, {(a.configuration.fingerprint, a.round): a for a in found if a.run == run})


def _is_present(version: str, installed: str | None) -> bool:
    """Whether a version is the installed one, as far as can be told.

    A local part, such as ``+cu128``, counts where both have one: PyTorch has it, and its wheel's metadata may not.
    """
    if installed is None or version == installed:
        return True
    public, _, local = version.partition("+")
    installed_public, _, installed_local = installed.partition("+")
    return public == installed_public and not (local and installed_local)
