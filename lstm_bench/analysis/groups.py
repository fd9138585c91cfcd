"""Attempts that belong together: one row of a table, one side of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lstm_bench.analysis import statistics
from lstm_bench.model.axes import AXES
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import SOUND, Attempt, Machine, Status
from lstm_bench.record.configuration import Configuration

Round = tuple[int, int]
"""A seed, and a round of it."""


@dataclass(frozen=True, eq=False)  # so that it is a key, though its attempts, which hold dicts, are none
class Group:
    """Attempts of one run that differ in seed and round alone.

    Attributes:
        attempts: in order of seeds, rounds and time.
    """

    attempts: tuple[Attempt, ...]

    @property
    def first(self) -> Attempt:
        """Speaks for all of them, where they are alike."""
        return self.attempts[0]

    @property
    def trained(self) -> tuple[Attempt, ...]:
        """Those that do all there is to do, one for each seed."""
        return tuple(attempt for attempt in self.attempts if not attempt.times_only)

    @cached_property
    def final(self) -> dict[Round, Attempt]:
        """What counts of each round: the last attempt, which is the second if the first was disturbed."""
        return {(attempt.configuration.seed, attempt.round): attempt for attempt in self.attempts}

    @property
    def statuses(self) -> list[Status]:
        """Of what counts."""
        return [attempt.status for attempt in self.final.values()]

    def numbers(self, of: Callable[[Attempt], float | None]) -> list[float]:
        """A number of each attempt that has it."""
        return [value for attempt in self.attempts if (value := of(attempt)) is not None]

    def rounds(self, scope: Scope) -> Mapping[Round, Sequence[float]]:
        """Seconds per step of each block, by seed and round; of what ended ``ok``, or ``disturbed`` twice."""
        return self._rounds[scope]

    def estimate(self, scope: Scope) -> statistics.IntervalEstimate | None:
        """Seconds per step; ``None`` if nothing was timed."""
        return self._estimates[scope]

    @cached_property
    def _rounds(self) -> dict[Scope, dict[Round, list[float]]]:
        return {
            scope: {
                name: [block / timing.steps_per_block / 1e9 for block in timing.block_ns]
                for name, attempt in self.final.items()
                if attempt.status in SOUND and (timing := attempt.findings.timings.get(scope)) is not None
            }
            for scope in SCOPES
        }

    @cached_property
    def _estimates(self) -> dict[Scope, statistics.IntervalEstimate | None]:
        return {scope: statistics.estimate(rounds) if rounds else None for scope, rounds in self._rounds.items()}


def group_attempts(attempts: Sequence[Attempt]) -> list[Group]:
    """The attempts that differ in seed and round alone together, in order of the first of each."""
    groups: dict[tuple[object, ...], list[Attempt]] = {}
    for attempt in attempts:
        alike = (
            attempt.row,
            attempt.run,
            next(iter(attempt.findings.versions.items()), None) if attempt.findings.versions else None,
        )
        again = 0  # before there were runs, a seed that was there already began another row
        while not attempt.run and any(
            a.configuration.seed == attempt.configuration.seed for a in groups.get((*alike, again), [])
        ):
            again += 1
        groups.setdefault((*alike, again), []).append(attempt)
    return [
        Group(tuple(sorted(found, key=lambda a: (a.configuration.seed, a.round, a.id)))) for found in groups.values()
    ]


def ratio(ours: Group, theirs: Group, scope: Scope) -> statistics.IntervalEstimate | None:
    """How many times as long a step of ours takes as one of theirs; ``None`` if one of them was not timed."""
    our_rounds, their_rounds = ours.rounds(scope), theirs.rounds(scope)
    if not (our_rounds and their_rounds):
        return None
    return statistics.ratio(our_rounds, their_rounds, paired=of_one_run(ours, theirs))


def fastest(groups: Sequence[Group], scope: Scope) -> Group | None:
    """The one whose steps are shown to be faster than those of each other that was timed; ``None`` if none is.

    Nothing is corrected for their number: one that is not the fastest is called so only if it is shown to be faster
    than the one that is, and than all others as well (an intersection-union test: Berger 1982). That is wrong most
    often where two are equal and no other is near: in 5 % of cases, were it not for the verdict's margin.

    Args:
        groups: that compute the same on the same machine.
        scope: in which they are compared.
    """
    timed = [(found.value, group) for group in groups if (found := group.estimate(scope)) is not None]
    if len(timed) < 2:
        return None
    best = min(timed, key=lambda pair: pair[0])[1]
    rivals = (ratio(best, other, scope) for _, other in timed if other is not best)
    return best if all(found is not None and statistics.verdict(found) == "faster" for found in rivals) else None


def of_one_run(ours: Group, theirs: Group) -> bool:
    """Whether rounds of the same name ran beside each other."""
    return bool(ours.first.run) and ours.first.run == theirs.first.run


def settings(configuration: Configuration) -> dict[str, str]:
    """What a sweep may vary in a configuration, by its name in a table; not backend, device, precision and seed."""
    axes = {name.replace("-", " "): axis.read(configuration.recipe) for name, axis in AXES.items()}
    # An option that is an axis, too, is empty where the recipe says what it is.
    return {
        **configuration.task_options,
        **axes,
        "threads": str(configuration.threads),
        "effort": configuration.effort.name,
    }


def varied(groups: Sequence[Group]) -> list[str]:
    """The settings that differ between groups, in the order of a table's columns."""
    every = [settings(group.first.configuration) for group in groups]
    names = dict.fromkeys(name for one in every for name in one)
    return [name for name in names if len({one.get(name) for one in every}) > 1]


def gpus_of_machines(groups: Sequence[Group]) -> dict[Machine | None, list[str]]:
    """The names of the GPUs that computed, by machine, both in the order of the groups; ``None`` is an unknown one."""
    gpus: dict[Machine | None, list[str]] = {}
    for configuration, found in ((group.first.configuration, group.first.findings) for group in groups):
        names = gpus.setdefault(found.machine, [])
        if configuration.device != "cpu" and found.device_name and found.device_name not in names:
            names.append(found.device_name)
    return gpus
