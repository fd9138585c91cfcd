"""The heat map at the top of the page, and the matrix of pairs in a section: who is how many times as fast as whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, by_speed, ratio
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.reports.models import SameModel
from lstm_bench.reports.numbers import significant
from lstm_bench.reports.verdict import interval, label, place

HOTTEST = 4.0
"""The speed-up with the strongest colour. Most differences between frameworks are smaller."""

MOST_ROWS = 40
"""Rows of the heat map. The rows of a large sweep would hide the tables."""

MOST_PAIRED = 8
"""Most backends in a matrix of pairs."""


@dataclass(frozen=True)
class Field:
    """A field of a map.

    Attributes:
        text: the speed-up, such as ``1.6x``; empty for nothing to compare.
        heat: strength of the colour, from 0 to 100.
        sure: whether the difference is shown; a tie is hatched.
        tip: the same in words, with the interval.
        seconds: of a step; ``None`` for nothing to compare.
        ties: places of the fields in the same row that this one ties with.
    """

    text: str
    heat: int = 0
    sure: bool = True
    tip: str = ""
    seconds: float | None = None
    ties: tuple[int, ...] = ()


@dataclass(frozen=True)
class Map:
    """A map.

    Attributes:
        columns: names of the backends.
        rows: name and fields of each row.
        left_out: how many rows there is no room for.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field, ...]], ...]
    left_out: int = 0


def heat_map(models: Sequence[SameModel]) -> Map | None:
    """Each model and scope by backend: the speed-up over the slowest; ``None`` if nothing can be compared."""
    compared = [(m, s, timed) for m in models for s in SCOPES if len(timed := by_speed(_latest(m), s)) > 1]
    if not compared:
        return None
    named = [(model, scope, {label(group, timed): group for group in timed}) for model, scope, timed in compared]
    columns = sorted({name for _, _, groups in named for name in groups})
    every = [group for _, _, groups in named for group in groups.values()]
    parts = [part for part in (_device, _precision) if len(set(map(part, every))) > 1]
    rows = []
    for model, scope, groups in named[:MOST_ROWS]:
        shared = [values.pop() for part in parts if len(values := set(map(part, groups.values()))) == 1]
        on = f" on {', '.join(shared)}" if shared else ""
        rows.append((f"{model.task}{on}, {scope}", _fields([groups.get(name) for name in columns], scope)))
    return Map(tuple(columns), tuple(rows), len(compared) - len(rows))


def _latest(model: SameModel) -> list[Group]:
    """The groups of a model, of two runs of the same the later one."""
    return list({place(group): group for group in sorted(model.groups, key=lambda group: group.first.id)}.values())


def _device(group: Group) -> str:
    return group.first.findings.device_name or group.first.configuration.device


def _precision(group: Group) -> str:
    return group.first.configuration.precision


def _fields(found: Sequence[Group | None], scope: Scope) -> tuple[Field, ...]:
    timed = by_speed([group for group in found if group is not None], scope)
    slowest = timed[-1]
    return tuple(
        Field("") if group is None else _field(group, slowest, scope, timed, _ties(group, found, scope))
        for group in found
    )


def _ties(group: Group, others: Sequence[Group | None], scope: Scope) -> tuple[int, ...]:
    return tuple(
        at
        for at, other in enumerate(others)
        if other is not None and (other is group or not _is_shown(group, other, scope))
    )


def _is_shown(ours: Group, theirs: Group, scope: Scope) -> bool:
    found = ratio(ours, theirs, scope)
    return found is not None and statistics.verdict(found) in ("faster", "slower")


def _field(ours: Group, theirs: Group, scope: Scope, among: Sequence[Group], ties: tuple[int, ...] = ()) -> Field:
    """How many times as fast ours is as theirs."""
    time = ours.estimate(scope)
    found = ratio(theirs, ours, scope)
    assert found is not None
    assert time is not None
    sure = ours is theirs or _is_shown(ours, theirs, scope)
    speed_up = 1.0 if ours is theirs else found.value
    spread = f" ({interval(found)})" if found.interval and ours is not theirs else ""
    tip = f"{label(ours, among)}: {significant(speed_up, 2)} times as fast as {label(theirs, among)}{spread}"
    return Field(
        f"{significant(speed_up, 2)}x",
        heat_of(speed_up),
        sure,
        tip + ("" if sure else ", which may be noise"),
        time.value,
        ties,
    )


def heat_of(speed_up: float) -> int:
    """The strength of the colour: 0 for 1.0x and less, 100 for ``HOTTEST`` and more, and equal steps of the ratio."""
    return round(100 * min(1.0, max(0.0, log2(speed_up) / log2(HOTTEST))))


def pairs(model: SameModel, scope: Scope) -> Map | None:
    """How many times as fast each backend of a model is as each other; ``None`` for too few or too many to show."""
    timed = by_speed(model.groups, scope)
    if not 2 < len(timed) <= MOST_PAIRED:
        return None
    rows = tuple(
        (label(ours, timed), tuple(Field("") if a is ours else _field(ours, a, scope, timed) for a in timed))
        for ours in timed
    )
    return Map(tuple(label(group, timed) for group in timed), rows)
