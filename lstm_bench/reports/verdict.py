"""The answer of a table in words: who is fastest, by how much, and whether that is certain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, by_speed, fastest, ratio
from lstm_bench.analysis.statistics import IntervalEstimate
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import SOUND, Attempt
from lstm_bench.reports.models import SameModel
from lstm_bench.reports.numbers import significant
from lstm_bench.text import brief

T = TypeVar("T")

NAMED, RIVALS = 6, 3
"""How many other rows, or models, are named in a note, and how many rows in an answer. Of more rows only the nearest
are named; more models are counted."""

LONGEST_REASON, SHORTEST_REASON = 300, 90
"""Characters of the reason of a single failure in an answer, and of each of many. The notes have the whole reasons."""


def answers(models: Sequence[SameModel]) -> tuple[str, ...]:
    """At most three lines: the verdict on the first scope, on the other scopes, and whether the rows can be trusted.

    Args:
        models: of one table.
    """
    verdicts = [told for scope in SCOPES if (told := _verdict(models, scope))]
    timed = {found for model in models for scope in SCOPES for found in by_speed(model.groups, scope)}
    if len(timed) == 1:
        (only,) = timed
        verdicts = [f"{label(only, [only])} is the only row to compare"]
    lines = [*verdicts[:1], "; ".join(verdicts[1:]), trust(models)]
    return tuple(line for line in lines if line)


def _verdict(models: Sequence[SameModel], scope: Scope) -> str:
    """The verdict on the models that several rows compute; empty if there are none."""
    several = [groups for model in models if len(groups := by_speed(model.groups, scope)) > 1]
    if len(several) > 1:
        return f"{scope}: {_in_many(several, scope)}"
    if several:
        name = next(model.name for model in models if set(several[0]) <= set(model.groups))
        return f"{scope}{f' on {name}' if len(models) > 1 else ''}: {verdict(several[0], scope, RIVALS)}"
    return ""


def verdict(groups: Sequence[Group], scope: Scope, named: int = NAMED) -> str:
    """``torch is fastest: 1.6x faster than jax (1.5 to 1.7), 2.1x faster than keras (2.0 to 2.2)``.

    Args:
        groups: two or more that can be compared in this scope, the fastest first.
        scope: what is compared.
        named: how many other groups are named one by one.
    """
    best, others = groups[0], groups[1:]
    near, far = nearest(others, named)
    slower, equal, unsure = [], [], []
    for other in near:
        found, name = _ratio(other, best, scope), label(other, groups)
        match statistics.verdict(found):
            case "not judged":
                unsure.append(f"{times(found)} faster than {name}")
            case "no difference shown":
                equal.append(f"{name} ({interval(found)})")
            case _:
                slower.append(f"{times(found)} faster than {name} ({interval(found)})")
    ratios = [_ratio(other, best, scope) for other in far]
    behind = [found.value for found in ratios if statistics.verdict(found) != "no difference shown"]
    if behind:
        (unsure if unsure and not slower else slower).append(
            f"{reach(behind)}x faster than {others_named(len(behind))}"
        )
    if len(behind) < len(ratios):
        equal.append(others_named(len(ratios) - len(behind)))
    who = label(best, groups)
    if unsure:
        return f"{who} looks fastest: {', '.join(unsure + slower)}; one round cannot show it for sure"
    if not equal:
        return f"{who} is fastest: {', '.join(slower)}"
    tie = f"{who} ties with {join(equal)} within noise"
    return f"{tie}; it is {', '.join(slower)}" if slower else tie


def _in_many(timed: Sequence[Sequence[Group]], scope: Scope) -> str:
    """``torch is fastest in 7 of 10 settings, jax in 1; 2 have no clear winner``."""
    winners = [label(best, groups) for groups in timed if (best := fastest(groups, scope)) is not None]
    if not winners:
        return f"no clear winner in any of {len(timed)} settings"
    counts = Counter(winners).most_common()
    (first, count), *rest = counts[:NAMED]
    told = [f"{first} is fastest in {count} of {len(timed)} settings", *(f"{who} in {wins}" for who, wins in rest)]
    if len(counts) > NAMED:
        told.append(f"{others_named(len(counts) - NAMED)} in {sum(wins for _, wins in counts[NAMED:])}")
    open_ones = len(timed) - len(winners)
    return ", ".join(told) + (f"; no clear winner in {open_ones}" if open_ones else "")


def trust(models: Sequence[SameModel]) -> str:
    """How many rows agree with the float64 reference, and which rows are compared with nothing, and why.

    Args:
        models: of one table.
    """
    groups = [group for model in models for group in model.groups]
    checked = [group for group in groups if any(attempt.findings.agreement for attempt in group.attempts)]
    agree = sum(set(group.statuses) <= set(SOUND) for group in checked)
    rows = f"{len(groups)} row{'s' if len(groups) > 1 else ''}"
    if not agree:
        told = ["no row agrees with the float64 reference"]
    else:
        how_many = ("all " if agree > 1 else "") + rows if agree == len(groups) else f"{agree} of {rows}"
        told = [f"{how_many} agree{'s' if agree == 1 else ''} with the float64 reference"]
    named = {group: _row_name(group, model, models) for model in models for group in model.groups}
    disturbed = [name for group, name in named.items() if "disturbed" in group.statuses and not _failed(group)]
    if disturbed:
        near, far = nearest(disturbed)
        names = join([*near, *([others_named(len(far))] if far else [])])
        told.append(
            f"{names} {'were' if len(disturbed) > 1 else 'was'} disturbed by other processes and "
            f"{'are' if len(disturbed) > 1 else 'is'} compared with nothing"
        )
    failed = [(found, name) for group, name in named.items() if (found := _failed(group)) is not None]
    most = max(SHORTEST_REASON, LONGEST_REASON // max(1, len(failed)))
    told += [f"{name}: {attempt.status}: {brief(attempt.reason, most)}" for attempt, name in failed[:NAMED]]
    if len(failed) > NAMED:
        told.append(f"{len(failed) - NAMED} more are not ok")
    return "; ".join(told)


def _failed(group: Group) -> Attempt | None:
    """The first attempt that counts and gave no sound result."""
    return next((attempt for attempt in group.final.values() if attempt.status not in SOUND), None)


def _row_name(group: Group, model: SameModel, models: Sequence[SameModel]) -> str:
    return label(group, model.groups) + (f" on {model.name}" if len(models) > 1 else "")


def label(group: Group, among: Sequence[Group]) -> str:
    """The backend of a group, with version, run, device and precision where these tell it from others.

    Args:
        group: to name.
        among: groups that are named beside it.
    """
    configuration = group.first.configuration
    details = []
    alike = [other for other in among if other.first.configuration.backend_selector == configuration.backend_selector]
    if version(group) and len({version(other) for other in alike} - {""}) > 1:
        details.append(version(group))
    if len({(other.first.configuration.device, other.first.configuration.precision) for other in among}) > 1:
        details += [configuration.device, configuration.precision]
    if any(other is not group and place(other) == place(group) for other in alike):
        details.append(f"run of {day(group)}")
    return configuration.backend_selector + (f" ({', '.join(details)})" if details else "")


def version(group: Group) -> str:
    """The version of the backend's framework; empty where it is not known."""
    return next(iter(group.first.findings.versions.values()), "")


def day(group: Group) -> str:
    """When the group was run, in UTC: ``2026-11-25 21:03``."""
    return group.first.created[:16].replace("T", " ")


def place(group: Group) -> tuple[str, str, str, str]:
    """Backend, version, device and precision, which tell the groups of a model apart unless they are of two runs."""
    configuration = group.first.configuration
    return configuration.backend_selector, version(group), configuration.device, configuration.precision


def _ratio(ours: Group, theirs: Group, scope: Scope) -> IntervalEstimate:
    found = ratio(ours, theirs, scope)
    assert found is not None, "both were timed"
    return found


def times(found: IntervalEstimate) -> str:
    """``1.6x``: a ratio with as many digits as tell it from the ends of its interval."""
    return f"{_digits(found)[0]}x"


def interval(found: IntervalEstimate) -> str:
    """``1.5 to 1.7``."""
    ends = _digits(found)[1:]
    if statistics.verdict(found) == "no difference shown":  # two digits tell the ends of a tie apart
        ends = [significant(end, 2) for end in found.interval or ()]
    return " to ".join(ends)


def _digits(found: IntervalEstimate) -> list[str]:
    numbers = [found.value, *(found.interval or ())]
    for count in (2, 3, 4):
        texts = [significant(number, count) for number in numbers]
        if len(set(texts)) == len(texts) and texts[0] != significant(1.0, count):
            return texts
    return [significant(number, 3) for number in numbers]


def reach(values: Iterable[float]) -> str:
    """``1.4 to 3.2``, or a single number where both ends look the same."""
    values = list(values)
    least, most = significant(min(values), 2), significant(max(values), 2)
    return least if least == most else f"{least} to {most}"


def nearest(others: Sequence[T], named: int = NAMED) -> tuple[Sequence[T], Sequence[T]]:
    """The others that are named, and those that are only counted."""
    shown = len(others) if len(others) <= named else (named + 1) // 2
    return others[:shown], others[shown:]


def others_named(count: int) -> str:
    """``7 others``."""
    return "another row" if count == 1 else f"{count} others"


def join(texts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
