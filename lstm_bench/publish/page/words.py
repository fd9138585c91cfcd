"""The sentences above the tables of a page: what was run, whether it agrees, what failed, and what is fastest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lstm_bench.analysis.groups import Group, gpus_of_machines
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.models import processor_name
from lstm_bench.reports.table import Section, Summary
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
    """The sentences about all attempts."""
    groups = [row.group for section in summary.sections for row in section.rows if row.group is not None]
    said = [_extent(groups), _failures(groups), _agreement(groups)]
    said += [_fastest(section) for section in summary.sections]
    said.append(_machines(groups))
    return [sentence for sentence in said if sentence]


def _extent(groups: Sequence[Group]) -> str:
    backends = dict.fromkeys(group.first.configuration.backend_selector for group in groups)
    tasks = dict.fromkeys(group.first.configuration.task_selector for group in groups)
    attempts = sum(len(group.attempts) for group in groups)
    statuses = Counter(" and ".join(sorted(set(group.statuses))) for group in groups)
    ended = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return (
        f"{_count(len(backends), 'backend')} on {_count(len(tasks), 'task')}: {_count(len(groups), 'row')} of "
        f"{_count(attempts, 'attempt')}, each in a process of its own. Rows: {ended}."
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
    return f"Measured on {len(machines)} machines, whose times are never compared with each other: {listed}."


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
        return "None was compared with the float64 reference."
    if not off:
        return f"{_count(len(compared), 'row')} compared with the float64 reference before timing, and all agree."
    return f"{_count(len(compared), 'row')} compared with the float64 reference before timing: {off} disagree."


def _fastest(section: Section) -> str:
    """The marked rows of each column."""
    told = []
    for at, column in enumerate(section.columns):
        best = [row.texts[0] for row in section.rows if row.entries[at].best]
        if best:
            told.append(f"{column.title} {', '.join(dict.fromkeys(best))}")
    if told:
        return f"{brief(section.title, LONGEST_ENTRY)}: shown to be best: {'; '.join(told)}."
    return ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
