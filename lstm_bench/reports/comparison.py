"""The output of ``lstm-bench compare``: the times of two sets of attempts side by side."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.analysis.comparison import FIRST_STEP, ComparedTime, Limit, RunComparison
from lstm_bench.reports.numbers import digits, percent, seconds
from lstm_bench.reports.table import Column, Row, Section, Summary

COLUMNS = (
    Column("row"),
    Column("measure"),
    Column("old", numeric=True),
    Column("new", numeric=True),
    Column("new / old", numeric=True),
    Column("95% interval", numeric=True),
    Column("verdict"),
)


def summarise(found: RunComparison, title: str, limits: Sequence[Limit]) -> Summary:
    """A table with one row for each measure of each pair, and notes on all that was not compared.

    Args:
        found: the comparison.
        title: the names of both sides.
        limits: how much slower the new side may be.
    """
    rows = [_row(time, limits) for time in found.times]
    for pair in found.failed:
        old, new = ("".join(dict.fromkeys(group.statuses)) for group in (pair.old, pair.new))
        rows.append(Row.of(pair.new.first.configuration.name, "", old, new, "", "", "not compared"))
    notes = [*found.unmatched, *(f"also differs: {text}" for text in found.differences)]
    notes.append("old and new: time of a step, geometric mean over rounds of the median over blocks")
    if any(time.measure == FIRST_STEP for time in found.times):
        notes.append("first step: time of the first training step, including JIT compilation")
    if any(time.ratio.low is None for time in found.times):
        notes.append("not judged: one round cannot show a difference; run without --quick")
    return Summary((Section(title, "time ratios; above 1 the new one is slower", COLUMNS, tuple(rows)),), tuple(notes))


def _row(time: ComparedTime, limits: Sequence[Limit]) -> Row:
    ratio = time.ratio
    interval = "" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
    over = [limit for limit in limits if limit.exceeded(time)]
    verdict = time.verdict + "".join(f", by more than {percent(limit.share)}" for limit in over)
    name = time.pair.new.first.configuration.name
    old, new = (seconds(side.value, digits(side.value, side.relative)) for side in (time.old, time.new))
    return Row.of(name, time.measure, old, new, f"{ratio.value:.3f}", interval, verdict)
