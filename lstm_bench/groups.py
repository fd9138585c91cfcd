"""Attempts that belong together: one row of a table, one side of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from lstm_bench import statistics
from lstm_bench.grid import AXES
from lstm_bench.result import SOUND, Attempt, Cell, Status
from lstm_bench.spec import Scope

Round = tuple[int, int]
"""A seed, and a round of it."""


@dataclass(frozen=True)
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
        return {(attempt.cell.seed, attempt.round): attempt for attempt in self.attempts}

    @property
    def statuses(self) -> list[Status]:
        """Of what counts."""
        return [attempt.status for attempt in self.final.values()]

    def numbers(self, of: Callable[[Attempt], float | None]) -> list[float]:
        """A number of each attempt that has it."""
        return [value for attempt in self.attempts if (value := of(attempt)) is not None]

    def rounds(self, scope: Scope) -> dict[Round, list[float]]:
        """Seconds per step of each block, by seed and round; of what ended ``ok``, or ``disturbed`` twice."""
        return {
            name: [block / timing.steps_per_block / 1e9 for block in timing.block_ns]
            for name, attempt in self.final.items()
            if attempt.status in SOUND and (timing := attempt.findings.timings.get(scope)) is not None
        }

    def estimate(self, scope: Scope) -> statistics.Estimate | None:
        """Seconds per step; ``None`` if nothing was timed."""
        rounds = self.rounds(scope)
        return statistics.estimate(rounds) if rounds else None


def group_attempts(attempts: Sequence[Attempt]) -> list[Group]:
    """The attempts that differ in seed and round alone together, in order of the first of each."""
    groups: dict[tuple[object, ...], list[Attempt]] = {}
    for attempt in attempts:
        alike = (
            msgspec.structs.replace(attempt.cell, seed=0).fingerprint, attempt.findings.machine, attempt.run,
            next(iter(attempt.findings.versions.items()), None) if attempt.findings.versions else None,
        )  # fmt: skip
        again = 0  # before there were runs, a seed that was there already began another row
        while not attempt.run and any(a.cell.seed == attempt.cell.seed for a in groups.get((*alike, again), [])):
            again += 1
        groups.setdefault((*alike, again), []).append(attempt)
    return [Group(tuple(sorted(found, key=lambda a: (a.cell.seed, a.round, a.id)))) for found in groups.values()]


def ratio(ours: Group, theirs: Group, scope: Scope) -> statistics.Estimate | None:
    """How many times as long a step of ours takes as one of theirs; ``None`` if one of them was not timed."""
    our_rounds, their_rounds = ours.rounds(scope), theirs.rounds(scope)
    if not (our_rounds and their_rounds):
        return None
    return statistics.ratio(our_rounds, their_rounds, paired=of_one_run(ours, theirs))


def of_one_run(ours: Group, theirs: Group) -> bool:
    """Whether rounds of the same name ran beside each other."""
    return bool(ours.first.run) and ours.first.run == theirs.first.run


def settings(cell: Cell) -> dict[str, str]:
    """Everything of a cell that a grid may vary, but backend, device, precision and seed, by its name in a table."""
    axes = {name.replace("-", " "): axis.read(cell.recipe) for name, axis in AXES.items()}
    # An option that is an axis, too, is empty where the recipe says what it is.
    return {**cell.task_options, **axes, "threads": str(cell.threads), "effort": cell.effort.name}
