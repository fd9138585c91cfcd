"""The sentences above the tables of a page: whether the rows agree, what failed, and what was run where."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.analysis.groups import Group, gpus_of_machines
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.models import processor_name
from lstm_bench.reports.table import Summary
from lstm_bench.text import LONGEST_ENTRY, brief

NAMED = 6
"""How many machines or failures are named. The others are counted."""


def headline(attempts: Sequence[Attempt]) -> str:
    """The tasks and the processor: ``flights, copy on Intel Xeon``."""
    tasks = list(dict.fromkeys(attempt.configuration.task for attempt in attempts))
    processors = list(dict.fromkeys(processor_name(a.findings.machine) for a in attempts if a.findings.machine))
    place = processors[0] if len(processors) == 1 else f"{len(processors)} kinds of processors"
    devices = list(dict.fromkeys(a.findings.device_name for a in attempts if a.findings.device_name))
    places = ([place] if processors else []) + (devices if len(devices) < 2 else [f"{len(devices)} kinds of GPUs"])
    return brief(", ".join(tasks), LONGEST_ENTRY) + (
        f" on {brief(' and '.join(places), LONGEST_ENTRY)}" if places else ""
    )


def in_words(summary: Summary) -> list[str]:
    """The sentences about all attempts. Who is fastest is said in each section."""
    groups = [row.group for section in summary.sections for row in section.rows if row.group is not None]
    said = [_agreement(groups), _failures(groups), _extent(groups), _machines(groups)]
    return [sentence for sentence in said if sentence]


def _extent(groups: Sequence[Group]) -> str:
    backends = dict.fromkeys(group.first.configuration.backend_selector for group in groups)
    tasks = dict.fromkeys(group.first.configuration.task_selector for group in groups)
    attempts = sum(len(group.attempts) for group in groups)
    return (
        f"{_count(len(backends), 'backend')} on {_count(len(tasks), 'task')}: {_count(len(groups), 'row')} from "
        f"{_count(attempts, 'measurement')}, each in its own process."
    )


def _machines(groups: Sequence[Group]) -> str:
    machines = [(machine, gpus) for machine, gpus in gpus_of_machines(groups).items() if machine is not None]
    if not machines:
        return ""
    told = [
        f"{processor_name(m)} with {_count(m.cores, 'processor')} and {m.memory_bytes / 2**30:.0f} GiB, {m.system}, "
        f"Python {m.python}" + "".join(f", {gpu}" for gpu in gpus)
        for m, gpus in machines[:NAMED]
    ]
    if len(machines) == 1:
        return f"Measured on {told[0]}."
    more = f"; and {len(machines) - NAMED} others" if len(machines) > NAMED else ""
    listed = "; ".join(told) + more
    return f"Measured on {len(machines)} machines. Times of different machines are never compared: {listed}."


def _failures(groups: Sequence[Group]) -> str:
    """The names of the rows that are not ``ok``."""
    failed = [
        f"{group.first.configuration.name} ({', '.join(dict.fromkeys(s for s in group.statuses if s != 'ok'))})"
        for group in groups
        if set(group.statuses) != {"ok"}
    ]
    if not failed:
        return ""
    more = f"; and {len(failed) - NAMED} others" if len(failed) > NAMED else ""
    return f"Not ok: {'; '.join(brief(name, LONGEST_ENTRY) for name in failed[:NAMED])}{more}."


def _agreement(groups: Sequence[Group]) -> str:
    compared = [
        found
        for group in groups
        if (found := next((a.findings.agreement for a in group.attempts if a.findings.agreement), None)) is not None
    ]
    off = sum(bool(found.disagreements) for found in compared)
    if not compared:
        return "No row was compared with the float64 reference."
    if not off and len(compared) == len(groups):
        return f"All {_count(len(groups), 'row')} agree with the float64 reference."
    return f"{len(compared) - off} of {_count(len(groups), 'row')} agree with the float64 reference."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
