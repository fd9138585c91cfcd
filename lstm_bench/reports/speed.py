"""The notes about speed beneath a table: each model's verdict, break-even, what bounds it, and stable timings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, by_speed
from lstm_bench.analysis.speed import Bounds, bounds_of, break_evens, stability_of
from lstm_bench.model.spec import SCOPES
from lstm_bench.reports.models import SameModel
from lstm_bench.reports.numbers import compact, percent, rounded_steps
from lstm_bench.reports.verdict import NAMED, RIVALS, join, label, nearest, others_named, verdict

PAYS_BACK = "pays back its slower start after"

LIMITS = "fastest matrix multiply, and share of a step that the smallest model takes"


def compared(models: Sequence[SameModel]) -> list[str]:
    """The verdict on each of a few models, and after how many steps a slow start pays off.

    Args:
        models: of one table. A verdict that is the answer of the table is no note.
    """
    several = [model for model in models if len(model.groups) > 1]
    if len(several) > NAMED:
        return _break_even_of_many(several)
    notes = []
    for model in several:
        at = f"{model.name}: " if len(models) > 1 else ""
        for scope in SCOPES:
            timed = by_speed(model.groups, scope)
            if len(timed) > (1 if len(several) > 1 else RIVALS + 1):
                notes.append(f"{at}{scope}: {verdict(timed, scope)}")
        notes += [f"{at}{told}" for told in _break_even(model.groups)]
    return notes


def bounds(models: Sequence[SameModel]) -> list[str]:
    """The ceiling of each backend, and the floor's share of a step: for each model, or as a range over many models.

    Args:
        models: of one table.
    """
    if len(models) > NAMED:
        by_label: dict[str, list[Bounds]] = {}
        for model in models:
            for who, found in _bounds(model.groups):
                by_label.setdefault(who, []).append(found)
        told = [f"{who} {text}" for who, found in by_label.items() if (text := _bounds_in_words(found))]
        return [f"{LIMITS}, over {len(models)} settings: {'; '.join(_few(told))}"] if told else []
    notes = []
    for model in models:
        at = f"{model.name}: " if len(models) > 1 else ""
        told = [f"{who} {text}" for who, found in _bounds(model.groups) if (text := _bounds_in_words([found]))]
        if told:
            notes.append(f"{at}{LIMITS}: {'; '.join(_few(told))}")
    return notes


def _bounds(groups: Sequence[Group]) -> list[tuple[str, Bounds]]:
    return [(label(group, groups), found) for group in groups if (found := bounds_of(group)) is not None]


def _range(values: Iterable[float], form: Callable[[float], str]) -> str:
    """``1.4 to 3.2``, or a single number where both ends look the same."""
    values = list(values)
    least, most = form(min(values)), form(max(values))
    return least if least == most else f"{least} to {most}"


def _bounds_in_words(found: Sequence[Bounds]) -> str:
    """``2 GFLOP/s, train 10%``."""
    speeds = [each.flops_per_second for each in found if each.flops_per_second is not None]
    words = [f"{_range([speed / 1e9 for speed in speeds], compact)} GFLOP/s"] if speeds else []
    shares = [
        f"{scope} {_range(values, percent)}"
        for scope in SCOPES
        if (values := [each.floor_shares[scope] for each in found if scope in each.floor_shares])
    ]
    return ", ".join(words + shares)


def _few(told: Sequence[str]) -> list[str]:
    """The first texts, and how many more there are."""
    if len(told) <= NAMED:
        return list(told)
    return [*told[: NAMED // 2], f"and {len(told) - NAMED // 2} more"]


def _break_even(groups: Sequence[Group]) -> list[str]:
    """``jax pays back its slow start after 6,200 steps against numpy``, for each backend with faster steps."""
    told = []
    for found in break_evens(groups):
        near, far = nearest(found.beside)
        words = [f"{rounded_steps(steps)} steps against {label(theirs, groups)}" for theirs, steps in near]
        if far:
            words.append(f"{_range([steps for _, steps in far], rounded_steps)} steps against {others_named(len(far))}")
        told.append(f"{label(found.ours, groups)} {PAYS_BACK} {join(words)}")
    return _few(told)


def _break_even_of_many(models: Sequence[SameModel]) -> list[str]:
    """For each pair of backends, the range of the steps after which the first has paid back its start."""
    by_pair: dict[tuple[str, str], list[float]] = {}
    for model in models:
        for found in break_evens(model.groups):
            for theirs, steps in found.beside:
                pair = label(found.ours, model.groups), label(theirs, model.groups)
                by_pair.setdefault(pair, []).append(steps)
    return _few(
        [
            f"{ours} {PAYS_BACK} {_range(steps, rounded_steps)} steps against {theirs} "
            f"(in {len(steps)} of {len(models)} settings)"
            for (ours, theirs), steps in sorted(by_pair.items(), key=lambda pair: -len(pair[1]))
        ]
    )


def soundness(groups: Sequence[Group]) -> list[str]:
    """Whether timings were stable while they were taken, and how many blocks are outliers."""
    found = stability_of(groups)
    restless = [each for each in found if each.unsteady]
    processes = sum(each.processes for each in found)
    told = [
        f"{each.group.first.configuration.name}: {each.scope} was {_kinds(each.unsteady)} in "
        f"{each.unsteady.total()} of {each.processes} processes"
        for each in restless
    ]
    if len(restless) > NAMED:
        shares = [each.unsteady.total() / each.processes for each in restless]
        worst = sorted(zip(shares, told, strict=True), key=lambda pair: -pair[0])[: NAMED // 2]
        every = sum((each.unsteady for each in restless), Counter[statistics.Steadiness]())
        notes = [
            f"timings: {every.total():,} of {processes:,} were not stable ({_kinds(every)}), in {len(restless)} rows "
            f"and scopes, above all in {'; '.join(text for _, text in worst)}"
        ]
    elif restless:
        notes = [f"timings: {text}" for text in told]
    else:
        notes = ["timings: all were stable"] if processes else []
    if far := sum(each.outliers for each in found):
        blocks = sum(each.blocks for each in found)
        notes.append(f"outliers: {far} of {blocks:,} blocks are far from the rest of their process; they count, too")
    return notes


def _kinds(kinds: Counter[statistics.Steadiness]) -> str:
    """``slowing``, or ``12 slowing, 1 warming`` where there are several kinds."""
    if len(kinds) == 1:
        return str(*kinds)
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
