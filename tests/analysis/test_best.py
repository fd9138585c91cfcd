"""Which rows are marked as the best of a column."""

from __future__ import annotations

import msgspec
import pytest

from builders import ROUNDS, a_configuration, a_judgement, a_machine, an_attempt, some_findings, some_run, times
from lstm_bench.analysis.best import most_able
from lstm_bench.analysis.groups import fastest, group_attempts
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.reports.summary import summarise

FORMATS = {name: info.render for name, info in load_plugins().reporters.items()}


def runs(**factors):
    """Rounds of these backends, slower by these factors."""
    return [a for name, factor in factors.items() for a in some_run(*times(factor), backend=name)]


def marked(attempts, column="train seq/s"):
    """The marked backends of a column."""
    return [
        row.entries[0].text.split()[0]
        for section in summarise(attempts).sections
        for at, title in enumerate(section.columns)
        for row in section.rows
        if row.entries[at].best and title.title == column
    ]


def marks(attempts):
    return [entry for s in summarise(attempts).sections for row in s.rows for entry in row.entries if entry.best]


@pytest.mark.parametrize(
    ("factors", "found"),
    [
        ({"torch": 1.0, "jax": 1.5, "numpy": 2.0}, ["torch"]),
        ({"torch": 1.5, "jax": 1.0, "numpy": 2.0}, ["jax"]),
        ({"torch": 1.0, "jax": 1.0, "numpy": 2.0}, []),
        ({"torch": 1.0, "jax": 1.005, "numpy": 2.0}, []),  # shown, and of no use to anybody
        ({"torch": 1.0}, []),
    ],
    ids=["first", "second", "two alike", "within the margin", "alone"],
)
def test_a_row_is_marked_only_if_it_is_shown_to_be_faster_than_each_other(factors, found):
    assert marked(runs(**factors)) == found


def test_one_round_marks_nothing():
    assert marks([*some_run(1.0, backend="torch"), *some_run(9.0, backend="jax")]) == []


def test_one_other_of_one_round_is_enough_to_mark_nothing():
    assert marks([*runs(torch=1.0, jax=2.0), *some_run(9.0, backend="numpy")]) == []


def test_what_failed_is_no_rival():
    failed = [
        an_attempt(
            800 + a.round,
            configuration=a.configuration,
            status="mismatch",
            reason="logits",
            findings=a.findings,
            round=a.round,
        )
        for a in some_run(*times(0.1), backend="numpy")
    ]
    assert marked([*runs(torch=1.0, jax=2.0), *failed]) == ["torch"]


@pytest.mark.parametrize(
    "other",
    [
        {"threads": 1},
        {"epochs": 3},
        {"task_options": {"origins": "3"}},
        {"findings": {"machine": a_machine(processor="Abacus 10")}},
    ],
    ids=["threads", "epochs", "data", "machine"],
)
def test_rows_that_do_not_compute_the_same_are_no_rivals(other):
    slow = some_run(*times(2.0), backend="jax", **other)
    assert marks([*runs(torch=1.0), *slow]) == []
    slower = some_run(*times(4.0), backend="numpy", **other)
    assert marked([*runs(torch=1.0), *slow, *slower]) == ["jax"]


def test_two_machines_are_never_compared_and_each_is_named():
    away = {"findings": {"machine": a_machine(processor="Abacus 10")}}
    attempts = [*runs(torch=1.0, jax=2.0), *some_run(*ROUNDS, backend="torch", **away)]
    attempts += some_run(*times(0.1), backend="jax", **away)
    assert sorted(marked(attempts)) == ["jax", "torch"]
    told = [note for note in summarise(attempts).lines if ": train: " in note]
    assert [note.split(": train: ")[0].replace("\u00a0", " ") for note in told] == [
        "flights:tutorial on Abacus 9, 2 cores, 8 GiB",
        "flights:tutorial on Abacus 10, 2 cores, 8 GiB",
    ]
    assert not any("Abacus 10" in note for note in summarise(runs(torch=1.0, jax=2.0)).lines)


def test_rows_of_two_machines_say_which_is_theirs():
    away = {"findings": {"machine": a_machine(cores=64)}}
    (section,) = summarise([*some_run(*ROUNDS), *some_run(*ROUNDS, **away)]).sections
    at = [column.title for column in section.columns].index("machine")
    assert [row.texts[at].replace("\u00a0", " ") for row in section.rows] == [
        "Slide rule, Abacus 9, 2 cores, 8 GiB",
        "Slide rule, Abacus 9, 64 cores, 8 GiB",
        "",
        "",
    ]
    (section,) = summarise(some_run(*ROUNDS)).sections
    assert "machine" not in [column.title for column in section.columns]


def test_each_scope_has_its_own_best():
    attempts = []
    for name, (train, infer) in {"torch": (1.0, 2.0), "jax": (2.0, 1.0)}.items():
        both = (some_run(*times(factor), backend=name, scopes=("train", "infer")) for factor in (train, infer))
        for of_train, of_infer in zip(*both, strict=True):
            timings = {"train": of_train.findings.timings["train"], "infer": of_infer.findings.timings["infer"]}
            findings = some_findings(timings=timings, judgement=None)
            attempts.append(msgspec.structs.replace(of_train, findings=findings))
    assert marked(attempts, "train seq/s") == ["torch"]
    assert marked(attempts, "infer seq/s") == ["jax"]


def seeds_of(backend, values, **judgement):
    return [
        an_attempt(
            number,
            configuration=a_configuration(backend=backend, seed=number),
            findings=some_findings(timings={}, judgement=a_judgement(value, **judgement)),
        )
        for number, value in enumerate(values)
    ]


FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]
MORE = [value + 10 for value in FIVE]


@pytest.mark.parametrize(
    ("ours", "theirs", "judgement", "found"),
    [
        (FIVE, MORE, {}, ["torch"]),
        (FIVE, MORE, {"better": "higher"}, ["jax"]),
        (FIVE, [value + 0.5 for value in FIVE], {}, []),
        (FIVE, FIVE, {}, []),
        (FIVE[:3], MORE, {}, []),
        (FIVE[:1], MORE[:1], {}, []),
        (FIVE, [*MORE[:4], None], {}, ["torch"]),
        ([*FIVE[:4], None], MORE, {}, []),
    ],
    ids=["lower", "higher", "by chance", "alike", "few seeds", "one seed", "a rival's seed failed", "a seed failed"],
)
def test_a_metric_is_marked_only_if_seeds_do_not_explain_it(ours, theirs, judgement, found):
    attempts = [*seeds_of("torch", ours, **judgement), *seeds_of("jax", theirs, **judgement)]
    assert marked(attempts, "rmse") == found


def test_a_metric_has_to_be_better_than_that_of_each_other():
    two = [*seeds_of("torch", FIVE), *seeds_of("jax", MORE)]
    assert marked([*two, *seeds_of("numpy", MORE)], "rmse") == ["torch"]
    assert marked([*two, *seeds_of("numpy", FIVE)], "rmse") == []
    assert marked([*two, *seeds_of("numpy", MORE[:1])], "rmse") == []


def test_many_comparisons_of_metrics_are_corrected_for_their_number():
    four = [100.0, 101.0, 102.0, 103.0]  # of 4 and 4 seeds, chance makes one in 35 as different as can be
    assert marked([*seeds_of("torch", FIVE[:4]), *seeds_of("jax", four)], "rmse") == ["torch"]
    assert marked([*seeds_of("torch", FIVE[:4]), *seeds_of("jax", four), *seeds_of("numpy", four)], "rmse") == []


def test_a_lone_group_and_none_are_not_the_best_of_anything():
    groups = group_attempts([*runs(torch=1.0), *seeds_of("torch", FIVE)])
    for some in ([], groups[:1]):
        assert fastest(some, "train") is None
        assert most_able(some) is None


@pytest.mark.parametrize(
    ("name", "mark"),
    [("md", "| **4,000 ±5.1%** |"), ("latex", r"& \textbf{4,000 $\pm$5.1\%} &"), ("json", '"best": true')],
)
def test_every_format_with_a_mark_marks_one_entry_and_explains_it(name, mark):
    report = FORMATS[name](runs(torch=1.0, jax=2.0))
    assert report.count(mark) == 1
    assert "bold: the best of its column, since its time is certainly below each other row" in report


@pytest.mark.parametrize("name", ["table", "md", "latex", "json", "csv"])
def test_without_a_mark_none_is_explained(name):
    report = FORMATS[name](runs(torch=1.0, jax=1.0))
    assert "bold:" not in report
    assert "**" not in report
    assert "textbf" not in report


def test_the_mark_of_a_metric_says_what_it_rests_on():
    notes = summarise([*seeds_of("torch", FIVE), *seeds_of("jax", MORE)]).notes
    (note,) = (note for note in notes if note.startswith("bold: "))
    assert note.endswith("since its metric leads by more than the spread between seeds (rank-sum test)")
