"""What is said of speed beneath a table: which backend is fastest where that is shown, and whether times were sound."""

from __future__ import annotations

import statistics as stats
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, fastest, ratio
from lstm_bench.analysis.speed import Achieved, achieved
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.reports.numbers import compact, percent

T = TypeVar("T")

NAMED = 6
"""Of more others than so many, the nearest are named and the rest told together; of more models, all are."""

Model = tuple[str, Sequence[Group]]
"""Groups that compute the same, each with another backend, device or precision, and what that is called."""


def compared(name: str, models: Sequence[Model]) -> list[str]:
    """The fastest backend of each scope beside each other one, and when it has made up for a slower start.

    Args:
        name: of the task and its recipe.
        models: of it.
    """
    several = [model for model in models if len(model[1]) > 1]
    if len(several) > NAMED:
        return [*_fastest_of_many(name, several), *_break_even_of_many(name, several)]
    notes = []
    for model, groups in several:
        for scope in SCOPES:
            timed = [(found.value, group) for group in groups if (found := group.estimate(scope)) is not None]
            if len(timed) > 1:
                timed.sort(key=lambda pair: pair[0])
                notes.append(f"{model}: {scope}: {_fastest([group for _, group in timed], scope)}")
        if late := _break_even(groups):
            notes.append(f"{model}: {MADE_UP_FOR}: {'; '.join(late)}")
    return notes


MADE_UP_FOR = "first step and all before it made up for, in training steps"


def _fastest(groups: Sequence[Group], scope: Scope) -> str:
    """``jax takes 0.49 (0.48 .. 0.51) of numpy's time; no difference from keras shown (0.97 .. 1.02)``.

    Args:
        groups: the fastest first.
        scope: in which they are.
    """
    best, others = groups[0], groups[1:]
    near, far = _nearest(others)
    takes, equals = [], []
    for other in near:
        found, name = _ratio(best, other, scope), label(other, groups)
        match statistics.verdict(found):
            case "not judged":
                takes.append(f"{found.value:.2f} of {name}'s time")
            case "no difference shown":
                equals.append(f"no difference from {name} shown ({_interval(found)})")
            case _:
                takes.append(f"{found.value:.2f} ({_interval(found)}) of {name}'s time")
    ratios = [_ratio(best, other, scope) for other in far]
    slower = [found.value for found in ratios if statistics.verdict(found) != "no difference shown"]
    if slower:
        takes.append(f"{_reach(slower, '{:.2f}'.format)} of {_others(len(slower), 'time')}")
    if len(slower) < len(ratios):
        equals.append(f"no difference from {_others(len(ratios) - len(slower))} shown")
    told = (f" takes {', '.join(takes)}" + ("; " if equals else "")) if takes else ": "
    told += "; ".join(equals)
    judged = all(len(group.rounds(scope)) > 1 for group in groups)
    return label(best, groups) + told + ("" if judged else " (one round, which shows nothing for sure)")


def _nearest(others: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Those that are named, and those that are told together."""
    named = len(others) if len(others) <= NAMED else NAMED // 2
    return others[:named], others[named:]


def _ratio(ours: Group, theirs: Group, scope: Scope) -> statistics.Estimate:
    found = ratio(ours, theirs, scope)
    assert found is not None, "both were timed"
    return found


def _interval(found: statistics.Estimate) -> str:
    return f"{found.low:.2f} .. {found.high:.2f}"


def _reach(values: Iterable[float], form: Callable[[float], str]) -> str:
    """``1.4 to 3.2``, or one number where they are all shown alike."""
    values = list(values)
    least, most = form(min(values)), form(max(values))
    return least if least == most else f"{least} to {most}"


def _others(count: int, what: str = "") -> str:
    """``7 others``, or ``the times of 7 others``."""
    if count == 1:
        return f"another one's {what}" if what else "another one"
    return f"the {what}s of {count} others" if what else f"{count} others"


def _fastest_of_many(name: str, models: Sequence[Model]) -> list[str]:
    """``train: shown to be fastest: jax in 7 of 10 settings, torch in 1, none in 2``, for each scope."""
    notes = []
    for scope in SCOPES:
        timed = [groups for _, groups in models if sum(bool(group.rounds(scope)) for group in groups) > 1]
        if not timed:
            continue
        found = [(best, groups) for groups in timed if (best := fastest(groups, scope)) is not None]
        counts = Counter(label(best, groups) for best, groups in found).most_common()
        if not found:
            notes.append(f"{name}: {scope}: none is shown to be fastest in any of {len(timed)} settings")
            continue
        told = [(who, count) for who, count in counts[:NAMED]]
        if len(counts) > NAMED:
            told.append((_others(len(counts) - NAMED), sum(count for _, count in counts[NAMED:])))
        if len(found) < len(timed):
            told.append(("none", len(timed) - len(found)))
        (first, count), *rest = told
        words = [f"{first} in {count} of {len(timed)} settings", *(f"{who} in {count}" for who, count in rest)]
        notes.append(f"{name}: {scope}: shown to be fastest: {', '.join(words)}")
    return notes


def label(group: Group, among: Sequence[Group]) -> str:
    """The backend, and where that is not all that differs, device and precision."""
    configuration = group.first.configuration
    places = {(other.first.configuration.device, other.first.configuration.precision) for other in among}
    return configuration.backend_selector + (
        f" ({configuration.device}, {configuration.precision})" if len(places) > 1 else ""
    )


def work(group: Group, scope: Scope) -> Achieved | None:
    """What is computed in a second; ``None`` where it was not timed or the batch's shape is not known."""
    found = group.estimate(scope)
    told = next((a for a in group.trained if a.findings.batch_shape), None)
    return None if found is None or told is None else achieved(told, scope, found.value)


def bounds(name: str, models: Sequence[Model]) -> list[str]:
    """The ceiling of each backend, and how much of a step is the floor: for each model, or their range over many.

    Args:
        name: of the task and its recipe.
        models: of it.
    """
    if len(models) > NAMED:
        by_label: dict[str, list[_Bounds]] = {}
        for _, groups in models:
            for who, found in _bounds(groups):
                by_label.setdefault(who, []).append(found)
        told = [f"{who} {text}" for who, found in by_label.items() if (text := _bounds_in_words(found))]
        return [f"{name}: ceiling, over {len(models)} settings: {'; '.join(_few(told))}"] if told else []
    notes = []
    for model, groups in models:
        told = [f"{who} {text}" for who, found in _bounds(groups) if (text := _bounds_in_words([found]))]
        if told:
            notes.append(f"{model}: ceiling: {'; '.join(_few(told))}")
    return notes


_Bounds = tuple[float | None, dict[Scope, float]]
"""The ceiling in operations per second, and the share of a step that is floor."""


def _bounds(groups: Sequence[Group]) -> list[tuple[str, _Bounds]]:
    told = []
    for group in groups:
        ceiling = next((a.findings.ceiling for a in group.trained if a.findings.ceiling is not None), None)
        if ceiling is not None:
            shares = {
                scope: floor / found.value
                for scope, floor in ceiling.floor_seconds.items()
                if (found := group.estimate(scope)) is not None
            }
            told.append((label(group, groups), (ceiling.flops_per_second, shares)))
    return told


def _bounds_in_words(found: Sequence[_Bounds]) -> str:
    """``2 GFLOP/s, floor train 10%``."""
    speeds = [speed for speed, _ in found if speed is not None]
    words = [f"{_reach([speed / 1e9 for speed in speeds], compact)} GFLOP/s"] if speeds else []
    shares = [
        f"{scope} {_reach(values, percent)}"
        for scope in SCOPES
        if (values := [shares[scope] for _, shares in found if scope in shares])
    ]
    return ", ".join(words + ([f"floor {', '.join(shares)}"] if shares else []))


def _few(told: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are."""
    if len(told) <= NAMED:
        return list(told)
    return [*told[: NAMED // 2], f"and {len(told) - NAMED // 2} more"]


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


def _catching_up(groups: Sequence[Group]) -> list[tuple[Group, list[tuple[Group, float]]]]:
    """Who starts later and steps faster than others: beside each, nearest in speed first, after how many steps.

    The fastest comes first.
    """
    known = [(group, both) for group in groups if (both := start_and_step(group)) is not None]
    known.sort(key=lambda pair: pair[1][1])
    found = []
    for at, (ours, our_times) in enumerate(known):
        beside = [
            (theirs, steps)
            for theirs, their_times in known[at + 1 :]
            if (steps := statistics.break_even(our_times, their_times))
        ]
        if beside:
            found.append((ours, beside))
    return found


def _break_even(groups: Sequence[Group]) -> list[str]:
    """For each backend that starts later and steps faster than another, after how many steps it is ahead."""
    told = []
    for ours, beside in _catching_up(groups):
        near, far = _nearest(beside)
        words = [f"{_steps(steps)} beside {label(theirs, groups)}" for theirs, steps in near]
        if far:
            words.append(f"{_reach([steps for _, steps in far], _steps)} beside {_others(len(far))}")
        told.append(f"{label(ours, groups)} {', '.join(words)}")
    return _few(told)


def _break_even_of_many(name: str, models: Sequence[Model]) -> list[str]:
    """For each pair of backends the range over the models in which the first is ahead after some steps."""
    found: dict[tuple[str, str], list[float]] = {}
    for _, groups in models:
        for ours, beside in _catching_up(groups):
            for theirs, steps in beside:
                found.setdefault((label(ours, groups), label(theirs, groups)), []).append(steps)
    told = [
        f"{ours} {_reach(steps, _steps)} beside {theirs} (in {len(steps)} of {len(models)} settings)"
        for (ours, theirs), steps in sorted(found.items(), key=lambda pair: -len(pair[1]))
    ]
    return [f"{name}: {MADE_UP_FOR}: {'; '.join(_few(told))}"] if told else []


def _steps(steps: float) -> str:
    return f"{float(f'{steps:.2g}'):,.0f}"


def soundness(groups: Sequence[Group]) -> list[str]:
    """Processes that had not come to rest while they were timed, and blocks that are far from the others."""
    restless: list[tuple[float, str, Counter[str]]] = []
    processes, far, blocks_in_all = 0, 0, 0
    for group in groups:
        for scope in SCOPES:
            rounds = group.rounds(scope)
            processes += len(rounds)
            blocks_in_all += sum(len(blocks) for blocks in rounds.values())
            kinds: Counter[str] = Counter()
            for blocks in rounds.values():
                far += statistics.outliers(blocks)
                if (found := statistics.steadiness(blocks)) != "flat":
                    kinds[found] += 1
            if kinds:
                text = f"{group.first.configuration.name}: {scope}: of {len(rounds)} processes {_kinds(kinds)}"
                restless.append((kinds.total() / len(rounds), text, kinds))
    notes = [f"{text} while timed" for _, text, _ in restless]
    if len(restless) > NAMED:
        worst = sorted(restless, key=lambda one: -one[0])[: NAMED // 2]
        every = sum((kinds for _, _, kinds in restless), Counter[str]())
        notes = [
            f"steadiness: of {processes:,} processes {_kinds(every)} while timed, in {len(restless)} rows and scopes; "
            f"most of them in {'; '.join(text for _, text, _ in worst)}"
        ]
    if processes and not notes:
        notes.append("steadiness: every process was flat while it was timed")
    if far:
        notes.append(
            f"outliers: {far} of {blocks_in_all:,} blocks are far from the others of their process, none left out"
        )
    return notes


def _kinds(kinds: Counter[str]) -> str:
    """``12 slowing, 1 warming``."""
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
