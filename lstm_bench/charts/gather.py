"""Gather attempts into facets, give each a name and a look, and count the attempts that are not drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from lstm_bench.analysis.groups import Group, gpus_of_machines, group_attempts, settings, varied
from lstm_bench.charts.marks import LONGEST_NAME, shorten
from lstm_bench.charts.theme import DASHES, FREE, SHAPES, Look, looks
from lstm_bench.record.attempt import SOUND, Attempt, Machine
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports.models import processor_name

MOST_FACETS = 6
"""Facets of one picture, beneath each other."""

MOST_DRAWN = 12
"""Rows or curves of one facet."""


@dataclass(frozen=True)
class Facet:
    """Groups that are drawn in one frame.

    Attributes:
        title: what the groups have in common.
        groups: at least one.
    """

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Gathered:
    """Groups of attempts, and the look that each backend keeps in every chart of them.

    Attributes:
        groups: in order of their first attempts.
        looks: look of each backend, by its selector.
    """

    groups: tuple[Group, ...]
    looks: dict[str, Look]

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Gathered:
        """Gather these attempts."""
        groups = tuple(group_attempts(attempts))
        return cls(groups, looks(group.first.configuration.backend_selector for group in groups))

    def variants(self, configuration: Configuration, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the values of these settings in all groups of a configuration's recipe, the most frequent first.

        A variant's place in this list gives it the same look in all facets.
        """
        peers = (
            g
            for g in self.groups
            if (g.first.configuration.task, g.first.configuration.recipe.name)
            == (configuration.task, configuration.recipe.name)
        )
        counted = Counter(values(group, names) for group in peers)
        return [found for found, _ in counted.most_common()]


def by_data(groups: Iterable[Group]) -> list[Facet]:
    """Put groups together that learn the same task on the same machine, whatever their models."""
    return _together(groups, lambda configuration: ())


def by_model(groups: Iterable[Group]) -> list[Facet]:
    """Put groups together that compute the same on the same machine, so that backends can be compared."""
    return _together(groups, lambda configuration: tuple(settings(configuration).items()))


def by_task(groups: Iterable[Group]) -> list[Facet]:
    """Put groups of one recipe on the same machine together, whatever a sweep varied."""
    return _together(
        groups,
        lambda configuration: (),
        selector=lambda configuration: f"{configuration.task}:{configuration.recipe.name}",
    )


def _together(
    groups: Iterable[Group],
    key: Callable[[Configuration], Hashable],
    selector: Callable[[Configuration], str] = lambda configuration: configuration.task_selector,
) -> list[Facet]:
    groups = list(groups)
    found: dict[tuple[str, Hashable, Machine | None], list[Group]] = {}
    of_selector: dict[str, list[Group]] = {}
    for group in groups:
        configuration = group.first.configuration
        found.setdefault((selector(configuration), key(configuration), group.first.findings.machine), []).append(group)
        of_selector.setdefault(selector(configuration), []).append(group)
    varying = {name: varied(peers) for name, peers in of_selector.items()}
    machines = _machines(groups)
    facets = []
    for (name, _, machine), together in found.items():
        configuration = together[0].first.configuration
        here = {*varied(together), *configuration.task_options}
        common = [setting for setting in varying[name] if setting not in here]
        words = [name, *map(_said, common, values(together[0], common))]
        if together[1:] and len({_place(group)[0] for group in together}) == 1:
            words.append(configuration.backend_selector)
        if len(machines) > 1:
            words.append(machines[machine])
        facets.append(Facet(", ".join(filter(None, words)), tuple(together)))
    return facets


def _machines(groups: Sequence[Group]) -> dict[Machine | None, str]:
    """Name each machine by the GPUs that were used and its processor; machines of the same name get numbers."""
    machines = gpus_of_machines(groups)
    names = [
        ", ".join([*gpus, processor_name(machine) if machine else "machine unknown"])
        for machine, gpus in machines.items()
    ]
    return {
        machine: name if names.count(name) == 1 else f"{name} (machine {number})"
        for number, (machine, name) in enumerate(zip(machines, names, strict=True), start=1)
    }


def telling(groups: Sequence[Group], but: Collection[str] = ()) -> list[str]:
    """Return the varied settings that are needed to tell groups apart.

    A learning rate that always comes with the same optimizer is not needed.

    Args:
        groups: the groups to tell apart.
        but: settings that the chart shows elsewhere.
    """
    kept: list[str] = []
    for name in varied(groups):
        if name not in but and len(_values(groups, [*kept, name])) > len(_values(groups, kept)):
            kept.append(name)
    return kept


def _values(groups: Sequence[Group], names: Sequence[str]) -> dict[tuple[str, ...], None]:
    """Return the distinct values of these settings, in the order of the groups."""
    return dict.fromkeys(values(group, names) for group in groups)


def values(group: Group, names: Sequence[str]) -> tuple[str, ...]:
    """Return the values of these settings; empty for a setting that the group lacks."""
    found = settings(group.first.configuration)
    return tuple(found.get(name, "") for name in names)


def names(groups: Sequence[Group], but: Collection[str] = ()) -> list[str]:
    """Give each group a short name of what differs between groups: backend, settings, device, precision.

    Args:
        groups: the groups of one facet.
        but: settings that the chart shows elsewhere.
    """
    others, places = telling(groups, but), [_place(group) for group in groups]
    same = [len(set(column)) == 1 for column in zip(*places, strict=True)]
    found = []
    for group, (backend, device, precision) in zip(groups, places, strict=True):
        words = [_said(name, value) for name, value in zip(others, values(group, others), strict=True) if value]
        words += [] if same[1] else [device]
        words += [] if same[2] else [precision]
        found.append(shorten(" ".join(words if words and same[0] else [backend, *words])))
    again, seen = Counter(found), Counter[str]()
    for at, name in enumerate(found):
        if again[name] > 1:  # The groups differ in version or run.
            seen[name] += 1
            found[at] = f"{shorten(name, LONGEST_NAME - 4)} #{seen[name]}"
    return found


def _place(group: Group) -> tuple[str, str, str]:
    configuration = group.first.configuration
    return configuration.backend_selector, configuration.device, configuration.precision


def drawn_as(gathered: Gathered, groups: Sequence[Group], but: Collection[str] = ()) -> list[Look]:
    """Give each curve of a facet a look.

    With several backends, each has its colour, and lines of one backend differ in dashes. With one backend, its
    settings differ in colour.
    """
    others = telling(groups, but)
    variants = gathered.variants(groups[0].first.configuration, others)
    places = [variants.index(values(group, others)) for group in groups]
    if others and len({_place(group) for group in groups}) == 1:
        return [
            Look(FREE[at % len(FREE)], SHAPES[at % len(SHAPES)], DASHES[at // len(FREE) % len(DASHES)]) for at in places
        ]
    found = []
    for group, at in zip(groups, places, strict=True):
        look = gathered.looks[group.first.configuration.backend_selector]
        varies = Look(look.colour, SHAPES[at % len(SHAPES)], DASHES[at % len(DASHES)])
        found.append(varies if others else look)
    return found


def told_by_settings(gathered: Gathered, groups: Sequence[Group], but: Collection[str] = ()) -> list[Look]:
    """Give each curve a look whose colour tells its settings and whose shape tells its backend."""
    others = telling(groups, but)
    if not others:
        return drawn_as(gathered, groups, but)
    variants = gathered.variants(groups[0].first.configuration, others)
    return [
        Look(
            FREE[at % len(FREE)],
            gathered.looks[group.first.configuration.backend_selector].shape,
            DASHES[at // len(FREE) % len(DASHES)],
        )
        for group in groups
        for at in [variants.index(values(group, others))]
    ]


def over(groups: Sequence[Group], axis: str) -> list[list[Group]]:
    """Part groups into curves: the groups of a curve differ in one numeric setting alone, and ascend in it."""
    others = [name for name in varied(groups) if name != axis]
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        version = next(iter(group.first.findings.versions.values()), "")
        found.setdefault((_place(group), values(group, others), version), []).append(group)
    return [sorted(curve, key=lambda group: number(group, axis)) for curve in found.values()]


def full_name(axis: str) -> str:
    """Return the name of a setting for titles, longer than a table's column has it."""
    return {"hidden": "hidden size", "batch": "batch size", "length": "sequence length"}.get(axis, axis)


def number(group: Group, axis: str) -> float:
    """Return the value of a numeric setting."""
    return float(settings(group.first.configuration)[axis])


def numeric(groups: Sequence[Group], but: Collection[str] = ()) -> list[str]:
    """Return the varied settings that are numbers above 0 in all groups, and over which a curve has two points."""
    return [
        name
        for name in varied(groups)
        if name not in but
        and all(_above_zero(settings(group.first.configuration).get(name, "")) for group in groups)
        and any(len({number(group, name) for group in curve}) > 1 for curve in over(groups, name))
    ]


def _above_zero(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _said(name: str, value: str) -> str:
    """Name a setting in as few words as possible: ``gru``, but ``hidden 64``."""
    return f"{name} {value}" if value in ("true", "false") or value[:1].isdigit() else value


def fate(groups: Sequence[Group]) -> list[str]:
    """Write notes on failed attempts, which are not drawn, and on disturbed ones, which are; none if all went well."""
    statuses = Counter(status for group in groups for status in group.statuses)
    failed = {status: count for status, count in statuses.most_common() if status not in SOUND}
    notes = []
    if failed:
        kinds = ", ".join(f"{count} {status}" for status, count in failed.items())
        notes.append(f"Not drawn: {_attempts(sum(failed.values()))} ({kinds}).")
    if disturbed := statuses["disturbed"]:
        notes.append(f"Drawn, but disturbed by other processes: {_attempts(disturbed)}.")
    return notes


def at_most(facets: Sequence[Facet], most: int = MOST_FACETS) -> tuple[Sequence[Facet], list[str]]:
    """Return the first facets, and a note on how many are left out."""
    if len(facets) <= most:
        return facets, []
    beyond = ", ".join(shorten(facet.title, 60) for facet in facets[most : most + 2])
    more = ", ..." if len(facets) > most + 2 else ""
    return facets[:most], [f"Left out: {len(facets) - most} of {len(facets)} ({beyond}{more}); --where chooses others."]


def cut(groups: Sequence[Group], title: str, most: int = MOST_DRAWN) -> tuple[Sequence[Group], list[str]]:
    """Return the first groups of a facet, and a note on how many are left out."""
    if len(groups) <= most:
        return groups, []
    return groups[:most], [f"Left out of {shorten(title, 60)}: {len(groups) - most} of {len(groups)}."]


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count:,} attempts"
