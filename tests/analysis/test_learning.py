"""How well models learned: metrics, the typical seed, and the best baseline."""

import pytest

from builders import a_configuration, a_failure, a_judgement, an_attempt, some_findings
from lstm_bench.analysis.groups import group_attempts
from lstm_bench.analysis.learning import best_baseline, learners, metric_of, typical


def seeds(*values, status="ok"):
    """Attempts that differ in their seed, with these metrics."""
    return [
        an_attempt(
            seed,
            status=status,
            configuration=a_configuration(seed=seed),
            findings=some_findings(judgement=a_judgement(value)),
        )
        for seed, value in enumerate(values)
    ]


def a_group(attempts):
    (group,) = group_attempts(attempts)
    return group


def test_the_metric_is_the_one_that_the_task_is_judged_by():
    assert metric_of(an_attempt()) == 50.25
    assert metric_of(an_attempt(findings=some_findings(judgement=a_judgement(None)))) is None
    assert metric_of(an_attempt(findings=some_findings(judgement=None))) is None


def test_a_learner_was_trained_and_ended_well():
    good = seeds(1.0, 2.0)
    failed = a_failure(9, configuration=a_configuration(seed=9), findings=some_findings(timings={}), status="mismatch")
    untrained = an_attempt(8, configuration=a_configuration(seed=8), findings=some_findings(training=None))
    assert learners(a_group([*good, failed, untrained])) == good


@pytest.mark.parametrize(
    ("values", "seed"),
    [((3.0, 1.0, 2.0), 2), ((4.0, 1.0, 2.0, 3.0), 2), ((None, 7.0), 1), ((None, None), 0)],
    ids=["odd", "the lower of two", "not finite", "no metric"],
)
def test_the_typical_seed_has_the_median_metric(values, seed):
    assert typical(a_group(seeds(*values))).configuration.seed == seed


def test_without_a_learner_no_seed_is_typical():
    assert typical(a_group(seeds(1.0, status="mismatch"))) is None


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ({}, ("same month", 60.75)),
        ({"better": "higher"}, ("last value", 102.5)),
        ({"baselines": {"unknown": {"rmse": None}, "other": {"mae": 1.0}, "good": {"rmse": 60.0}}}, ("good", 60.0)),
        ({"baselines": {"other": {"mae": 1.0}}}, None),
        ({"baselines": {}}, None),
    ],
)
def test_the_best_baseline_is_judged_by_the_same_metric(changes, best):
    assert best_baseline(a_judgement(**changes)) == best
