"""What timings mean: operations per second, bounds, break-even points and steadiness of groups."""

import msgspec
import pytest

from builders import ROUNDS, a_model, a_timing, an_attempt, some_findings, some_run, times
from lstm_bench.analysis.groups import by_speed, group_attempts
from lstm_bench.analysis.speed import achieved_by, bounds_of, break_evens, stability_of, start_and_step
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import Ceiling


def a_group(*milliseconds, **given):
    (group,) = group_attempts(some_run(*milliseconds, **given))
    return group


def starting(seconds, milliseconds, backend):
    """A group of one round whose first step ends after so many seconds and whose later steps take so long."""
    attempts = some_run(milliseconds, backend=backend)
    phases = {"build": 1.0, "first step": seconds - 1.0}
    (group,) = group_attempts([with_findings(attempt, seconds=phases) for attempt in attempts])
    return group


def with_findings(attempt, **changes):
    return msgspec.structs.replace(attempt, findings=msgspec.structs.replace(attempt.findings, **changes))


def test_groups_are_sorted_by_speed_and_those_without_a_time_are_left_out():
    slow, fast = a_group(*times(2), backend="numpy"), a_group(*ROUNDS)
    untimed = a_group(*ROUNDS, backend="jax", scopes=("infer",))
    assert by_speed([slow, untimed, fast], "train") == [fast, slow]


def test_what_a_group_achieved_rests_on_all_its_rounds():
    group = a_group(1.0, 4.0, findings={"batch_shape": (4, 12, 1)})
    expected = operations(a_model(), "train", batch=4, time=12) / 0.002
    assert achieved_by(group, "train").flops_per_second == pytest.approx(expected)
    assert achieved_by(group, "infer") is None
    assert achieved_by(a_group(1.0), "train") is None  # the shape of its batch is not known


def test_bounds_are_the_ceiling_and_the_floors_share_of_each_timed_scope():
    ceiling = Ceiling(size=512, flops_per_second=2e9, floor_seconds={"train": 0.0001, "infer": 0.0001})
    found = bounds_of(a_group(1.0, 1.0, findings={"ceiling": ceiling}))
    assert found.flops_per_second == 2e9
    assert found.floor_shares == {"train": pytest.approx(0.1)}
    assert bounds_of(a_group(1.0)) is None


def test_a_start_is_the_median_over_rounds_of_build_and_first_step():
    attempts = [
        with_findings(attempt, seconds={"build": build, "first step": 1.0})
        for attempt, build in zip(some_run(1.0, 1.0, 1.0), (1.0, 2.0, 9.0), strict=True)
    ]
    (group,) = group_attempts(attempts)
    assert start_and_step(group) == (3.0, pytest.approx(0.001))
    assert start_and_step(a_group(1.0, scopes=("infer",))) is None


def test_a_group_breaks_even_with_each_slower_one_that_starts_earlier():
    fast, middle, slow = starting(10.0, 1.0, "jax"), starting(4.0, 2.0, "torch"), starting(2.0, 4.0, "numpy")
    first, second = break_evens([slow, fast, middle])
    assert first.ours is fast
    assert [theirs for theirs, _ in first.beside] == [middle, slow]
    assert [steps for _, steps in first.beside] == [pytest.approx(6000), pytest.approx(8000 / 3)]
    assert (second.ours, second.beside[0][0]) == (middle, slow)


def test_a_group_that_is_ahead_from_the_start_has_nothing_to_pay_back():
    assert break_evens([starting(2.0, 1.0, "torch"), starting(4.0, 2.0, "numpy")]) == []


def test_stability_counts_processes_and_blocks_of_each_timed_scope():
    def blocks(*milliseconds):
        return {"train": a_timing("train", steps_per_block=1, block_ns=tuple(round(m * 1e6) for m in milliseconds))}

    rounds = [(1.3, 1.2, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0, 9.0)]
    attempts = [
        an_attempt(number, round=number, run="r", times_only=number > 0, findings=some_findings(timings=blocks(*each)))
        for number, each in enumerate(rounds)
    ]
    (found,) = stability_of(group_attempts(attempts))
    assert (found.scope, found.processes, found.blocks, found.outliers) == ("train", 3, 14, 1)
    assert found.unsteady == {"warming": 1}
