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
from lstm_bench.reports.verdict import interval, label

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
    compared = [(m, s, timed) for m in models for s in SCOPES if len(timed := by_speed(m.groups, s)) > 1]
    if not compared:
        return None
    columns = sorted({_place(group) for _, _, timed in compared for group in timed})
    several = len({place[1:] for place in columns}) > 1
    names = tuple(f"{name} ({device}, {precision})" if several else name for name, device, precision in columns)
    rows = tuple(
        (f"{model.name}, {scope}", _fields(timed, scope, columns)) for model, scope, timed in compared[:MOST_ROWS]
    )
    return Map(names, rows, len(compared) - len(rows))


def _place(group: Group) -> tuple[str, str, str]:
    configuration = group.first.configuration
    return configuration.backend_selector, configuration.device, configuration.precision


def _fields(timed: Sequence[Group], scope: Scope, columns: Sequence[tuple[str, str, str]]) -> tuple[Field, ...]:
    by_place = {_place(group): group for group in timed}
    found = [by_place.get(place) for place in columns]
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
