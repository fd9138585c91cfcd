"""What the table for people says, whatever it is written in: columns, cells as text, and the lines beneath."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from lstm_bench.result import Attempt
from lstm_bench.store import to_frame


@dataclass(frozen=True)
class Column:
    """A column's title, and whether it holds numbers, which are aligned at their right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Summary:
    """A table for people.

    Attributes:
        columns: in order.
        rows: their texts; baselines are rows, too.
        notes: lines beneath the table: what the columns mean, what failed and why, where it was measured.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


COLUMNS = (
    Column("task"),
    Column("backend"),
    Column("version"),
    Column("device"),
    Column("precision"),
    Column("parameters", numeric=True),
    Column("metric", numeric=True),
    Column("train seq/s", numeric=True),
    Column("infer seq/s", numeric=True),
    Column("first step", numeric=True),
    Column("memory", numeric=True),
    Column("status"),
)


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """The table of these attempts, in their order; each task's baselines follow its last row."""
    if not attempts:
        return Summary(COLUMNS, (), ("no attempts",))
    frame = to_frame(attempts)
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for _, task in groupby(zip(attempts, frame.to_dict("records"), strict=True), lambda pair: pair[1]["task"]):
        pairs = list(task)
        rows += [_row(record) for _, record in pairs]
        rows += _baseline_rows([attempt for attempt, _ in pairs])
        notes += _verdict([attempt for attempt, _ in pairs])
    notes += [f"{a.cell.name}: {a.status}: {a.reason}" for a in attempts if a.status != "ok"]
    if frame["native_parameters"].notna().any():
        notes.append("parameters: the canonical model's (as the framework counts them)")
    notes.append("seq/s: median over blocks of steps; memory: peak above the level after import")
    notes += _measured(attempts)
    return Summary(COLUMNS, tuple(rows), tuple(notes))


def _row(record: Mapping[Hashable, Any]) -> tuple[str, ...]:
    def write(key: str, form: Callable[[Any], str] = str) -> str:
        return form(record[key]) if pd.notna(record[key]) else ""

    parameters = write("parameters", "{:,}".format)
    if record["native_parameters"] != record["parameters"]:
        parameters += write("native_parameters", " ({:,.0f})".format)
    metric = write("value", lambda value: f"{record['metric']} {significant(value)}")
    if metric and record["epochs"] != record["recipe_epochs"]:
        metric += f" ({record['epochs']} of {record['recipe_epochs']} epochs)"
    return (
        write("task"),
        write("backend"),
        write("version"),
        write("device"),
        write("precision"),
        parameters,
        metric,
        write("train_sequences_per_s", significant),
        write("infer_sequences_per_s", significant),
        write("first_step_s", seconds),
        write("peak_memory_bytes", mebibytes),
        write("status"),
    )


def _baseline_rows(attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
    judgement = next((a.findings.judgement for a in attempts if a.findings.judgement), None)
    if judgement is None:
        return []
    blank = [""] * (len(COLUMNS) - 2)
    rows = []
    for name, metrics in judgement.baselines.items():
        value = metrics.get(judgement.metric)
        cells = [attempts[0].cell.task_selector, f"baseline: {name}", *blank]
        cells[6] = f"{judgement.metric} {significant(value)}" if value is not None else ""
        rows.append(tuple(cells))
    return rows


def _verdict(attempts: Sequence[Attempt]) -> list[str]:
    """Whether the models are any good: how many of them beat the best baseline."""
    judged = [a for a in attempts if a.status == "ok" and a.findings.judgement]
    if not judged or judged[0].findings.judgement is None:
        return []
    first = judged[0].findings.judgement
    lower = first.better == "lower"
    named = {n: v for n, m in first.baselines.items() if (v := m.get(first.metric)) is not None}
    if not named:
        return []
    best = (min if lower else max)(named, key=lambda name: named[name])
    values = [a.findings.judgement.metrics.get(first.metric) for a in judged if a.findings.judgement]
    beaten = sum(v is not None and (v < named[best] if lower else v > named[best]) for v in values)
    unit = f" {first.unit}" if first.unit else ""
    says = "no model beats" if beaten == 0 else f"{beaten} of {len(values)} models beat"
    return [
        f"{attempts[0].cell.task_selector}: {says} the best baseline, {best} "
        f"({first.metric} {significant(named[best])}{unit}; {first.better} is better)"
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
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"


def seconds(value: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def mebibytes(value: float) -> str:
    """Bytes as MiB."""
    return f"{value / 2**20:.0f} MiB"
