"""What is said of speed: intervals, what is fastest, when a slow start is made up for, whether times were sound."""

from __future__ import annotations

import re

import msgspec
import pytest

from builders import a_cell, a_failure, a_timing, an_attempt, some_findings
from lstm_bench.flops import operations
from lstm_bench.reports.speed import percent
from lstm_bench.reports.summary import summarise
from lstm_bench.result import Ceiling


def a_row(name, *milliseconds, start=1.0, blocks=(1.0,), **cell):
    """Rounds in which a training step took so long, each of whose blocks took so many times as long as the next."""
    made = []
    for number, each in enumerate(milliseconds):
        timing = a_timing("train", steps_per_block=1, block_ns=tuple(round(each * b * 1e6) for b in blocks))
        findings = some_findings(
            timings={"train": timing}, seconds={"build": 0.0, "first step": start}, versions={name: "1.0"}
        )
        given = {"cell": a_cell(backend=name, **cell), "findings": findings, "round": number, "run": "r"}
        made.append(an_attempt(number, times_only=number > 0, **given))
    return made


def notes(*rows):
    return summarise([attempt for row in rows for attempt in row]).notes


def said(found, begin):
    (line,) = (note.split(begin, 1)[1] for note in found if begin in note)
    return line


@pytest.mark.parametrize(("share", "text"), [(0.0123, "1.2%"), (0.12345, "12%"), (0.000444, "0.044%"), (0.0, "0%")])
def test_a_share_has_two_digits(share, text):
    assert percent(share) == text


def test_rounds_are_one_row_with_half_the_interval():
    (section,) = summarise(a_row("torch", 1.0, 1.02, 0.98)).sections
    cells = dict(zip([column.title for column in section.columns], section.rows[0].cells, strict=True))
    assert len([row for row in section.rows if not row.baseline]) == 1
    assert re.fullmatch(r"4,00\d ±5.1%", cells["train seq/s"])
    assert cells["status"] == "ok"


def test_one_round_has_no_interval_and_says_so():
    found = notes(a_row("torch", 1.0), a_row("numpy", 2.0))
    assert said(found, ": train: ") == "torch takes 0.50 of numpy's time (one round, which shows nothing for sure)"


def test_the_fastest_is_compared_with_each_other():
    rows = a_row("numpy", 2.0, 2.02, 1.98), a_row("jax", 1.01, 1.01, 0.99), a_row("torch", 1.0, 1.02, 0.98)
    line = said(notes(*rows), ": train: ")
    shown, not_shown = line.split("; ")
    assert re.fullmatch(r"torch takes 0\.50 \(0\.4\d \.\. 0\.5\d\) of numpy's time", shown)
    assert re.fullmatch(r"no difference from jax shown \(0\.9\d \.\. 1\.0\d\)", not_shown)


def test_where_no_difference_is_shown_nothing_is_said_to_be_faster():
    line = said(notes(a_row("numpy", 1.0, 1.1, 1.2), a_row("jax", 1.2, 1.1, 1.01)), ": train: ")
    assert re.fullmatch(r"(numpy: no difference from jax|jax: no difference from numpy) shown \(.*\)", line)


def test_device_and_precision_are_named_where_they_differ():
    line = said(notes(a_row("torch", 1.0, 1.0), a_row("torch", 2.0, 2.0, precision="float64")), ": train: ")
    assert line == "torch (cpu, float32) takes 0.50 (0.50 .. 0.50) of torch (cpu, float64)'s time"


def test_other_models_are_not_compared():
    other = a_row("jax", 2.0, threads=1)
    assert not any(": train: " in note for note in notes(a_row("torch", 1.0), other))


def test_a_slow_start_is_made_up_for_after_some_steps():
    rows = a_row("jax", 1.0, 1.0, start=9.0), a_row("numpy", 2.0, 2.0, start=1.0), a_row("torch", 0.5, 0.5, start=2.0)
    line = said(notes(*rows), "made up for, in training steps: ")
    assert line == "jax 8,000 beside numpy; torch 670 beside numpy"


def bounded(*rows, most=2e9, floor=0.0001):
    """These rows, as attempts that know what could at most be reached: batches of 4 x 12 x 1."""
    ceiling = Ceiling(size=512, flops_per_second=most, floor_seconds={"train": floor})
    return [
        msgspec.structs.replace(
            a, findings=msgspec.structs.replace(a.findings, batch_shape=(4, 12, 1), ceiling=ceiling)
        )
        for row in rows
        for a in row
    ]


def test_operations_are_counted_beside_what_could_at_most_be_reached():
    summary = summarise(bounded(a_row("torch", 1.0, 1.0)))
    (section,) = summary.sections
    cells = dict(zip([column.title for column in section.columns], section.rows[0].cells, strict=True))
    per_second = operations(a_cell().recipe.model, "train", batch=4, time=12) / 0.001 / 1e9
    assert cells["train GFLOP/s"] == f"{per_second:.3g} ({percent(per_second / 2)})"
    assert said(summary.notes, ": ceiling: ") == "torch 2 GFLOP/s, floor train 10%"


def test_without_a_product_operations_are_counted_alone():
    summary = summarise(bounded(a_row("torch", 1.0), most=None))
    (section,) = summary.sections
    cells = dict(zip([column.title for column in section.columns], section.rows[0].cells, strict=True))
    assert re.fullmatch(r"[0-9.]+", cells["train GFLOP/s"])
    assert said(summary.notes, ": ceiling: ") == "torch floor train 10%"


def test_every_process_that_was_not_flat_is_told():
    warming = a_row("torch", 1.0, 1.0, 1.0, blocks=(1.3, 1.2, 1.0, 1.0))
    assert said(notes(warming), "(cpu, float32): train: ") == "of 3 processes 3 warming while timed"
    flat = notes(a_row("torch", 1.0, 1.0, blocks=(1.0,) * 6))
    assert "steadiness: every process was flat while it was timed" in flat


def test_outliers_are_counted():
    found = notes(a_row("torch", 1.0, 1.0, blocks=(1.0, 1.0, 1.0, 1.0, 1.0, 9.0)))
    assert "outliers: 2 of 12 blocks are far from the others of their process, none left out" in found


def test_a_failure_says_in_which_round_it_was():
    cell = a_cell()
    attempts = [*a_row("torch", 1.0), a_failure(9, cell=cell, round=1, run="r")]
    assert any(
        note.startswith("torch on flights:tutorial (cpu, float32) round 2 of 3: crashed: ") for note in notes(attempts)
    )
