"""The notes beneath the tables: baselines that are beaten, seeds, failures, the meaning of columns, machines."""

import pytest

from builders import (
    a_configuration,
    a_failure,
    a_judgement,
    a_machine,
    a_model,
    a_recipe,
    a_timing,
    an_attempt,
    some_findings,
)
from formats import FORMATS, an_attempt_of, for_people, numpy_configuration, unescape
from lstm_bench.record.configuration import EFFORTS
from lstm_bench.reports.summary import summarise

VERDICTS = {
    "none": ([70.0, 60.75], {}, "no model beats the best baseline, same month (rmse 60.75 passengers)"),
    "one of one": ([50.0], {}, "1 of 1 models beat the best baseline, same month (rmse 60.75 passengers)"),
    "one of two": ([50.0, 70.0], {}, "1 of 2 models beat the best baseline, same month (rmse 60.75 passengers)"),
    "unknown beats nothing": ([50.0, None], {}, "1 of 2 models beat the best baseline, same month"),
    "higher is better": ([50.0, 70.0, 110.0], {"better": "higher"}, "1 of 3 models beat the best baseline, last value"),
    "no unit": ([50.0], {"unit": ""}, "1 of 1 models beat the best baseline, same month (rmse 60.75)"),
    "a baseline that has no value": (
        [50.0],
        {"baselines": {"broken": {"rmse": None}, "other": {"mae": 1.0}, "good": {"rmse": 60.0}}},
        "1 of 1 models beat the best baseline, good (rmse 60.00 passengers)",
    ),
}


@pytest.mark.parametrize(("values", "judgement", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_says_how_many_models_beat_the_best_baseline(values, judgement, verdict):
    attempts = [an_attempt_of(value, number, **judgement) for number, value in enumerate(values)]
    for render in (FORMATS["table"], FORMATS["md"]):
        (line,) = (line for line in render(attempts).splitlines() if "best baseline" in line)
        assert f"flights:tutorial: {verdict}" in line


def test_only_models_that_ended_well_are_judged():
    good, bad = an_attempt_of(70.0, 1), an_attempt_of(1.0, 2)
    failed = an_attempt(3, status="mismatch", reason="logits", configuration=bad.configuration, findings=bad.findings)
    assert "no model beats" in FORMATS["table"]([good, failed])
    assert "best baseline" not in FORMATS["table"]([failed])


@pytest.mark.parametrize("baselines", [{}, {"last value": {"mae": 1.0}}, {"last value": {"rmse": None}}], ids=str)
def test_without_a_baseline_to_compare_with_there_is_no_verdict(baselines):
    assert "best baseline" not in FORMATS["table"]([an_attempt_of(50.0, baselines=baselines)])


@for_people
def test_every_failure_is_listed_with_its_reason(render):
    failures = [
        a_failure(1),
        a_failure(2, status="timeout", reason="not done after 5 s", configuration=numpy_configuration()),
        a_failure(3, status="unsupported", reason="no GRU here", configuration=numpy_configuration(device="cuda:0")),
    ]
    text = unescape(render([an_attempt(0, configuration=a_configuration(seed=1)), *failures]))
    for line in (
        "torch on flights:tutorial (cpu, float32): crashed: left in phase 'start'",
        "numpy on flights:tutorial (cpu, float32): timeout: not done after 5 s",
        "numpy on flights:tutorial (cuda:0, float32): unsupported: no GRU here",
    ):
        assert line in text
    assert ": ok: " not in text


@for_people
def test_where_and_how_it_was_measured_is_said_once_for_each_way(render):
    one = a_configuration(threads=1, effort=EFFORTS["quick"])
    away = some_findings(machine=a_machine(processor="Another"), device_name="")
    attempts = [an_attempt(1), an_attempt(2), an_attempt(3, configuration=one, findings=away), a_failure(4)]
    lines = [line for line in render(attempts).splitlines() if "measured with" in line]
    assert [line.removeprefix("- ") for line in lines] == [
        "measured with effort default, 2 threads, Abacus 9, Linux 6.1, Python 3.11.7, Slide rule",
        "measured with effort quick, 1 thread, Another, Linux 6.1, Python 3.11.7",
        "measured with effort default, 2 threads, machine unknown",
    ]


def test_columns_are_explained_where_they_need_it():
    notes = "\n".join(summarise([an_attempt()]).lines)
    assert "params: " in notes
    assert "seq/s: " in notes
    assert "memory: " in notes
    assert "params: " not in "\n".join(summarise([a_failure()]).lines)


@pytest.mark.parametrize(("blocks", "told"), [(10, False), (9, True)])
def test_fewer_blocks_than_the_effort_has_are_told(blocks, told):
    findings = some_findings(timings={"train": a_timing(block_ns=(1_000_000,) * blocks)})
    assert any("fewer blocks" in note for note in summarise([an_attempt(findings=findings)]).lines) == told


def seeds_of(backend, values, **configuration):
    return [
        an_attempt(
            seed,
            configuration=a_configuration(seed=seed, backend=backend, **configuration),
            findings=some_findings(judgement=a_judgement(value)),
        )
        for seed, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        (
            [11.0, 12.0, 13.0, 14.0, 15.0],
            "rmse of torch differs from numpy's by more than the spread between seeds (p = 0.0079",
        ),
        (
            [1.5, 2.5, 3.5, 4.5, 5.5],
            "no backend's rmse differs from numpy's by more than the spread between seeds (p = 0.69 or more",
        ),
        ([11.0, 12.0, 13.0], None),
    ],
    ids=["off", "not off", "too few"],
)
def test_the_seeds_say_whether_a_backend_is_off_the_reference(theirs, says):
    notes = summarise([*seeds_of("numpy", [1.0, 2.0, 3.0, 4.0, 5.0]), *seeds_of("torch", theirs)]).lines
    told = [note for note in notes if "spread between seeds (p" in note]
    assert len(told) == (says is not None)
    assert says is None or says in told[0]


def test_models_that_differ_are_not_held_against_each_other():
    gru = a_recipe(model=a_model(cell="gru"))
    attempts = [*seeds_of("numpy", [1.0, 2.0, 3.0, 4.0]), *seeds_of("torch", [11.0, 12.0, 13.0, 14.0], recipe=gru)]
    assert not any("spread between seeds" in note for note in summarise(attempts).lines)
