"""What is said of speed beneath a table: which backend is fastest where that is shown, and whether times were sound."""

from __future__ import annotations

import statistics as stats
from collections.abc import Sequence

from lstm_bench import statistics
from lstm_bench.ceiling import achieved
from lstm_bench.groups import Group, ratio
from lstm_bench.spec import SCOPES, Scope

NO_BREAK = "\u00a0"
"""Between a number and its unit."""


def percent(share: float) -> str:
    """A share with two significant digits: ``1.2%``."""
    return f"{float(f'{100 * share:.2g}'):g}%"


def compared(name: str, groups: Sequence[Group]) -> list[str]:
    """The fastest backend of each scope beside each other one, and when it has made up for a slower start.

    Args:
        name: of what all of them compute.
        groups: the same model on the same data, each with another backend, device or precision.
    """
    notes = []
    for scope in SCOPES:
        timed = [(found.value, group) for group in groups if (found := group.estimate(scope)) is not None]
        if len(timed) > 1:
            timed.sort(key=lambda pair: pair[0])
            notes.append(f"{name}: {scope}: {_fastest([group for _, group in timed], scope)}")
    if late := _break_even(groups):
        notes.append(f"{name}: first step and all before it made up for, in training steps: {'; '.join(late)}")
    return notes


def _fastest(groups: Sequence[Group], scope: Scope) -> str:
    """``jax takes 0.49 (0.48 .. 0.51) of numpy's time; no difference from keras shown (0.97 .. 1.02)``."""
    best, others = groups[0], groups[1:]
    takes, equals = [], []
    for other in others:
        found, name = ratio(best, other, scope), label(other, groups)
        assert found is not None
        match statistics.verdict(found):
            case "not judged":
                takes.append(f"{found.value:.2f} of {name}'s time")
            case "no difference shown":
                equals.append(f"no difference from {name} shown ({_interval(found)})")
            case _:
                takes.append(f"{found.value:.2f} ({_interval(found)}) of {name}'s time")
    told = (f" takes {', '.join(takes)}" + ("; " if equals else "")) if takes else ": "
    told += "; ".join(equals)
    judged = all(len(group.rounds(scope)) > 1 for group in groups)
    return label(best, groups) + told + ("" if judged else " (one round, which shows nothing for sure)")


def _interval(found: statistics.Estimate) -> str:
    return f"{found.low:.2f} .. {found.high:.2f}"


def label(group: Group, among: Sequence[Group]) -> str:
    """The backend, and where that is not all that differs, device and precision."""
    cell = group.first.cell
    places = {(other.first.cell.device, other.first.cell.precision) for other in among}
    return cell.backend_selector + (f" ({cell.device}, {cell.precision})" if len(places) > 1 else "")


def gigaflops(group: Group, scope: Scope) -> str:
    """What is computed in a second, with the share of the ceiling where that is known; empty if neither is."""
    found = group.estimate(scope)
    told = next((a for a in group.trained if a.findings.batch_shape), None)
    if found is None or told is None or (done := achieved(told, scope, found.value)) is None:
        return ""
    text = f"{done.flops_per_second / 1e9:.3g}"
    return text if done.share is None else f"{text} ({percent(done.share)})"


def bounds(name: str, groups: Sequence[Group]) -> list[str]:
    """The ceiling of each backend, and how much of a step is the floor.

    Args:
        name: of what all of them compute.
        groups: the same model on the same data.
    """
    told = []
    for group in groups:
        ceiling = next((a.findings.ceiling for a in group.trained if a.findings.ceiling is not None), None)
        if ceiling is None:
            continue
        shares = [
            f"{scope} {percent(floor / found.value)}"
            for scope, floor in ceiling.floor_seconds.items()
            if (found := group.estimate(scope)) is not None
        ]
        most = ceiling.flops_per_second
        words = [f"{most / 1e9:.3g} GFLOP/s"] if most is not None else []
        words += [f"floor {', '.join(shares)}"] if shares else []
        if words:
            told.append(f"{label(group, groups)} {', '.join(words)}")
    return [f"{name}: ceiling: {'; '.join(told)}"] if told else []


def start_and_step(group: Group) -> tuple[float, float] | None:
    """Seconds until the first training step is done, the framework's import left out, and of each step after it.

    Medians over the rounds; ``None`` if training was not timed.
    """
    found = group.estimate("train")
    starts = [
        phases["build"] + phases["first step"]
        for attempt in group.attempts
        if {"build", "first step"} <= (phases := attempt.findings.seconds).keys()
    ]
    return (stats.median(starts), found.value) if found is not None and starts else None


def _break_even(groups: Sequence[Group]) -> list[str]:
    """For each backend that starts later and steps faster than another, after how many steps it is ahead."""
    known = [(group, both) for group in groups if (both := start_and_step(group)) is not None]
    told = []
    for ours, our_times in known:
        ahead = [
            f"{_steps(steps)} beside {label(theirs, groups)}"
            for theirs, their_times in known
            if theirs is not ours and (steps := statistics.break_even(our_times, their_times))
        ]
        if ahead:
            told.append(f"{label(ours, groups)} {', '.join(ahead)}")
    return told


def _steps(steps: float) -> str:
    return f"{float(f'{steps:.2g}'):,.0f}"


def soundness(groups: Sequence[Group]) -> list[str]:
    """Processes that had not come to rest while they were timed, and blocks that are far from the others."""
    notes, processes, far, blocks_in_all = [], 0, 0, 0
    for group in groups:
        for scope in SCOPES:
            rounds = group.rounds(scope)
            processes += len(rounds)
            restless = [found for blocks in rounds.values() if (found := statistics.steadiness(blocks)) != "flat"]
            far += sum(statistics.outliers(blocks) for blocks in rounds.values())
            blocks_in_all += sum(len(blocks) for blocks in rounds.values())
            if restless:
                kinds = ", ".join(f"{restless.count(kind)} {kind}" for kind in dict.fromkeys(restless))
                notes.append(f"{group.first.cell.name}: {scope}: of {len(rounds)} processes {kinds} while timed")
    if processes and not notes:
        notes.append("steadiness: every process was flat while it was timed")
    if far:
        notes.append(
            f"outliers: {far} of {blocks_in_all:,} blocks are far from the others of their process, none left out"
        )
    return notes
