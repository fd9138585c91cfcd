"""Which rows can be compared with each other, and what tasks, models and machines are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from lstm_bench.analysis.groups import Group, settings
from lstm_bench.record.attempt import Attempt, Machine
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports.numbers import NO_BREAK


@dataclass(frozen=True)
class SameModel:
    """Groups that train the same model equally long on the same data and machine.

    Attributes:
        name: of what they compute.
        groups: they differ in backend, device or precision.
    """

    name: str
    groups: tuple[Group, ...]

    @property
    def task(self) -> str:
        """The name of the task and the model, without the machine."""
        return model_name(self.groups[0].first.configuration)


def by_data(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that learn from the same data, whatever their models: the same baselines hold for them."""
    return _together(groups, lambda group: group.first.configuration.task_selector)


def by_model(groups: Sequence[Group]) -> list[SameModel]:
    """Groups that compute the same, in order of the first group of each model.

    A group that failed before its machine was known belongs to the only machine, if there is only one.
    """
    apart = several_machines(groups)

    def alike(group: Group) -> Hashable:
        configuration = group.first.configuration
        return (
            configuration.task_selector,
            *settings(configuration).items(),
            configuration.epochs,
            configuration.steps,
            hardware(group) if apart else "",
        )

    return [
        SameModel(
            model_name(found[0].first.configuration) + (f" on {hardware(found[0])}" if apart else ""), tuple(found)
        )
        for found in _together(groups, alike)
    ]


def _together(groups: Sequence[Group], alike: Callable[[Group], Hashable]) -> list[list[Group]]:
    found: dict[Hashable, list[Group]] = {}
    for group in groups:
        found.setdefault(alike(group), []).append(group)
    return list(found.values())


def recipe_name(configuration: Configuration) -> str:
    """``flights:tutorial``: the task and its recipe, without options."""
    return f"{configuration.task}:{configuration.recipe.name}"


def model_name(configuration: Configuration) -> str:
    """The task with its options and changes: ``copy:default[delay=50] (cell gru)``."""
    changes = ", ".join(f"{name} {value}" for name, value in configuration.changes.items())
    return configuration.task_selector + (f" ({changes})" if changes else "")


def attempt_name(attempt: Attempt) -> str:
    """The configuration's name, with the number of the round where there are several."""
    rounds = attempt.configuration.effort.rounds
    return attempt.configuration.name + (
        f" round {attempt.round + 1} of {rounds}" if rounds > 1 and attempt.run else ""
    )


def several_machines(groups: Sequence[Group]) -> bool:
    """Whether the groups were measured on more than one known machine."""
    return len({hardware(group) for group in groups} - {""}) > 1


def hardware(group: Group) -> str:
    """Processor, cores and memory of a group's machine; empty where the machine is not known."""
    machine = group.first.findings.machine
    if machine is None:
        return ""
    size = f"{machine.cores} cores, {machine.memory_bytes / 2**30:.0f}{NO_BREAK}GiB"
    return f"{processor_name(machine)}, {size}"


def machine_name(group: Group) -> str:
    """The name of the device that computed, if it has one, and the machine."""
    return ", ".join(part for part in (group.first.findings.device_name, hardware(group)) if part)


def processor_name(machine: Machine) -> str:
    """``Intel Xeon`` for ``Intel(R) Xeon(R) Processor``."""
    return re.sub(r"\((R|TM)\)| Processor\b| CPU\b", "", machine.processor).strip() or machine.processor
