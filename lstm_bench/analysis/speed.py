"""How fast backends are: against each other, against what the machine can do, and how steadily they were timed."""

from __future__ import annotations

import statistics as stats
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True)
class Achieved:
    """How many operations a model computed.

    Attributes:
        flops_per_second: floating-point operations per second, those of matrix multiplies only.
        share: of the ceiling; ``None`` where that is not known. It is above 1 where the model's matrix multiplies are
            faster than the multiply of two large square matrices, as small ones that stay in a cache can be.
    """

    flops_per_second: float
    share: float | None


@dataclass(frozen=True)
class Bounds:
    """What limits the speed of a group.

    Attributes:
        flops_per_second: the ceiling, that of the fastest matrix multiply; ``None`` where there was none.
        floor_shares: by scope, the share of a step that a step of the smallest model takes.
    """

    flops_per_second: float | None
    floor_shares: Mapping[Scope, float]


@dataclass(frozen=True)
class BreakEven:
    """A group that starts later than others and whose steps are faster.

    Attributes:
        ours: that group.
        beside: each group that it overtakes and after how many training steps, the nearest in speed first.
    """

    ours: Group
    beside: tuple[tuple[Group, float], ...]


@dataclass(frozen=True)
class Stability:
    """How steady the timings of one scope of a group were.

    Attributes:
        group: that was timed.
        scope: that was timed.
        processes: how many were timed.
        unsteady: of these processes, how many were not flat, by what they were instead.
        blocks: in all processes together.
        outliers: blocks that are far from the others of their process.
    """

    group: Group
    scope: Scope
    processes: int
    unsteady: Counter[statistics.Steadiness]
    blocks: int
    outliers: int


def achieved(attempt: Attempt, scope: Scope, seconds_per_step: float | None = None) -> Achieved | None:
    """The operations per second of one attempt; ``None`` where it was not timed or the batch's shape is not known.

    Args:
        attempt: has the model, the batch's shape and the ceiling.
        scope: what was computed.
        seconds_per_step: of this scope, where a better estimate is known than this attempt's own median.
    """
    found = attempt.findings
    if seconds_per_step is None and scope in found.timings:
        seconds_per_step = found.timings[scope].seconds_per_step
    operations = attempt.operations(scope)
    if seconds_per_step is None or operations is None:
        return None
    speed = operations / seconds_per_step
    most = None if found.ceiling is None else found.ceiling.flops_per_second
    return Achieved(speed, None if most is None else speed / most)


def achieved_by(group: Group, scope: Scope) -> Achieved | None:
    """The operations per second of a group; ``None`` where it was not timed or the batch's shape is not known."""
    found = group.estimate(scope)
    shaped = next((a for a in group.trained if a.findings.batch_shape), None)
    return None if found is None or shaped is None else achieved(shaped, scope, found.value)


def bounds_of(group: Group) -> Bounds | None:
    """Ceiling and floor of a group; ``None`` where no ceiling was measured."""
    ceiling = next((a.findings.ceiling for a in group.trained if a.findings.ceiling is not None), None)
    if ceiling is None:
        return None
    shares = {
        scope: floor / found.value
        for scope, floor in ceiling.floor_seconds.items()
        if (found := group.estimate(scope)) is not None
    }
    return Bounds(ceiling.flops_per_second, shares)


def start_and_step(group: Group) -> tuple[float, float] | None:
    """Seconds until the end of the first training step, without the framework's import, and of each later step.

    Medians over the rounds; ``None`` if training was not timed.
    """
    found = group.estimate("train")
    starts = [
        phases["build"] + phases["first step"]
        for attempt in group.attempts
        if {"build", "first step"} <= (phases := attempt.findings.seconds).keys()
    ]
    return (stats.median(starts), found.value) if found is not None and starts else None


def break_evens(groups: Sequence[Group]) -> list[BreakEven]:
    """After how many training steps each group has overtaken others that start earlier; the fastest group first."""
    known = [(group, both) for group in groups if group.comparable and (both := start_and_step(group)) is not None]
    known.sort(key=lambda pair: pair[1][1])
    found = []
    for at, (ours, our_times) in enumerate(known):
        beside = tuple(
            (theirs, steps)
            for theirs, their_times in known[at + 1 :]
            if (steps := statistics.break_even(our_times, their_times))
        )
        if beside:
            found.append(BreakEven(ours, beside))
    return found


def stability_of(groups: Sequence[Group]) -> list[Stability]:
    """How steady the timings were: one record for each group and each scope that was timed."""
    found = []
    for group in groups:
        for scope in SCOPES:
            rounds = group.rounds(scope).values()
            if rounds:
                states = Counter(statistics.steadiness(blocks) for blocks in rounds)
                del states["flat"]
                blocks = sum(map(len, rounds))
                found.append(
                    Stability(group, scope, len(rounds), states, blocks, sum(map(statistics.outliers, rounds)))
                )
    return found
