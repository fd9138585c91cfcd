"""The notes about speed beneath a table: which backend is fastest, what bounds it, and whether timings were stable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, fastest, ratio
from lstm_bench.analysis.speed import Bounds, bounds_of, break_evens, by_speed, stability_of
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.reports.models import SameModel
from lstm_bench.reports.numbers import compact, percent, rounded_steps

T = TypeVar("T")

NAMED = 6
"""How many others, or models, are named one by one. Of more others only the nearest are named; more models are
summarised."""


def compared(name: str, models: Sequence[SameModel]) -> list[str]:
    """Compare the fastest backend of each scope with each other backend, and tell when slow starts are paid back.

    Args:
        name: of the task and its recipe.
        models: of that recipe.
    """
    several = [model for model in models if len(model.groups) > 1]
    if len(several) > NAMED:
        return [*_fastest_of_many(name, several), *_break_even_of_many(name, several)]
    notes = []
    for model in several:
        for scope in SCOPES:
            timed = by_speed(model.groups, scope)
            if len(timed) > 1:
                notes.append(f"{model.name}: {scope}: {_fastest(timed, scope)}")
        if late := _break_even(model.groups):
            notes.append(f"{model.name}: {MADE_UP_FOR}: {'; '.join(late)}")
    return notes


MADE_UP_FOR = "first step and all before it made up for, in training steps"


def _fastest(groups: Sequence[Group], scope: Scope) -> str:
    """``jax takes 0.49 (0.48 .. 0.51) of numpy's time; no difference from keras shown (0.97 .. 1.02)``.

    Args:
        groups: timed in this scope, the fastest first.
        scope: what is compared.
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
    """The others that are named, and those that are summarised."""
    named = len(others) if len(others) <= NAMED else NAMED // 2
    return others[:named], others[named:]


def _ratio(ours: Group, theirs: Group, scope: Scope) -> statistics.IntervalEstimate:
    found = ratio(ours, theirs, scope)
    assert found is not None, "both were timed"
    return found


def _interval(found: statistics.IntervalEstimate) -> str:
    return f"{found.low:.2f} .. {found.high:.2f}"


def _reach(values: Iterable[float], form: Callable[[float], str]) -> str:
    """``1.4 to 3.2``, or a single number where both ends look the same."""
    values = list(values)
    least, most = form(min(values)), form(max(values))
    return least if least == most else f"{least} to {most}"


def _others(count: int, what: str = "") -> str:
    """``7 others``, or ``the times of 7 others``."""
    if count == 1:
        return f"another one's {what}" if what else "another one"
    return f"the {what}s of {count} others" if what else f"{count} others"


def _fastest_of_many(name: str, models: Sequence[SameModel]) -> list[str]:
    """``train: shown to be fastest: jax in 7 of 10 settings, torch in 1, none in 2``, for each scope."""
    notes = []
    for scope in SCOPES:
        timed = [model.groups for model in models if len(by_speed(model.groups, scope)) > 1]
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
    """The backend of a group, with device and precision where these differ among the groups."""
    configuration = group.first.configuration
    places = {(other.first.configuration.device, other.first.configuration.precision) for other in among}
    return configuration.backend_selector + (
        f" ({configuration.device}, {configuration.precision})" if len(places) > 1 else ""
    )


def bounds(name: str, models: Sequence[SameModel]) -> list[str]:
    """The ceiling of each backend, and the floor's share of a step: for each model, or as a range over many models.

    Args:
        name: of the task and its recipe.
        models: of that recipe.
    """
    if len(models) > NAMED:
        by_label: dict[str, list[Bounds]] = {}
        for model in models:
            for who, found in _bounds(model.groups):
                by_label.setdefault(who, []).append(found)
        told = [f"{who} {text}" for who, found in by_label.items() if (text := _bounds_in_words(found))]
        return [f"{name}: ceiling, over {len(models)} settings: {'; '.join(_few(told))}"] if told else []
    notes = []
    for model in models:
        told = [f"{who} {text}" for who, found in _bounds(model.groups) if (text := _bounds_in_words([found]))]
        if told:
            notes.append(f"{model.name}: ceiling: {'; '.join(_few(told))}")
    return notes


def _bounds(groups: Sequence[Group]) -> list[tuple[str, Bounds]]:
    return [(label(group, groups), found) for group in groups if (found := bounds_of(group)) is not None]


def _bounds_in_words(found: Sequence[Bounds]) -> str:
    """``2 GFLOP/s, floor train 10%``."""
    speeds = [each.flops_per_second for each in found if each.flops_per_second is not None]
    words = [f"{_reach([speed / 1e9 for speed in speeds], compact)} GFLOP/s"] if speeds else []
    shares = [
        f"{scope} {_reach(values, percent)}"
        for scope in SCOPES
        if (values := [each.floor_shares[scope] for each in found if scope in each.floor_shares])
    ]
    return ", ".join(words + ([f"floor {', '.join(shares)}"] if shares else []))


def _few(told: Sequence[str]) -> list[str]:
    """The first texts, and how many more there are."""
    if len(told) <= NAMED:
        return list(told)
    return [*told[: NAMED // 2], f"and {len(told) - NAMED // 2} more"]


def _break_even(groups: Sequence[Group]) -> list[str]:
    """``jax 6,200 beside numpy``, for each backend that starts later than another and whose steps are faster."""
    told = []
    for found in break_evens(groups):
        near, far = _nearest(found.beside)
        words = [f"{rounded_steps(steps)} beside {label(theirs, groups)}" for theirs, steps in near]
        if far:
            words.append(f"{_reach([steps for _, steps in far], rounded_steps)} beside {_others(len(far))}")
        told.append(f"{label(found.ours, groups)} {', '.join(words)}")
    return _few(told)


def _break_even_of_many(name: str, models: Sequence[SameModel]) -> list[str]:
    """For each pair of backends, the range of the steps after which the first has paid back its start."""
    by_pair: dict[tuple[str, str], list[float]] = {}
    for model in models:
        for found in break_evens(model.groups):
            for theirs, steps in found.beside:
                pair = label(found.ours, model.groups), label(theirs, model.groups)
                by_pair.setdefault(pair, []).append(steps)
    told = [
        f"{ours} {_reach(steps, rounded_steps)} beside {theirs} (in {len(steps)} of {len(models)} settings)"
        for (ours, theirs), steps in sorted(by_pair.items(), key=lambda pair: -len(pair[1]))
    ]
    return [f"{name}: {MADE_UP_FOR}: {'; '.join(_few(told))}"] if told else []


def soundness(groups: Sequence[Group]) -> list[str]:
    """Processes that were not flat while they were timed, and blocks that are far from the others."""
    found = stability_of(groups)
    restless = [each for each in found if each.unsteady]
    processes = sum(each.processes for each in found)
    notes = [
        f"{each.group.first.configuration.name}: {each.scope}: of {each.processes} processes {_kinds(each.unsteady)}"
        for each in restless
    ]
    if len(restless) > NAMED:
        shares = [each.unsteady.total() / each.processes for each in restless]
        worst = sorted(zip(shares, notes, strict=True), key=lambda pair: -pair[0])[: NAMED // 2]
        every = sum((each.unsteady for each in restless), Counter[statistics.Steadiness]())
        notes = [
            f"steadiness: of {processes:,} processes {_kinds(every)} while timed, in {len(restless)} rows and scopes; "
            f"most of them in {'; '.join(text for _, text in worst)}"
        ]
    elif restless:
        notes = [f"{text} while timed" for text in notes]
    elif processes:
        notes = ["steadiness: every process was flat while it was timed"]
    if far := sum(each.outliers for each in found):
        blocks = sum(each.blocks for each in found)
        notes.append(f"outliers: {far} of {blocks:,} blocks are far from the others of their process, none left out")
    return notes


def _kinds(kinds: Counter[statistics.Steadiness]) -> str:
    """``12 slowing, 1 warming``."""
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
