"""Resume a run: find the attempts of an earlier run that need not be made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from lstm_bench.record.attempt import Attempt, Machine
from lstm_bench.record.configuration import Configuration
from lstm_bench.version import __version__

Installed = Callable[[str], str | None]
"""Gives the version of a distribution by its name; ``None`` if it is not installed."""


@dataclass(frozen=True)
class Resumption:
    """The usable part of an earlier run.

    Attributes:
        run: id of the run to continue; ``""`` if there is none.
        done: its attempts that need not be made again, by the configuration's fingerprint and the round.
    """

    run: str
    done: dict[tuple[str, int], Attempt]


def installed_version(name: str) -> str | None:
    """Read the version of an installed distribution from its metadata, without importing it."""
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # a worker may name anything
        return None


def reusable(
    configurations: Sequence[Configuration],
    attempts: Iterable[Attempt],
    machine: Machine,
    installed: Installed = installed_version,
) -> Resumption:
    """Find the run to continue, and its attempts that need not be made again.

    Such an attempt ended ``ok``, belongs to a planned configuration and to one of its rounds, and comes from this
    machine, this lstm-bench and the installed version of the framework. Versions are compared for the distributions
    that are installed. Only a worker can tell the others (a BLAS, cuDNN); they are taken to be unchanged. A
    ``disturbed`` attempt is made again.

    All attempts come from one run, since the attempts of a configuration are pooled. It is the run with the latest
    usable attempt.

    Args:
        configurations: the planned configurations, each with the rounds of its effort.
        attempts: earlier attempts, of any machine. Those before schema version 3 belong to no run.
        machine: this machine.
        installed: gives the installed versions.
    """
    rounds = {configuration.fingerprint: configuration.effort.rounds for configuration in configurations}
    installed = cache(installed)  # each look-up reads folders, and attempts name the same few

    def is_done(attempt: Attempt) -> bool:
        return (
            attempt.status == "ok"
            and attempt.run != ""
            and attempt.findings.machine == machine
            and attempt.lstm_bench == __version__
            and attempt.round < rounds.get(attempt.configuration.fingerprint, 0)
            and (attempt.round > 0 or not attempt.times_only)
            and all(_is_present(version, installed(name)) for name, version in attempt.findings.versions.items())
        )

    found = sorted(filter(is_done, attempts), key=lambda attempt: attempt.id)
    run = found[-1].run if found else ""
    return Resumption(run, {(a.configuration.fingerprint, a.round): a for a in found if a.run == run})


def _is_present(version: str, installed: str | None) -> bool:
    """Whether a version equals the installed one, or nothing is installed to compare it with.

    A local part, such as ``+cu128``, counts only if both have one: PyTorch has it, and its wheel's metadata may not.
    """
    if installed is None or version == installed:
        return True
    public, _, local = version.partition("+")
    installed_public, _, installed_local = installed.partition("+")
    return public == installed_public and not (local and installed_local)
