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
    return summarise([attempt for row in rows for attempt in row]).lines


def said(found, begin):
    """What the only line that begins so says after that."""
    (line,) = (note.removeprefix(begin) for note in found if note.startswith(begin))
    return line


def test_rounds_are_one_row_with_half_the_interval():
    (section,) = summarise(a_row("torch", 1.0, 1.02, 0.98)).sections
    texts = dict(zip([column.title for column in section.columns], section.rows[0].texts, strict=True))
    assert len([row for row in section.rows if not row.baseline]) == 1
    assert texts["train seq/s"] == "4,000 ±5.1%"
    assert texts["status"] == "ok"


@pytest.mark.parametrize(("rounds", "says"), [((1.0,), "one round"), ((1.0, 1.0), "geometric mean over rounds")])
def test_what_a_time_is_made_of_is_said(rounds, says):
    assert says in said(notes(a_row("torch", *rounds)), "seq/s: ")


def test_one_round_has_no_interval_and_says_so():
    found = notes(a_row("torch", 1.0), a_row("numpy", 2.0))
    assert said(found, "train: ") == "torch looks fastest: 2.0x faster than numpy; one round cannot show it for sure"


def test_rows_stand_in_order_of_speed_beside_how_many_times_as_long_they_take():
    rows = a_row("numpy", 2.0, 2.02, 1.98), a_row("jax", 1.3, 1.3, 1.29), a_row("torch", 1.0, 1.02, 0.98)
    (section,) = summarise([attempt for row in rows for attempt in row]).sections
    at = [column.title for column in section.columns].index("vs fastest")
    assert [(row.texts[0].split()[0], row.texts[at]) for row in section.rows if not row.baseline] == [
        ("torch", "1.00x"),
        ("jax", "1.30x"),
        ("numpy", "2.00x"),
    ]


def test_the_fastest_is_compared_with_each_other():
    rows = a_row("numpy", 2.0, 2.02, 1.98), a_row("jax", 1.01, 1.01, 0.99), a_row("torch", 1.0, 1.02, 0.98)
    tie, faster = said(notes(*rows), "train: ").split("; ")
    assert re.fullmatch(r"torch ties with jax \(0\.9\d to 1\.\d\) within noise", tie)
    assert re.fullmatch(r"it is 2\.00?x faster than numpy \(1\.\d+ to 2\.\d+\)", faster)


def test_one_that_leads_all_others_is_fastest():
    found = notes(a_row("numpy", 2.0, 2.02, 1.98), a_row("torch", 1.0, 1.02, 0.98))
    assert re.fullmatch(r"torch is fastest: 2\.00?x faster than numpy \(.*\)", said(found, "train: "))


def test_where_no_difference_is_shown_nothing_is_said_to_be_faster():
    line = said(notes(a_row("numpy", 1.0, 1.1, 1.2), a_row("jax", 1.2, 1.1, 1.01)), "train: ")
    assert re.fullmatch(r"(numpy ties with jax|jax ties with numpy) \(.*\) within noise", line)


def ended(rows, **changes):
    """These rows, all of whose attempts ended in another way."""
    return [msgspec.structs.replace(attempt, **changes) for attempt in rows]


@pytest.mark.parametrize("status", ["disturbed", "crashed", "implausible"])
def test_a_row_that_is_not_ok_is_compared_with_nothing(status):
    odd = ended(a_row("jax", 0.5, 0.5, 0.5), status=status, reason="why")
    summary = summarise([*odd, *a_row("torch", 1.0, 1.0, 1.0), *a_row("numpy", 2.0, 2.0, 2.0)])
    (section,) = summary.sections
    at = [column.title for column in section.columns].index("vs fastest")
    assert {row.texts[0].split()[0]: row.texts[at] for row in section.rows if not row.baseline} == {
        "torch": "1.00x",
        "numpy": "2.00x",
        "jax": "",
    }
    assert "torch is fastest" in said(summary.lines, "train: ")
    assert "jax" not in said(summary.lines, "train: ")
    assert "jax" in section.answers[-1]
    assert not any(entry.best for row in section.rows if row.texts[0].startswith("jax") for entry in row.entries)


def test_if_one_row_alone_can_be_compared_that_is_said():
    attempts = [*ended(a_row("jax", 0.5), status="disturbed", reason="why"), *a_row("torch", 1.0)]
    (section,) = summarise(attempts).sections
    assert section.answers[0] == "torch is the only row to compare"


def test_device_and_precision_are_named_where_they_differ():
    line = said(notes(a_row("torch", 1.0, 1.0), a_row("torch", 2.0, 2.0, precision="float64")), "train: ")
    assert line.startswith("torch (cpu, float32) is fastest: 2.00x faster than torch (cpu, float64) (2.00 to 2.00)")


def test_two_versions_of_a_backend_are_told_apart():
    newer = [
        msgspec.structs.replace(a, findings=msgspec.structs.replace(a.findings, versions={"torch": "2.0"}))
        for a in a_row("torch", 2.0, 2.1)
    ]
    line = said(notes(a_row("torch", 1.0, 1.01), newer), "train: ")
    assert re.match(r"torch \(1\.0\) is fastest: [\d.]+x faster than torch \(2\.0\) ", line)


def test_two_runs_of_the_same_are_told_apart():
    again = ended(a_row("torch", 2.0, 2.1), run="s", created="2026-11-27T10:20:30Z")
    summary = summarise([*a_row("torch", 1.0, 1.01), *again])
    (section,) = summary.sections
    at = [column.title for column in section.columns].index("run")
    assert "2026-11-27 10:20" in [row.texts[at] for row in section.rows]
    assert "faster than torch (run of 2026-11-27 10:20)" in said(summary.lines, "train: ")


def test_other_models_are_not_compared():
    other = a_row("jax", 2.0, threads=1)
    assert not any("faster" in note for note in notes(a_row("torch", 1.0), other))


PAYS_BACK = " pays back its slower start after "


def paid_back(found):
    return [line.split(": ")[-1] for line in found if PAYS_BACK in line]


def test_a_slow_start_pays_off_after_some_steps():
    rows = a_row("jax", 1.0, 1.0, start=9.0), a_row("numpy", 2.0, 2.0, start=1.0), a_row("torch", 0.5, 0.5, start=2.0)
    assert paid_back(notes(*rows)) == [
        f"torch{PAYS_BACK}670 steps against numpy",
        f"jax{PAYS_BACK}8,000 steps against numpy",
    ]


def many(count, start=1.0):
    """Backends, each slower than the one before and ready slightly earlier."""
    return [a_row(f"b{n}", *(10 + n + d for d in (0.0, 0.01)), start=start - n / 1000) for n in range(count)]


def test_an_answer_names_the_nearest_three_and_a_note_six():
    (section,) = summarise([attempt for row in many(7) for attempt in row]).sections
    assert re.findall(r"faster than (b\d)", section.answers[0]) == ["b1", "b2"]
    assert section.answers[0].endswith(", 1.3x to 1.6x faster than 4 others".replace("x to", " to"))
    assert re.findall(r"faster than (b\d)", said(section.notes, "train: ")) == ["b1", "b2", "b3", "b4", "b5", "b6"]
    (section,) = summarise([attempt for row in many(4) for attempt in row]).sections
    assert re.findall(r"faster than (b\d)", section.answers[0]) == ["b1", "b2", "b3"]
    assert not any(note.startswith("train: ") and "faster" in note for note in section.notes)


def test_of_many_others_the_nearest_are_named_and_the_rest_are_told_together():
    (section,) = summarise([attempt for row in many(40) for attempt in row]).sections
    line = said(section.notes, "train: ")
    assert re.findall(r"faster than (b\d+)", line) == ["b1", "b2", "b3"]
    assert line.endswith(", 1.4 to 4.9x faster than 36 others")
    assert len(line) < 220


def test_among_many_others_those_that_tie_are_counted():
    alike = [a_row(f"a{n}", 50.0, 90.0) for n in range(2)]
    (section,) = summarise([attempt for row in (*many(8), *alike) for attempt in row]).sections
    assert section.answers[0].startswith("train: b0 ties with 2 others within noise; it is ")


def test_beside_many_others_a_slow_start_pays_off_against_the_nearest():
    found = paid_back(notes(*many(40, start=9.0)))
    assert found[0] == (
        f"b0{PAYS_BACK}1 steps against b1, 1 steps against b2, 1 steps against b3 and 1 steps against 36 others"
    )
    assert len(found) == 3


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


def test_few_models_are_told_one_by_one_in_the_notes():
    (section,) = summarise([attempt for row in sized(10, 20, 30) for attempt in row]).sections
    assert said(section.answers, "train: ") == "torch is fastest in 2 of 3 settings; no clear winner in 1"
    assert len([note for note in section.notes if ": train: " in note]) == 3
    assert len(paid_back(section.notes)) == 3


def test_many_models_are_told_together():
    (section,) = summarise([attempt for row in sized(*range(10, 110, 10)) for attempt in row]).sections
    assert said(section.answers, "train: ") == "torch is fastest in 9 of 10 settings; no clear winner in 1"
    assert paid_back(section.notes) == [
        f"torch{PAYS_BACK}110 to 1,000 steps against numpy (in 10 of 10 settings)",
        f"torch{PAYS_BACK}440 to 4,000 steps against jax (in 9 of 10 settings)",
    ]
    assert not any("hidden" in note for note in section.notes)


def test_of_many_models_in_none_of_which_one_is_shown_to_be_fastest_that_is_said():
    rows = []
    for size in range(1, 8):
        recipe = a_recipe(model=a_model(hidden_sizes=(size,)))
        rows += [a_row(name, 1.0, 1.0, recipe=recipe) for name in ("jax", "numpy")]
    assert said(notes(*rows), "train: ") == "no clear winner in any of 7 settings"


LIMITS = "fastest matrix multiply, and share of a step that the smallest model takes"


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
    assert said(summary.lines, f"{LIMITS}: ") == "torch 2 GFLOP/s, train 10%"


def test_ceilings_over_many_models_are_a_range():
    attempts = [
        a
        for n in range(1, 8)
        for a in bounded(
            a_row("torch", 1.0, 1.0, recipe=a_recipe(model=a_model(hidden_sizes=(n,)))), most=n * 1e12, floor=n * 1e-4
        )
    ]
    line = said(summarise(attempts).lines, f"{LIMITS}, over 7 settings: ")
    assert line == "torch 1,000 to 7,000 GFLOP/s, train 10% to 70%"


def test_without_a_product_operations_are_counted_alone():
    summary = summarise(bounded(a_row("torch", 1.0), most=None))
    (section,) = summary.sections
    texts = dict(zip([column.title for column in section.columns], section.rows[0].texts, strict=True))
    assert re.fullmatch(r"[0-9.]+", texts["train GFLOP/s"])
    assert said(summary.lines, f"{LIMITS}: ") == "torch train 10%"


def test_every_process_that_was_not_stable_is_told():
    warming = a_row("torch", 1.0, 1.0, 1.0, blocks=(1.3, 1.2, 1.0, 1.0))
    told = said(notes(warming), "timings: torch on flights:tutorial (cpu, float32): ")
    assert told == "train was warming in 3 of 3 processes"
    assert "timings: all were stable" in notes(a_row("torch", 1.0, 1.0, blocks=(1.0,) * 6))


def test_of_many_rows_that_were_not_stable_the_worst_are_named():
    rows = [a_row(f"b{n}", 1.0, 1.0, blocks=(1.3, 1.2, 1.0, 1.0)) for n in range(7)]
    rows[5] += a_row("b5", 1.0, 1.0, 1.0, blocks=(1.0,) * 4)[2:]
    assert said(notes(*rows), "timings: ") == (
        "14 of 15 were not stable (warming), in 7 rows and scopes, above all in "
        "b0 on flights:tutorial (cpu, float32): train was warming in 2 of 2 processes; "
        "b1 on flights:tutorial (cpu, float32): train was warming in 2 of 2 processes; "
        "b2 on flights:tutorial (cpu, float32): train was warming in 2 of 2 processes"
    )


def test_outliers_are_counted():
    found = notes(a_row("torch", 1.0, 1.0, blocks=(1.0, 1.0, 1.0, 1.0, 1.0, 9.0)))
    assert "outliers: 2 of 12 blocks are far from the rest of their process; they count, too" in found


def test_a_failure_says_in_which_round_it_was():
    configuration = a_configuration()
    attempts = [*a_row("torch", 1.0), a_failure(9, configuration=configuration, round=1, run="r")]
    assert any(
        note.startswith("torch on flights:tutorial (cpu, float32) round 2 of 3: crashed: ") for note in notes(attempts)
    )
