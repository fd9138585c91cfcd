"""Which attempts are drawn together, what tells them apart, and what becomes of those that are not drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from lstm_bench.analysis.groups import Group, gpus_of_machines, group_attempts, settings, varied
from lstm_bench.charts.panels import LONGEST_NAME, shorten
from lstm_bench.charts.theme import DASHES, FREE, SHAPES, Look, looks
from lstm_bench.record.attempt import SOUND, Attempt, Machine
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports.models import processor_name

MOST_PANELS = 6
"""Of one picture, beneath each other."""

MOST_DRAWN = 12
"""Rows or curves of one panel."""


@dataclass(frozen=True)
class Panel:
    """Groups that are drawn in one frame.

    Attributes:
        title: what they have in common.
        groups: at least one.
    """

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Gathered:
    """Attempts in groups, with how each backend looks in every chart of them.

    Attributes:
        groups: in order of their first attempts.
        looks: by backend selector.
    """

    groups: tuple[Group, ...]
    looks: dict[str, Look]

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Gathered:
        """All of these."""
        groups = tuple(group_attempts(attempts))
        return cls(groups, looks(group.first.configuration.backend_selector for group in groups))

    def variants(self, configuration: Configuration, names: Sequence[str]) -> list[tuple[str, ...]]:
        """What these settings are in any group of a configuration's recipe, the most frequent first.

        By their places here, variants look the same in all panels.
        """
        alike = (
            g
            for g in self.groups
            if (g.first.configuration.task, g.first.configuration.recipe.name)
            == (configuration.task, configuration.recipe.name)
        )
        counted = Counter(values(group, names) for group in alike)
        return [found for found, _ in counted.most_common()]


def by_data(groups: Iterable[Group]) -> list[Panel]:
    """Groups that learn the same on the same machine, whatever their models."""
    return _together(groups, lambda configuration: ())


def by_model(groups: Iterable[Group]) -> list[Panel]:
    """Groups that compute the same on the same machine: what a backend can be compared on."""
    return _together(groups, lambda configuration: tuple(settings(configuration).items()))


def by_task(groups: Iterable[Group]) -> list[Panel]:
    """Groups of one recipe on the same machine, whatever a grid varied."""
    return _together(
        groups,
        lambda configuration: (),
        selector=lambda configuration: f"{configuration.task}:{configuration.recipe.name}",
    )


def _together(
    groups: Iterable[Group],
    alike: Callable[[Configuration], Hashable],
    selector: Callable[[Configuration], str] = lambda configuration: configuration.task_selector,
) -> list[Panel]:
    groups = list(groups)
    found: dict[tuple[str, Hashable, Machine | None], list[Group]] = {}
    of_selector: dict[str, list[Group]] = {}
    for group in groups:
        configuration = group.first.configuration
        found.setdefault((selector(configuration), alike(configuration), group.first.findings.machine), []).append(
            group
        )
        of_selector.setdefault(selector(configuration), []).append(group)
    varying = {name: varied(peers) for name, peers in of_selector.items()}
    machines = _machines(groups)
    panels = []
    for (name, _, machine), together in found.items():
        configuration = together[0].first.configuration
        here = {*varied(together), *configuration.task_options}
        common = [setting for setting in varying[name] if setting not in here]
        words = [name, *map(_said, common, values(together[0], common))]
        if together[1:] and len({_place(group)[0] for group in together}) == 1:
            words.append(configuration.backend_selector)
        if len(machines) > 1:
            words.append(machines[machine])
        panels.append(Panel(", ".join(filter(None, words)), tuple(together)))
    return panels


def _machines(groups: Sequence[Group]) -> dict[Machine | None, str]:
    """A name for each machine that is not that of another: its GPUs that were used, and its processor."""
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
    """Of the settings that vary, those that are needed to tell groups apart.

    A learning rate that always comes with the same optimizer is not.

    Args:
        groups: to be told apart.
        but: settings that are told elsewhere.
    """
    kept: list[str] = []
    for name in varied(groups):
        if name not in but and len(_values(groups, [*kept, name])) > len(_values(groups, kept)):
            kept.append(name)
    return kept


def _values(groups: Sequence[Group], names: Sequence[str]) -> dict[tuple[str, ...], None]:
    """What these settings are together, each once, in order of the groups."""
    return dict.fromkeys(values(group, names) for group in groups)


def values(group: Group, names: Sequence[str]) -> tuple[str, ...]:
    """What these settings are."""
    found = settings(group.first.configuration)
    return tuple(found.get(name, "") for name in names)


def names(groups: Sequence[Group], but: Collection[str] = ()) -> list[str]:
    """A short name for each, of what is not the same in all of them: backend, settings, device, precision.

    Args:
        groups: in one panel.
        but: settings that are told elsewhere.
    """
    others, places = telling(groups, but), [_place(group) for group in groups]
    alike = [len(set(column)) == 1 for column in zip(*places, strict=True)]
    found = []
    for group, (backend, device, precision) in zip(groups, places, strict=True):
        words = [_said(name, value) for name, value in zip(others, values(group, others), strict=True) if value]
        words += [] if alike[1] else [device]
        words += [] if alike[2] else [precision]
        found.append(shorten(" ".join(words if words and alike[0] else [backend, *words])))
    again, seen = Counter(found), Counter[str]()
    for at, name in enumerate(found):
        if again[name] > 1:  # another version, or another run
            seen[name] += 1
            found[at] = f"{shorten(name, LONGEST_NAME - 4)} #{seen[name]}"
    return found


def _place(group: Group) -> tuple[str, str, str]:
    configuration = group.first.configuration
    return configuration.backend_selector, configuration.device, configuration.precision


def drawn_as(gathered: Gathered, groups: Sequence[Group], but: Collection[str] = ()) -> list[Look]:
    """A look for each curve of a panel: of its backend, where there are several; lines of one backend differ in dashes.

    Where there is one backend, colours tell its settings apart.
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
    """Looks where it is the models that matter: colours tell settings apart, shapes backends."""
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
    """Groups that differ in one numeric setting alone, each list a curve in order of that setting."""
    others = [name for name in varied(groups) if name != axis]
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        version = next(iter(group.first.findings.versions.values()), "")
        found.setdefault((_place(group), values(group, others), version), []).append(group)
    return [sorted(curve, key=lambda group: number(group, axis)) for curve in found.values()]


def full_name(axis: str) -> str:
    """A setting as a title has it, where a table's column is shorter."""
    return {"hidden": "hidden size", "batch": "batch size", "length": "sequence length"}.get(axis, axis)


def number(group: Group, axis: str) -> float:
    """The value of a numeric setting."""
    return float(settings(group.first.configuration)[axis])


def numeric(groups: Sequence[Group], but: Collection[str] = ()) -> list[str]:
    """The settings that vary and are numbers above 0 in all groups, and over which some curve has two points."""
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
    """A setting in as few words as say it: ``gru``, but ``hidden 64``."""
    return f"{name} {value}" if value in ("on", "off") or value[:1].isdigit() else value


def fate(groups: Sequence[Group]) -> list[str]:
    """What was not drawn since it failed, and what was drawn although it was disturbed; nothing if all went well."""
    statuses = Counter(status for group in groups for status in group.statuses)
    failed = {status: count for status, count in statuses.most_common() if status not in SOUND}
    notes = []
    if failed:
        kinds = ", ".join(f"{count} {status}" for status, count in failed.items())
        notes.append(f"Not drawn, since they failed: {_attempts(sum(failed.values()))} ({kinds}).")
    if disturbed := statuses["disturbed"]:
        notes.append(f"Drawn, although the machine was busy otherwise: {_attempts(disturbed)} (disturbed).")
    return notes


def at_most(panels: Sequence[Panel], most: int = MOST_PANELS) -> tuple[Sequence[Panel], list[str]]:
    """The first panels, and a note of how many there are beyond them."""
    if len(panels) <= most:
        return panels, []
    beyond = ", ".join(shorten(panel.title, 60) for panel in panels[most : most + 2])
    more = ", ..." if len(panels) > most + 2 else ""
    return panels[:most], [f"Left out: {len(panels) - most} of {len(panels)} ({beyond}{more}); --where chooses others."]


def cut(groups: Sequence[Group], title: str, most: int = MOST_DRAWN) -> tuple[Sequence[Group], list[str]]:
    """The first groups of a panel, and a note of how many there are beyond them."""
    if len(groups) <= most:
        return groups, []
    return groups[:most], [f"Left out of {shorten(title, 60)}: {len(groups) - most} of {len(groups)}."]


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count:,} attempts"
