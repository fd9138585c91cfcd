"""Groups of attempts that belong together: one row of a table, one side of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lstm_bench.analysis import statistics
from lstm_bench.model.axes import AXES
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import SOUND, WRONG, Attempt, Machine, Status
from lstm_bench.record.configuration import Configuration

Round = tuple[int, int]
"""A seed and the number of a round."""


@dataclass(frozen=True, eq=False)  # groups are keys of dicts, and attempts cannot be hashed
class Group:
    """Attempts of one run that differ only in seed and round.

    Attributes:
        attempts: in order of seeds, rounds and time.
    """

    attempts: tuple[Attempt, ...]

    @property
    def first(self) -> Attempt:
        """The first attempt, which stands for all in everything that they share."""
        return self.attempts[0]

    @property
    def trained(self) -> tuple[Attempt, ...]:
        """The attempts that trained as well as timed, one for each seed."""
        return tuple(attempt for attempt in self.attempts if not attempt.times_only)

    @cached_property
    def final(self) -> dict[Round, Attempt]:
        """The attempt that counts for each round: the last, since a disturbed attempt is repeated once."""
        return {(attempt.configuration.seed, attempt.round): attempt for attempt in self.attempts}

    @property
    def statuses(self) -> list[Status]:
        """The statuses of the attempts that count."""
        return [attempt.status for attempt in self.final.values()]

    @property
    def comparable(self) -> bool:
        """Whether the times can be compared with others': every round ended ``ok``."""
        return set(self.statuses) == {"ok"}

    def numbers(self, of: Callable[[Attempt], float | None]) -> list[float]:
        """A number of each attempt, without the attempts that do not have it."""
        return [value for attempt in self.attempts if (value := of(attempt)) is not None]

    def rounds(self, scope: Scope) -> Mapping[Round, Sequence[float]]:
        """Seconds per step of each block, by seed and round, of rounds that ended ``ok`` or ``disturbed`` twice.

        Empty if the backend was found wrong in any round.
        """
        return self._rounds[scope]

    def estimate(self, scope: Scope) -> statistics.IntervalEstimate | None:
        """Seconds per step; ``None`` if nothing was timed."""
        return self._estimates[scope]

    @cached_property
    def _rounds(self) -> dict[Scope, dict[Round, list[float]]]:
        if set(WRONG) & set(self.statuses):
            return {scope: {} for scope in SCOPES}
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
    """Group attempts that differ only in seed and round, in order of each group's first attempt."""
    groups: dict[tuple[object, ...], list[Attempt]] = {}
    for attempt in attempts:
        alike = (
            attempt.row,
            attempt.run,
            next(iter(attempt.findings.versions.items()), None) if attempt.findings.versions else None,
        )
        again = 0  # attempts of old versions have no run: there, a repeated seed begins another group
        while not attempt.run and any(
            a.configuration.seed == attempt.configuration.seed for a in groups.get((*alike, again), [])
        ):
            again += 1
        groups.setdefault((*alike, again), []).append(attempt)
    return [
        Group(tuple(sorted(found, key=lambda a: (a.configuration.seed, a.round, a.id)))) for found in groups.values()
    ]


def ratio(ours: Group, theirs: Group, scope: Scope) -> statistics.IntervalEstimate | None:
    """Our time per step divided by theirs; ``None`` if one of the groups was not timed."""
    our_rounds, their_rounds = ours.rounds(scope), theirs.rounds(scope)
    if not (our_rounds and their_rounds):
        return None
    return statistics.ratio(our_rounds, their_rounds, paired=of_one_run(ours, theirs))


def by_speed(groups: Sequence[Group], scope: Scope) -> list[Group]:
    """The groups whose times of a scope can be compared, the fastest first."""
    timed = [(found.value, each) for each in groups if each.comparable and (found := each.estimate(scope)) is not None]
    return [group for _, group in sorted(timed, key=lambda pair: pair[0])]


def fastest(groups: Sequence[Group], scope: Scope) -> Group | None:
    """The group that is shown to be faster than each other comparable group; ``None`` if there is no such group.

    The number of comparisons needs no correction, since all of them must succeed at once (an intersection-union
    test: Berger 1982). The worst case is two equal groups that are far ahead of all others: then a group is wrongly
    called fastest in 5 % of cases, or fewer, since the verdict also asks for a margin.

    Args:
        groups: that compute the same on the same machine.
        scope: whose times are compared.
    """
    timed = by_speed(groups, scope)
    if len(timed) < 2:
        return None
    best, *others = timed
    rivals = (ratio(best, other, scope) for other in others)
    return best if all(found is not None and statistics.verdict(found) == "faster" for found in rivals) else None


def of_one_run(ours: Group, theirs: Group) -> bool:
    """Whether both groups are of the same run, so that rounds of the same number ran beside each other."""
    return bool(ours.first.run) and ours.first.run == theirs.first.run


def settings(configuration: Configuration) -> dict[str, str]:
    """The values that a sweep can vary, by their names in a table, without backend, device, precision and seed."""
    axes = {name.replace("-", " "): axis.read(configuration.recipe) for name, axis in AXES.items()}
    # An option with the name of an axis is empty where the recipe decides, so the axis' value overrides it.
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
    """The names of the GPUs that computed, by machine, in the order of the groups; an unknown machine is ``None``."""
    gpus: dict[Machine | None, list[str]] = {}
    for configuration, found in ((group.first.configuration, group.first.findings) for group in groups):
        names = gpus.setdefault(found.machine, [])
        if configuration.device != "cpu" and found.device_name and found.device_name not in names:
            names.append(found.device_name)
    return gpus
