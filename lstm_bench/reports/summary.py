"""What the tables for people say, whatever they are written in: a section for each task, and the lines beneath."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lstm_bench.result import Attempt, Judgement
from lstm_bench.store import to_frame

NO_BREAK = "\u00a0"
"""Between a number and its unit."""


@dataclass(frozen=True)
class Column:
    """A column's title, and whether it holds numbers, which are aligned at their right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    """Texts under each column.

    Attributes:
        cells: in order of the columns.
        baseline: whether this is no attempt, but what needs no model.
    """

    cells: tuple[str, ...]
    baseline: bool = False


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: a task's selector.
        subtitle: what the model is judged by, such as ``rmse in passengers, lower is better``.
        columns: in order; the metric's title is the metric's name.
        rows: attempts, then baselines.
    """

    title: str
    subtitle: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Summary:
    """Tables for people.

    Attributes:
        sections: one for each task.
        notes: what failed and why, what the columns mean, and where it was measured.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...]


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """The tables of these attempts, in their order."""
    if not attempts:
        return Summary((), ("no attempts",))
    frame = to_frame(attempts)
    by_task: dict[str, list[tuple[Attempt, Mapping[Hashable, Any]]]] = {}
    for attempt, record in zip(attempts, frame.to_dict("records"), strict=True):
        by_task.setdefault(attempt.cell.task_selector, []).append((attempt, record))
    sections, notes = [], []
    for task, of_task in by_task.items():
        sections.append(_section(task, of_task))
        notes += _verdict([attempt for attempt, _ in of_task])
    notes += [f"{a.cell.name}: {a.status}: {a.reason}" for a in attempts if a.status != "ok"]
    shortened = {(a.cell.epochs, a.cell.recipe.epochs) for a in attempts if a.cell.epochs != a.cell.recipe.epochs}
    notes += [f"* trained for {epochs} of the recipe's {full} epochs" for epochs, full in sorted(shortened)]
    if (frame["native_parameters"].fillna(frame["parameters"]) != frame["parameters"]).any():
        notes.append("params: trained numbers of the canonical model (as the framework counts them)")
    notes.append("seq/s: sequences per second, median over blocks of steps; memory: peak above the level after import")
    notes += _measured(attempts)
    return Summary(tuple(sections), tuple(notes))


def _section(task: str, pairs: Sequence[tuple[Attempt, Mapping[Hashable, Any]]]) -> Section:
    judgement = next((a.findings.judgement for a, _ in pairs if a.findings.judgement), None)
    columns = (
        Column("backend"),
        Column("device"),
        Column("precision"),
        Column("params", numeric=True),
        Column(judgement.metric if judgement else "metric", numeric=True),
        Column("train seq/s", numeric=True),
        Column("infer seq/s", numeric=True),
        Column("first step", numeric=True),
        Column("memory", numeric=True),
        Column("status"),
    )
    rows = [Row(_cells(record)) for _, record in pairs]
    if judgement is not None:
        rows += [_baseline(name, judgement, len(columns)) for name in judgement.baselines]
    metric = ""
    if judgement is not None:
        unit = f" in {judgement.unit}" if judgement.unit else ""
        metric = f"{judgement.metric}{unit}, {judgement.better} is better"
    return Section(task, metric, columns, tuple(rows))


def _cells(record: Mapping[Hashable, Any]) -> tuple[str, ...]:
    def write(key: str, form: Callable[[Any], str] = str) -> str:
        return form(record[key]) if pd.notna(record[key]) else ""

    parameters = write("parameters", "{:,}".format)
    if record["native_parameters"] != record["parameters"]:
        parameters += write("native_parameters", " ({:,.0f})".format)
    shortened = "*" if record["epochs"] != record["recipe_epochs"] else ""
    return (
        f"{write('backend')} {write('version')}".strip(),
        write("device"),
        write("precision"),
        parameters,
        write("value", lambda value: significant(value) + shortened),
        write("train_sequences_per_s", significant),
        write("infer_sequences_per_s", significant),
        write("first_step_s", seconds),
        write("peak_memory_bytes", mebibytes),
        write("status"),
    )


def _baseline(name: str, judgement: Judgement, width: int) -> Row:
    value = judgement.baselines[name].get(judgement.metric)
    cells = [f"baseline: {name}", *[""] * (width - 1)]
    cells[4] = significant(value) if value is not None else ""
    return Row(tuple(cells), baseline=True)


def _verdict(attempts: Sequence[Attempt]) -> list[str]:
    """Whether the models are any good: how many of them beat the best baseline."""
    judged = [a.findings.judgement for a in attempts if a.status == "ok" and a.findings.judgement]
    if not judged:
        return []
    metric, lower = judged[0].metric, judged[0].better == "lower"
    unit = f" {judged[0].unit}" if judged[0].unit else ""
    baselines = {n: v for n, m in judged[0].baselines.items() if (v := m.get(metric)) is not None}
    if not baselines:
        return []
    best = (min if lower else max)(baselines, key=lambda name: baselines[name])
    values = [judgement.metrics.get(metric) for judgement in judged]
    beating = sum(v is not None and (v < baselines[best] if lower else v > baselines[best]) for v in values)
    says = "no model beats" if beating == 0 else f"{beating} of {len(values)} models beat"
    return [
        f"{attempts[0].cell.task_selector}: {says} the best baseline, {best} "
        f"({metric} {significant(baselines[best])}{unit})"
    ]


def _measured(attempts: Sequence[Attempt]) -> list[str]:
    """Where and how: one line for each combination of machine, threads and effort."""
    lines = dict.fromkeys(
        f"effort {a.cell.effort.name}, {a.cell.threads} thread{'s' if a.cell.threads > 1 else ''}, "
        + (f"{m.processor}, {m.system}, Python {m.python}" if (m := a.findings.machine) else "machine unknown")
        + (f", {a.findings.device_name}" if a.findings.device_name else "")
        for a in attempts
    )
    return [f"measured with {line}" for line in lines]


def significant(value: float) -> str:
    """Four significant digits without an exponent where people can read it: ``2,150``, ``50.71``, ``0.9312``."""
    return f"{value:,.0f}" if abs(float(f"{value:.4g}")) >= 1000 else f"{value:#.4g}"


def seconds(value: float) -> str:
    """Seconds in the unit that suits them."""
    rounded = float(f"{value:.3g}")
    if rounded >= 1000:
        return f"{value:,.0f}{NO_BREAK}s"
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if rounded >= s), ("ns", 1e-9))
    return f"{value / scale:.3g}{NO_BREAK}{unit}"


def mebibytes(value: float) -> str:
    """Bytes as MiB."""
    return f"{value / 2**20:.0f}{NO_BREAK}MiB"
