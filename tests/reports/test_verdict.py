"""The last answer of a table: how many rows agree with the reference, and which rows are compared with nothing."""

import msgspec
import pytest

from builders import a_failure, some_run, times
from lstm_bench.record.attempt import Agreement
from lstm_bench.reports.summary import summarise

AGREED = {"agreement": Agreement(errors={"logits": 1e-7}, tolerances={"logits": 1e-5}, worst={})}


def rows(*names, status="ok", **given):
    made = [a for n, name in enumerate(names) for a in some_run(*times(1 + n), backend=name, findings=AGREED, **given)]
    reason = "" if status == "ok" else f"why {status}"
    return [msgspec.structs.replace(attempt, status=status, reason=reason) for attempt in made]


def trust(*attempts):
    (section,) = summarise([attempt for some in attempts for attempt in some]).sections
    return section.answers[-1]


@pytest.mark.parametrize(
    ("attempts", "says"),
    [
        ([rows("jax", "torch")], "all 2 rows agree with the float64 reference"),
        ([rows("jax")], "1 row agrees with the float64 reference"),
        ([rows("jax", status="mismatch")], "no row agrees with the float64 reference; jax: mismatch: why mismatch"),
        (
            [rows("jax"), rows("torch", status="disturbed")],
            "all 2 rows agree with the float64 reference; torch was disturbed by other processes and is compared with "
            "nothing",
        ),
        (
            [rows("jax", "torch", status="disturbed")],
            "all 2 rows agree with the float64 reference; jax and torch were disturbed by other processes and are "
            "compared with nothing",
        ),
        (
            [rows("jax"), rows("torch", status="mismatch")],
            "1 of 2 rows agrees with the float64 reference; torch: mismatch: why mismatch",
        ),
    ],
)
def test_the_last_answer_says_whom_to_trust(attempts, says):
    assert trust(*attempts) == says


def test_in_a_sweep_a_row_that_failed_is_named_with_its_setting():
    said = trust(rows("jax"), rows("jax", threads=1, status="crashed"))
    assert "; jax on flights:tutorial: crashed: why crashed" in said


def test_of_many_failures_the_first_are_named():
    failures = [a_failure(n, configuration=rows(f"b{n}")[0].configuration) for n in range(9)]
    said = trust(failures)
    assert said.count("crashed: left in phase") == 6
    assert said.endswith("; 3 more are not ok")


def test_a_long_reason_is_cut_in_the_answer_and_whole_in_the_notes():
    reason = "because " * 80
    (section,) = summarise([a_failure(1, reason=reason)]).sections
    assert len(section.answers[-1]) < 400
    assert any(reason.strip() in note for note in section.notes)
