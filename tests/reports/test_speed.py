"""The notes about speed: intervals, the fastest backend, break-even points, ceilings, stability."""

from __future__ import annotations

import re

import msgspec
import pytest

from builders import a_configuration, a_failure, a_model, a_recipe, a_timing, an_attempt, some_findings
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import Ceiling
from lstm_bench.reports.numbers import percent, significant
from lstm_bench.reports.summary import summarise


def a_row(name, *milliseconds, start=1.0, blocks=(1.0,), **configuration):
    """Rounds with these times of a training step, and blocks with these multiples of that time."""
    made = []
    for number, each in enumerate(milliseconds):
        timing = a_timing("train", steps_per_block=1, block_ns=tuple(round(each * b * 1e6) for b in blocks))
        findings = some_findings(
            timings={"train": timing}, seconds={"build": 0.0, "first step": start}, versions={name: "1.0"}
        )
        given = {
            "configuration": a_configuration(backend=name, **configuration),
            "findings": findings,
            "round": number,
            "run": "r",
        }
        made.append(an_attempt(number, times_only=number > 0, **given))
    return made


def notes(*rows):
    return summarise([attempt for row in rows for attempt in row]).notes


def said(found, begin):
    (line,) = (note.split(begin, 1)[1] for note in found if begin in note)
    return line


def test_rounds_are_one_row_with_half_the_interval():
    (section,) = summarise(a_row("torch", 1.0, 1.02, 0.98)).sections
    texts = dict(zip([column.title for column in section.columns], section.rows[0].texts, strict=True))
    assert len([row for row in section.rows if not row.baseline]) == 1
    assert texts["train seq/s"] == "4,000 ±5.1%"
    assert texts["status"] == "ok"


@pytest.mark.parametrize(("rounds", "says"), [((1.0,), "one round"), ((1.0, 1.0), "geometric mean over rounds")])
def test_what_a_time_is_made_of_is_said(rounds, says):
    (note,) = (note for note in notes(a_row("torch", *rounds)) if note.startswith("seq/s: "))
    assert says in note


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
    assert line == "torch 670 beside numpy; jax 8,000 beside numpy"


def many(count, start=1.0):
    """Backends, each slower than the one before and ready slightly earlier."""
    return [a_row(f"b{n}", *(10 + n + d for d in (0.0, 0.01)), start=start - n / 1000) for n in range(count)]


def test_six_others_are_all_named():
    line = said(notes(*many(7)), ": train: ")
    assert re.findall(r"of (b\d)'s time", line) == ["b1", "b2", "b3", "b4", "b5", "b6"]


def test_of_many_others_the_nearest_are_named_and_the_rest_are_told_together():
    line = said(notes(*many(40)), ": train: ")
    assert re.findall(r"of (b\d+)'s time", line) == ["b1", "b2", "b3"]
    assert line.endswith(" of b3's time, 0.20 to 0.71 of the times of 36 others")
    assert len(line) < 200


def test_among_many_others_those_are_counted_of_which_no_difference_is_shown():
    alike = [a_row(f"a{n}", 50.0, 90.0) for n in range(2)]
    line = said(notes(*many(8), *alike), ": train: ")
    assert line.endswith(" of the times of 4 others; no difference from 2 others shown")
    line = said(notes(*many(8), *alike[:1]), ": train: ")
    assert line.endswith(" of the times of 4 others; no difference from another one shown")


def test_beside_many_others_a_slow_start_is_made_up_for_beside_the_nearest():
    line = said(notes(*many(40, start=9.0)), "made up for, in training steps: ")
    fastest, *_ = line.split("; ")
    assert fastest == "b0 1 beside b1, 1 beside b2, 1 beside b3, 1 beside 36 others"
    assert len(line.split("; ")) == 4
    assert line.endswith("; and 36 more")


def sized(*hidden):
    """Three backends on models of these sizes; torch starts late and is the fastest, except on the largest model."""
    rows = []
    for size in hidden:
        recipe = a_recipe(model=a_model(hidden_sizes=(size,)))
        changes = {"recipe": recipe, "changes": {"hidden": str(size)}}
        rows += [
            a_row("torch", size / 10, size / 10 + (size == max(hidden)) * size, start=5.0, **changes),
            a_row("jax", size / 5, size / 5, **changes),
            a_row("numpy", size / 2, size / 2, **changes),
        ]
    return rows


def test_few_models_are_told_one_by_one():
    found = notes(*sized(10, 20, 30))
    assert len([note for note in found if ": train: " in note and "takes" in note]) == 3
    assert len([note for note in found if "made up for" in note]) == 3


def test_many_models_are_told_together():
    found = notes(*sized(*range(10, 110, 10)))
    assert said(found, "flights:tutorial: train: ") == "shown to be fastest: torch in 9 of 10 settings, none in 1"
    assert said(found, "made up for, in training steps: ") == (
        "torch 110 to 1,000 beside numpy (in 10 of 10 settings); torch 440 to 4,000 beside jax (in 9 of 10 settings)"
    )
    assert not any("hidden" in note for note in found)


def test_of_many_models_in_none_of_which_one_is_shown_to_be_fastest_that_is_said():
    rows = []
    for size in range(1, 8):
        recipe = a_recipe(model=a_model(hidden_sizes=(size,)))
        rows += [a_row(name, 1.0, 1.0, recipe=recipe) for name in ("jax", "numpy")]
    assert said(notes(*rows), "flights:tutorial: train: ") == "none is shown to be fastest in any of 7 settings"


def bounded(*rows, most=2e9, floor=0.0001):
    """These rows as attempts with a ceiling and a floor, and batches of 4 x 12 x 1."""
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
    texts = dict(zip([column.title for column in section.columns], section.rows[0].texts, strict=True))
    per_second = operations(a_configuration().recipe.model, "train", batch=4, time=12) / 0.001 / 1e9
    assert texts["train GFLOP/s"] == f"{significant(per_second)} ({percent(per_second / 2)})"
    assert said(summary.notes, ": ceiling: ") == "torch 2 GFLOP/s, floor train 10%"


def test_ceilings_over_many_models_are_a_range():
    attempts = [
        a
        for n in range(1, 8)
        for a in bounded(
            a_row("torch", 1.0, 1.0, recipe=a_recipe(model=a_model(hidden_sizes=(n,)))), most=n * 1e12, floor=n * 1e-4
        )
    ]
    line = said(summarise(attempts).notes, ": ceiling, over 7 settings: ")
    assert line == "torch 1,000 to 7,000 GFLOP/s, floor train 10% to 70%"


def test_without_a_product_operations_are_counted_alone():
    summary = summarise(bounded(a_row("torch", 1.0), most=None))
    (section,) = summary.sections
    texts = dict(zip([column.title for column in section.columns], section.rows[0].texts, strict=True))
    assert re.fullmatch(r"[0-9.]+", texts["train GFLOP/s"])
    assert said(summary.notes, ": ceiling: ") == "torch floor train 10%"


def test_every_process_that_was_not_flat_is_told():
    warming = a_row("torch", 1.0, 1.0, 1.0, blocks=(1.3, 1.2, 1.0, 1.0))
    assert said(notes(warming), "(cpu, float32): train: ") == "of 3 processes 3 warming while timed"
    flat = notes(a_row("torch", 1.0, 1.0, blocks=(1.0,) * 6))
    assert "steadiness: every process was flat while it was timed" in flat


def test_of_many_rows_that_were_not_flat_the_worst_are_named():
    rows = [a_row(f"b{n}", 1.0, 1.0, blocks=(1.3, 1.2, 1.0, 1.0)) for n in range(7)]
    rows[5] += a_row("b5", 1.0, 1.0, 1.0, blocks=(1.0,) * 4)[2:]
    (line,) = (note for note in notes(*rows) if note.startswith("steadiness: "))
    assert line == (
        "steadiness: of 15 processes 14 warming while timed, in 7 rows and scopes; most of them in "
        "b0 on flights:tutorial (cpu, float32): train: of 2 processes 2 warming; "
        "b1 on flights:tutorial (cpu, float32): train: of 2 processes 2 warming; "
        "b2 on flights:tutorial (cpu, float32): train: of 2 processes 2 warming"
    )


def test_outliers_are_counted():
    found = notes(a_row("torch", 1.0, 1.0, blocks=(1.0, 1.0, 1.0, 1.0, 1.0, 9.0)))
    assert "outliers: 2 of 12 blocks are far from the others of their process, none left out" in found


def test_a_failure_says_in_which_round_it_was():
    configuration = a_configuration()
    attempts = [*a_row("torch", 1.0), a_failure(9, configuration=configuration, round=1, run="r")]
    assert any(
        note.startswith("torch on flights:tutorial (cpu, float32) round 2 of 3: crashed: ") for note in notes(attempts)
    )
