import pytest

from builders import a_configuration, a_machine, a_timing, an_attempt, some_findings
from lstm_bench.analysis.groups import group_attempts, ratio, varied


def timed(number, *blocks, run="r", machine=None, **changes):
    """An attempt with one step in each block, which takes this many milliseconds."""
    timings = {"train": a_timing("train", steps_per_block=1, block_ns=tuple(round(b * 1e6) for b in blocks))}
    findings = some_findings(timings=timings, machine=machine or a_machine())
    return an_attempt(number, **{"run": run, "findings": findings} | changes)


def test_rounds_and_seeds_of_one_run_are_one_group():
    attempts = [
        timed(4, 4.0, round=2, times_only=True),
        timed(1, 1.0),
        timed(2, 2.0, configuration=a_configuration(seed=1)),
        timed(3, 3.0, round=1, times_only=True),
    ]
    (found,) = group_attempts(attempts)
    assert found.rounds("train") == {
        (0, 0): [pytest.approx(0.001)],
        (0, 1): [pytest.approx(0.003)],
        (0, 2): [pytest.approx(0.004)],
        (1, 0): [pytest.approx(0.002)],
    }
    assert found.trained == (attempts[1], attempts[2])
    assert found.estimate("infer") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "s"},
        {"configuration": a_configuration(backend="numpy")},
        {"configuration": a_configuration(threads=1)},
        {"machine": a_machine(cores=64)},
    ],
    ids=["run", "backend", "threads", "machine"],
)
def test_whatever_else_differs_is_another_group(changes):
    assert len(group_attempts([timed(1, 1.0), timed(2, 1.0, **changes)])) == 2


def test_of_a_round_that_was_disturbed_the_second_attempt_counts():
    (found,) = group_attempts([timed(1, 9.0, status="disturbed"), timed(2, 1.0, times_only=True)])
    assert found.rounds("train") == {(0, 0): [pytest.approx(0.001)]}
    assert found.statuses == ["ok"]


def test_what_was_disturbed_twice_counts_all_the_same():
    attempts = [timed(1, 9.0, status="disturbed"), timed(2, 8.0, status="disturbed", times_only=True)]
    (found,) = group_attempts(attempts)
    assert found.rounds("train") == {(0, 0): [pytest.approx(0.008)]}
    assert found.statuses == ["disturbed"]


def test_times_of_what_failed_do_not_count():
    (found,) = group_attempts([timed(1, 1.0, status="mismatch")])
    assert found.rounds("train") == {}
    assert found.estimate("train") is None


def test_rounds_are_paired_within_a_run_only():
    drifting = [(1.0, 1.05), (2.0, 2.1), (4.0, 4.2)]
    ours = [timed(n, b, round=n, configuration=a_configuration(backend="new")) for n, (_, b) in enumerate(drifting)]
    theirs = [timed(n, a, round=n, configuration=a_configuration(backend="old")) for n, (a, _) in enumerate(drifting)]
    other_run = [
        timed(n, a, round=n, run="s", configuration=a_configuration(backend="old")) for n, (a, _) in enumerate(drifting)
    ]
    (new,), (old,), (elsewhere,) = map(group_attempts, (ours, theirs, other_run))
    assert ratio(new, old, "train").high < 1.06
    assert ratio(new, elsewhere, "train").high > 2
    assert ratio(new, old, "infer") is None


def test_settings_that_differ_are_named_in_order_even_if_the_first_group_lacks_them():
    configurations = [a_configuration(), a_configuration(threads=1, task_options={"delay": "10"})]
    groups = group_attempts([timed(n, 1.0, configuration=each) for n, each in enumerate(configurations)])
    assert varied(groups) == ["threads", "delay"]
    assert varied(groups[:1]) == []


@pytest.mark.parametrize("status", ["mismatch", "implausible", "invalid-output"])
def test_a_round_in_which_the_backend_was_wrong_takes_away_all_rounds(status):
    rounds = [timed(1, 1.0), timed(2, 1.0, round=1, times_only=True)]
    wrong = timed(3, 1.0, round=2, times_only=True, status=status)
    (found,) = group_attempts([*rounds, wrong])
    assert found.rounds("train") == {}
    assert found.estimate("train") is None


def test_a_round_that_crashed_takes_away_itself_alone():
    rounds = [timed(1, 1.0), timed(2, 1.0, round=1, times_only=True, status="crashed")]
    (found,) = group_attempts(rounds)
    assert list(found.rounds("train")) == [(0, 0)]
